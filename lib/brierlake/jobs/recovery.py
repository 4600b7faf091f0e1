"""What a run left half done that was killed, or couldn't put back: put back or scored again, or put in the ledger."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC
from typing import Any

from brierlake.jobs.plan import Plan, compared, with_stale
from brierlake.jobs.run import SETTLED, Run, record_runs, started_at
from brierlake.lakehouse.ledger import read_recorded
from brierlake.lakehouse.predictions import read_run_facts, read_window_states
from brierlake.lakehouse.restoring import GoneError, put_back
from brierlake.lakehouse.tables import Table, is_there, read_commits
from brierlake.lakehouse.windows import Scope, Window

Facts = Mapping[str, Any]
"""What is known of one run, under the names of the runs table; or a row of a table's history."""

_HISTORY, _LATEST = 1000, 100
"""Commits that are looked at for those of interrupted runs, and in which a run of some windows looks for them."""
PUBLISHED = "published"
"""Status in the ledger."""


def recover(run: Run, plan: Plan, table: Table, *, action: str, is_forced: bool = False) -> Plan:
    """Puts back or records what runs without a record published, and returns the plan as it is afterwards.

    A run owes what it published while too many of its rows have no probability, and the ledger doesn't say that it
    was published: it was killed before it could judge, or couldn't put back. Where what was there before is gone, the
    windows are scored again.

    Raises:
        StorageError: It can't be put back now either.
    """
    if not is_there(run.spark, table):
        return plan
    ids = _find_ids(run, plan, table)
    recorded = read_recorded(run.spark, run.runs, run_ids=ids) if ids else {}
    suspects = [each for each in ids if PUBLISHED not in recorded.get(each, ())]
    if not suspects:
        return plan
    commits = read_commits(run.spark, table, most=_HISTORY)
    facts = read_run_facts(run.spark, table, run_ids=suspects)
    owed = {each["run_id"] for each in facts if _is_owed(run, each, commits.get(each["run_id"]))}
    lost = [window for owner in sorted(owed) for window in _pay(run, table, owner, commits[owner])]
    if owed:
        plan = compared(run, plan, table, is_forced=is_forced)
        plan = with_stale(plan, [each for each in lost if plan.scope.has(each)])
    killed = [each for each in facts if each["run_id"] not in {*owed, *recorded}]
    _record(run, killed, commits, table=table, action=action)
    return plan


def _find_ids(run: Run, plan: Plan, table: Table) -> list[str]:
    """Runs whose rows the windows of the scope hold; where it isn't all windows, those of the latest commits too."""
    ids = {state.run_id for state in plan.states.values() if not state.is_mixed}
    if not plan.scope.is_full:
        commits = read_commits(run.spark, table, most=_LATEST)
        ids |= {run_id for run_id, commit in commits.items() if "put_back" not in commit["told"]}
    return sorted(ids)


def _is_owed(run: Run, facts: Facts, commit: Facts | None) -> bool:
    return commit is not None and facts["rows_with_issue"] > run.config.scoring.max_issue_share * facts["rows_in"]


def _pay(run: Run, table: Table, owner: str, commit: Facts) -> Collection[Window]:
    """Puts back what a run published; returns the windows where that can't be done any more."""
    states = read_window_states(run.spark, table, scope=Scope())
    windows = [window for window, state in states.items() if state.run_id == owner and not state.is_mixed]
    run.say(f"Run {owner} published too many rows without a probability: putting back what was there")
    try:
        put_back(run.spark, table, windows=windows, owner=owner, version=commit["version"] - 1, run_id=run.run_id)
    except GoneError as error:
        run.say(f"{error}; scoring {len(windows):,} windows again")
        return windows
    return ()


def _record(run: Run, interrupted: Iterable[Facts], commits: Mapping[str, Facts], *, table: Table, action: str) -> None:
    """Enters into the ledger what killed runs published."""
    records = []
    for facts in interrupted:
        commit = commits.get(facts["run_id"])
        if commit and run.started_at - commit["timestamp"].astimezone(UTC) < SETTLED:
            continue  # it may be at its diagnostics right now, and will record itself
        records.append(
            {
                **facts,
                "action": action,
                "status": "published",
                "exit_code": 0,
                "started_at": started_at(facts["run_id"]),
                "model_digest": commit["told"].get("model_digest") if commit else None,
                "predictions_table": table.name,
                "predictions_version": commit["version"] if commit else None,
                "error": f"not recorded by itself (killed, or the ledger was lost); entered by run {run.run_id}",
            }
        )
    if records:
        record_runs(run, records)
