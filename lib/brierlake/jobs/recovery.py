"""What a run that was killed left half done: judged late, put back, or entered into the ledger."""

from collections.abc import Iterable, Mapping
from datetime import UTC, timedelta
from typing import Any

from brierlake.jobs.plan import Plan, compared
from brierlake.jobs.run import Run, record_runs, started_at
from brierlake.lakehouse.ledger import read_recorded
from brierlake.lakehouse.predictions import put_back, read_run_facts
from brierlake.lakehouse.tables import read_commits

Facts = Mapping[str, Any]
"""What is known of one run, under the names of the runs table; or a row of a table's history."""

SETTLED = timedelta(hours=1)
"""Time after its commit in which a run may still be alive without a record."""
_HISTORY = 1000
"""Commits that are looked at for those of interrupted runs."""


def recover(run: Run, plan: Plan) -> Plan:
    """Puts back or records what runs without a record published; returns the plan as it is afterwards."""
    interrupted = _unrecorded(run, plan)
    if not interrupted:
        return plan
    commits = read_commits(run.spark, run.predictions, most=_HISTORY)
    facts = read_run_facts(run.spark, run.predictions, run_ids=interrupted)
    undone = [each for each in facts if _undo(run, plan, each, commits.get(each["run_id"]))]
    if undone:
        plan = compared(run, plan, run.predictions)
        facts = read_run_facts(run.spark, run.predictions, run_ids=_unrecorded(run, plan))
    _record(run, facts, commits)
    return plan


def _unrecorded(run: Run, plan: Plan) -> list[str]:
    """Ids of runs whose rows the windows hold, and that no ledger row tells of: killed, or the ledger was deleted."""
    ids = {state.run_id for state in plan.states.values() if not state.is_mixed}
    return sorted(ids - read_recorded(run.spark, run.runs, run_ids=ids)) if ids else []


def _undo(run: Run, plan: Plan, facts: Facts, commit: Facts | None) -> bool:
    """Puts back what a run published and was killed before it could judge it: too many rows without a probability."""
    share, run_id = run.config.scoring.max_issue_share, facts["run_id"]
    held = {window: state for window, state in plan.states.items() if state.run_id == run_id}
    is_bad_here = any(state.issues > share * state.rows for state in held.values())
    if commit is None or not is_bad_here or facts["rows_with_issue"] <= share * facts["rows_in"]:
        return False
    run.say(f"Run {run_id} was interrupted with too many rows without a probability: putting back what was there")
    put_back(run.spark, run.predictions, windows=held, version=commit["version"] - 1, tag=f"{run.run_id}:put-back")
    return True


def _record(run: Run, interrupted: Iterable[Facts], commits: Mapping[str, Facts]) -> None:
    records = []
    for facts in interrupted:
        commit = commits.get(facts["run_id"])
        if commit and run.started_at - commit["timestamp"].astimezone(UTC) < SETTLED:
            continue  # it may be at its diagnostics right now, and will record itself
        records.append(
            {
                **facts,
                "action": "score",
                "status": "published",
                "exit_code": 0,
                "started_at": started_at(facts["run_id"]),
                "model_digest": commit["told"].get("model_digest") if commit else None,
                "predictions_table": run.predictions.name,
                "predictions_version": commit["version"] if commit else None,
                "error": f"not recorded by itself (killed, or the ledger was lost); entered by run {run.run_id}",
            }
        )
    if records:
        record_runs(run, records)
