"""What a run that was killed left half done: judged late, put back, or entered into the ledger."""

from datetime import UTC, timedelta

from brierlake.jobs.plan import Plan, compared
from brierlake.jobs.run import Run, record_runs, started_at
from brierlake.lakehouse.ledger import read_recorded
from brierlake.lakehouse.predictions import count_run_rows, put_back, read_run_facts
from brierlake.lakehouse.tables import read_commits

SETTLED = timedelta(hours=1)
"""Time after its commit in which a run may still be alive without a record."""
_HISTORY = 1000
"""Commits that are looked at for those of interrupted runs."""


def recover(run: Run, plan: Plan) -> Plan:
    """Puts back or records what runs without a record published; returns the plan as it is afterwards."""
    if not _unrecorded(run, plan):
        return plan
    plan = undo_interrupted(run, plan)
    if interrupted := _unrecorded(run, plan):
        _record(run, interrupted)
    return plan


def _unrecorded(run: Run, plan: Plan) -> list[str]:
    """Ids of runs whose rows the windows hold, and that no ledger row tells of: killed, or the ledger was deleted."""
    ids = {state.run_id for state in plan.states.values() if not state.is_mixed}
    return sorted(ids - read_recorded(run.spark, run.runs, run_ids=ids)) if ids else []


def undo_interrupted(run: Run, plan: Plan) -> Plan:
    """Puts back what a run published and was killed before it could judge it: too many rows without a probability.

    Such a run has no record. Returns the plan as it is afterwards.
    """
    share = run.config.scoring.max_issue_share
    undone = False
    for run_id in _unrecorded(run, plan):
        held = [state for state in plan.states.values() if state.run_id == run_id]
        if not any(state.issues > share * state.rows for state in held):
            continue
        rows, issues = count_run_rows(run.spark, run.predictions, run_id=run_id)
        commit = read_commits(run.spark, run.predictions, most=_HISTORY).get(run_id)
        if issues > share * rows and commit is not None:
            run.say(
                f"Run {run_id} was interrupted with too many rows without a probability: putting back what was there"
            )
            windows = [window for window, state in plan.states.items() if state.run_id == run_id]
            put_back(
                run.spark, run.predictions, windows=windows, version=commit["version"] - 1, tag=f"{run.run_id}:put-back"
            )
            undone = True
    return compared(run, plan, run.predictions) if undone else plan


def _record(run: Run, run_ids: list[str]) -> None:
    commits = read_commits(run.spark, run.predictions, most=_HISTORY)
    records = []
    for facts in read_run_facts(run.spark, run.predictions, run_ids=run_ids):
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
