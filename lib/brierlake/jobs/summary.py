"""What a run tells: one JSON-able summary, from which the terminal is drawn too."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from brierlake.jobs.challenger import Challenge
from brierlake.jobs.diagnose import Diagnosis
from brierlake.jobs.flags import find_flagged
from brierlake.jobs.plan import Plan
from brierlake.jobs.predict import Checked
from brierlake.jobs.run import Run
from brierlake.jobs.score import Scored
from brierlake.lakehouse.windows import Scope
from brierlake.registry import Candidate

_SHOWN = 5
_METRICS = (
    "window_start", "n_rows", "n_scored", "n_labelled", "n_events", "coverage", "label_status", "mean_probability",
    "expected_brier", "expected_brier_sd", "base_rate", "mean_probability_labelled", "expected_brier_labelled", "brier",
    "brier_se", "se_kind", "n_clusters", "brier_low", "brier_high", "interval_status", "reference_brier", "skill",
    "skill_se", "spiegelhalter_z",
)  # fmt: skip


def summarise_score(run: Run, scored: Scored) -> dict[str, Any]:
    plan = scored.plan
    return {
        **_run_facts(run, action="score", status=scored.status),
        **summarise_plan(plan),
        **_checked_facts(scored.checked),
        "predictions_table": run.predictions.name,
        "predictions_version": scored.commit.version if scored.commit else None,
        "rows_scored": plan.rows - scored.rows_with_issue,
        "rows_with_issue": scored.rows_with_issue,
        "issues": {text: each.rows for text, each in scored.issues.items()},
        "issue_examples": {text: list(each.examples) for text, each in scored.issues.items()},
        "exit_code": scored.exit_code,
        "breaches": [asdict(each) for each in scored.breaches],
        "held_windows": [str(each) for each in scored.held],
        "is_accepted": scored.is_accepted,
        "diagnostics": summarise_diagnosis(run, scored.diagnosis) if scored.diagnosis else None,
    }


_ADDED_UP = ("windows_stale", "windows_current", "rows_in", "rows_scored", "rows_with_issue")


def summarise_backfill(pieces: Sequence[Mapping[str, Any]], *, scope: Scope) -> dict[str, Any]:
    """Several score runs as one: counts added up, everything else as the last run found it."""
    statuses = {piece["status"] for piece in pieces}
    status = next((each for each in ("published", "held", "diagnosed") if each in statuses), "unchanged")
    issues: dict[str, int] = {}
    for piece in pieces:
        issues = {text: issues.get(text, 0) + piece["issues"].get(text, 0) for text in {*issues, *piece["issues"]}}
    examples = {text: keys for piece in reversed(pieces) for text, keys in piece["issue_examples"].items()}
    return {
        **pieces[-1],
        **{name: sum(piece[name] for piece in pieces) for name in _ADDED_UP},
        "status": status,
        "scope": str(scope),
        "issues": issues,
        "exit_code": max(piece["exit_code"] for piece in pieces),
        "breaches": [breach for piece in pieces for breach in piece["breaches"]],
        "held_windows": [window for piece in pieces for window in piece["held_windows"]],
        "issue_examples": examples,
        "run_ids": [piece["run_id"] for piece in pieces if piece["status"] != "unchanged"],
    }


def summarise_diagnose(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    status = "answered" if diagnosis.as_of else "published" if diagnosis.windows else "unchanged"
    return {
        **_run_facts(run, action="diagnose", status=status),
        "exit_code": diagnosis.exit_code,
        "breaches": [asdict(each) for each in diagnosis.breaches],
        "diagnostics": summarise_diagnosis(run, diagnosis),
    }


def summarise_plan_only(run: Run, plan: Plan, checked: Checked | None, *, growths: Mapping[str, str]) -> dict[str, Any]:
    status = "planned" if plan.stale else "unchanged"
    return {
        **_run_facts(run, action="plan", status=status),
        **summarise_plan(plan),
        **_checked_facts(checked),
        "table_changes": dict(growths),
    }


def _checked_facts(checked: Checked | None) -> dict[str, Any]:
    if checked is None:
        return dict.fromkeys(("model_digest", "features", "casts", "environment"))
    return {
        "model_digest": checked.digest,
        "features": list(checked.contract.features),
        "casts": dict(checked.contract.casts),
        "environment": [vars(each) for each in checked.differences.packages],
    }


def summarise_report(run: Run, path: Path) -> dict[str, Any]:
    return {**_run_facts(run, action="report", status="written"), "report": str(path)}


def _run_facts(run: Run, *, action: str, status: str) -> dict[str, Any]:
    return {"run_id": run.run_id, "job": run.config.job, "action": action, "status": status}


def summarise_plan(plan: Plan) -> dict[str, Any]:
    chosen = plan.resolution
    return {
        "model": {
            "name": chosen.model_name,
            "version": chosen.model_version,
            "metric": chosen.metric_name,
            "value": chosen.metric_value,
        },
        "candidates_count": len(chosen.candidates),
        "eligible_count": sum(each.is_eligible for each in chosen.candidates),
        "candidates": [_candidate_facts(each) for each in _best(chosen.candidates)],
        "recipe": plan.recipe,
        "scope": str(plan.scope),
        "features_table": plan.pin.table.name,
        "features_id": plan.pin.table_id,
        "features_version": plan.pin.version,
        "windows_stale": len(plan.stale),
        "windows_current": plan.current_count,
        "windows_emptied": [str(each or "no time") for each in plan.emptied],
        "rows_in": plan.rows,
    }


def _best(candidates: Sequence[Candidate]) -> list[Candidate]:
    eligible = [each for each in candidates if each.rank is not None]
    return sorted(eligible, key=lambda each: each.rank or 0)[:_SHOWN]


def _candidate_facts(candidate: Candidate) -> dict[str, Any]:
    names = ("rank", "model_name", "model_version", "value", "is_selected", "is_tied")
    return {name: getattr(candidate, name) for name in names}


def summarise_diagnosis(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    flagged = find_flagged(diagnosis.figures, drift_alert=run.config.diagnostics.drift_alert)
    return {
        "windows": len(diagnosis.windows),
        "reasons": dict(diagnosis.reasons),
        "labels_version": diagnosis.labels_version,
        "labels": vars(diagnosis.labels) if diagnosis.labels else None,
        "as_of": _plain(diagnosis.as_of),
        "flagged": [{name: _plain(value) for name, value in vars(each).items()} for each in flagged],
        "months": [_metric_facts(row) for row in diagnosis.months],
        "total": _metric_facts(diagnosis.total) if diagnosis.total else None,
    }


_COMPARED = (
    "window_start", "champion_name", "champion_version", "challenger_name", "challenger_version", "n", "n_events",
    "brier_champion", "brier_challenger", "difference", "difference_se", "difference_low", "difference_high", "se_kind",
    "verdict",
)  # fmt: skip


def summarise_challenge(challenge: Challenge | None) -> dict[str, Any]:
    """`challenger`: what became of it, and the comparison by month and in total; nothing where none is configured."""
    if challenge is None:
        return {}
    rows = {
        grain: [
            {name: _plain(row[name]) for name in _COMPARED} for row in challenge.comparison if row["grain"] == grain
        ]
        for grain in ("month", "all")
    }
    names = ("status", "model_name", "model_version", "windows", "error")
    told = {name: getattr(challenge, name) for name in names}
    return {"challenger": {**told, "months": rows["month"], "total": rows["all"][0] if rows["all"] else None}}


def _metric_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(row.get(name)) for name in _METRICS}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
