"""From what a run did to its summary."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from brierlake.jobs.challenger import Challenge
from brierlake.jobs.diagnose import Diagnosis
from brierlake.jobs.flags import find_flagged
from brierlake.jobs.gates import Breach
from brierlake.jobs.plan import Plan
from brierlake.jobs.predict import Checked
from brierlake.jobs.run import Run
from brierlake.jobs.score import Scored
from brierlake.lakehouse.diagnostics import Figures
from brierlake.lakehouse.windows import Scope
from brierlake.registry import Candidate
from brierlake.summaries import (
    BreachPart,
    CandidatePart,
    ChallengerPart,
    ComparisonPart,
    DiagnoseSummary,
    DiagnosticsPart,
    DifferencePart,
    FlagPart,
    LabelsPart,
    MetricsPart,
    ModelPart,
    PlanSummary,
    ReportSummary,
    ScoreSummary,
)

_SHOWN = 5


def summarise_score(run: Run, scored: Scored, challenge: Challenge | None) -> ScoreSummary:
    plan = scored.plan
    return ScoreSummary(
        **_run_facts(run),
        status=scored.status,
        **_plan_facts(plan),
        **_checked_facts(scored.checked),
        predictions_table=run.predictions.name,
        predictions_version=scored.commit.version if scored.commit else None,
        rows_scored=plan.rows - scored.rows_with_issue,
        rows_with_issue=scored.rows_with_issue,
        issues={text: each.rows for text, each in scored.issues.items()},
        issue_examples={text: list(each.examples) for text, each in scored.issues.items()},
        exit_code=scored.exit_code,
        breaches=_breaches(scored.breaches),
        held_windows=[str(each) for each in scored.held],
        is_accepted=scored.is_accepted,
        diagnostics=_diagnostics(run, scored.diagnosis) if scored.diagnosis else None,
        challenger=summarise_challenge(challenge),
    )


_ADDED_UP = ("windows_stale", "windows_current", "rows_in", "rows_scored", "rows_with_issue")


def summarise_backfill(pieces: Sequence[ScoreSummary], *, scope: Scope) -> ScoreSummary:
    """Several score runs as one: counts added up, everything else as the last run found it."""
    statuses = {piece.status for piece in pieces}
    status = next((each for each in ("published", "held", "diagnosed") if each in statuses), "unchanged")
    issues: dict[str, int] = {}
    for piece in pieces:
        issues = {text: issues.get(text, 0) + piece.issues.get(text, 0) for text in {*issues, *piece.issues}}
    examples = {text: keys for piece in reversed(pieces) for text, keys in piece.issue_examples.items()}
    together = {
        **{name: sum(getattr(piece, name) for piece in pieces) for name in _ADDED_UP},
        "status": status,
        "scope": str(scope),
        "issues": issues,
        "exit_code": max(piece.exit_code for piece in pieces),
        "breaches": [breach for piece in pieces for breach in piece.breaches],
        "held_windows": [window for piece in pieces for window in piece.held_windows],
        "issue_examples": examples,
        "run_ids": [piece.run_id for piece in pieces if piece.status != "unchanged"],
    }
    return pieces[-1].model_copy(update=together)


def summarise_diagnose(run: Run, diagnosis: Diagnosis, challenge: Challenge | None = None) -> DiagnoseSummary:
    return DiagnoseSummary(
        **_run_facts(run),
        status="answered" if diagnosis.as_of else "published" if diagnosis.windows else "unchanged",
        exit_code=diagnosis.exit_code,
        breaches=_breaches(diagnosis.breaches),
        diagnostics=_diagnostics(run, diagnosis),
        challenger=summarise_challenge(challenge),
    )


def summarise_plan(run: Run, plan: Plan, checked: Checked | None, *, growths: Mapping[str, str]) -> PlanSummary:
    return PlanSummary(
        **_run_facts(run),
        status="planned" if plan.stale else "unchanged",
        **_plan_facts(plan),
        **_checked_facts(checked),
        table_changes=dict(growths),
    )


def summarise_report(run: Run, path: Path) -> ReportSummary:
    return ReportSummary(**_run_facts(run), report=str(path))


def summarise_challenge(challenge: Challenge | None) -> ChallengerPart | None:
    """What became of the challenger, and the comparison by month and in total; null where none is configured."""
    if challenge is None:
        return None
    rows = {
        grain: [_comparison(row) for row in challenge.comparison if row["grain"] == grain] for grain in ("month", "all")
    }
    return ChallengerPart(
        status=challenge.status,
        model_name=challenge.model_name,
        model_version=challenge.model_version,
        windows=challenge.windows,
        error=challenge.error,
        months=rows["month"],
        total=next(iter(rows["all"]), None),
    )


def _run_facts(run: Run) -> dict[str, Any]:
    return {"run_id": run.run_id, "job": run.config.job}


def _plan_facts(plan: Plan) -> dict[str, Any]:
    chosen = plan.resolution
    return {
        "model": ModelPart(
            name=chosen.model_name,
            version=chosen.model_version,
            metric=chosen.metric_name,
            value=chosen.metric_value,
        ),
        "candidates_count": len(chosen.candidates),
        "eligible_count": sum(each.is_eligible for each in chosen.candidates),
        "candidates": [_candidate(each) for each in _best(chosen.candidates)],
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


def _checked_facts(checked: Checked | None) -> dict[str, Any]:
    if checked is None:
        return dict.fromkeys(("model_digest", "features", "casts", "environment"))
    return {
        "model_digest": checked.digest,
        "features": list(checked.contract.features),
        "casts": dict(checked.contract.casts),
        "environment": [DifferencePart(**vars(each)) for each in checked.differences.packages],
    }


def _best(candidates: Sequence[Candidate]) -> list[Candidate]:
    eligible = [each for each in candidates if each.rank is not None]
    return sorted(eligible, key=lambda each: each.rank or 0)[:_SHOWN]


def _candidate(candidate: Candidate) -> CandidatePart:
    return CandidatePart(**{name: getattr(candidate, name) for name in CandidatePart.model_fields})


def _breaches(breaches: Iterable[Breach]) -> list[BreachPart]:
    return [BreachPart(**vars(each)) for each in breaches]


def _diagnostics(run: Run, diagnosis: Diagnosis) -> DiagnosticsPart:
    flagged = find_flagged(diagnosis.figures, drift_alert=run.config.diagnostics.drift_alert)
    return DiagnosticsPart(
        windows=len(diagnosis.windows),
        reasons=dict(diagnosis.reasons),
        labels_version=diagnosis.labels_version,
        labels=LabelsPart(**vars(diagnosis.labels)) if diagnosis.labels else None,
        as_of=diagnosis.as_of,
        flagged=[FlagPart(**vars(each)) for each in flagged],
        months=[_metrics(row) for row in diagnosis.months],
        total=_metrics(diagnosis.total) if diagnosis.total else None,
    )


def _metrics(row: Figures) -> MetricsPart:
    return MetricsPart.model_validate({name: row.get(name) for name in MetricsPart.model_fields})


def _comparison(row: Figures) -> ComparisonPart:
    return ComparisonPart(**{name: row[name] for name in ComparisonPart.model_fields})
