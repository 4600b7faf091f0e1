"""What a run left half done that was killed, or couldn't put back: put back or scored again, or put in the ledger."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from brierlake.lakehouse.predictions import read_run_facts, read_window_states
from brierlake.lakehouse.restoring import GoneError, put_back
from brierlake.lakehouse.tables import Table, is_there, read_commits
from brierlake.lakehouse.windows import Scope, Window
from brierlake.run.context import Run, read_run_time
from brierlake.run.ledger import PUBLISHED, SETTLED, read_settled, record_runs
from brierlake.scoring.planning import Plan, compared, with_stale

Facts = Mapping[str, Any]
"""What is known of one run, under the names of the runs table; or a row of a table's history."""

_HISTORY, _LATEST = 1000, 100
"""Commits in which those of runs without a record are looked for, and those in which each run looks for debts."""


@dataclass(frozen=True)
class Debts:
    """What was found of the latest runs."""

    settled: frozenset[str] = frozenset()
    """Those that owe nothing."""
    is_paid: bool = False
    """Something was put back: whoever looked at the table meanwhile must look again."""


def pay_debts(run: Run, table: Table) -> Debts:
    """Put back what the latest runs owe.

    A run owes what it published while too many of its rows have no probability, and the ledger doesn't say that it
    was published: it was killed before it could check, or couldn't put back.

    Raises:
        StorageError: It can't be put back now either.
    """
    if not is_there(table):
        return Debts()
    commits = read_commits(table, most=_LATEST)
    put_back_ones = {commit["told"].get("put_back") for commit in commits.values()}
    ids = {each for each, commit in commits.items() if "put_back" not in commit["told"]} - put_back_ones
    settled = read_settled(run.lake.runs, run_ids=ids)
    suspects = ids - settled
    owed = _pay_all(run, table, read_run_facts(table, run_ids=suspects), commits)[0] if suspects else ()
    return Debts(settled, is_paid=bool(owed))


def recover(
    run: Run, plan: Plan, table: Table, *, settled: frozenset[str], action: str, is_forced: bool = False
) -> Plan:
    """Put back or record what runs without a record published, and return the plan as it is afterwards.

    Where what was there before is gone, the windows are scored again.

    Args:
        settled: Runs that are known to owe nothing, from `pay_debts`.

    Raises:
        StorageError: It can't be put back now either.
    """
    held = {state.run_id for state in plan.states.values() if not state.is_mixed} - settled
    suspects = held - read_settled(run.lake.runs, run_ids=held)
    if not suspects:
        return plan
    commits = read_commits(table, most=_HISTORY)
    facts = read_run_facts(table, run_ids=suspects)
    owed, lost = _pay_all(run, table, facts, commits)
    if owed:
        plan = with_stale(
            compared(plan, table, is_forced=is_forced, say=run.say), [each for each in lost if plan.scope.has(each)]
        )
    killed = [each for each in facts if each["run_id"] not in owed]
    _record(run, killed, commits, table=table, action=action)
    return plan


def _pay_all(
    run: Run, table: Table, facts: Iterable[Facts], commits: Mapping[str, Facts]
) -> tuple[frozenset[str], list[Window]]:
    """Put back what these runs owe; return those that owed, and the windows where it can't be done any more."""
    share = run.config.scoring.max_issue_share
    owed = sorted(each["run_id"] for each in facts if each["rows_with_issue"] > share * each["rows_in"])
    return frozenset(owed), [window for owner in owed for window in _pay(run, table, owner, commits.get(owner))]


def _pay(run: Run, table: Table, owner: str, commit: Facts | None) -> Collection[Window]:
    """Put back what a run published; return the windows where what was there is lost."""
    states = read_window_states(table, scope=Scope())
    windows = [window for window, state in states.items() if state.run_id == owner and not state.is_mixed]
    run.say(f"Run {owner} published too many rows without a probability: putting back what was there")
    if commit is None:
        return windows
    try:
        put_back(table, windows=windows, owner=owner, version=commit["version"] - 1, run_id=run.run_id)
    except GoneError as error:
        run.say(f"{error}; the {len(windows):,} windows are scored again when their turn comes")
        return windows
    return ()


def _record(run: Run, interrupted: Iterable[Facts], commits: Mapping[str, Facts], *, table: Table, action: str) -> None:
    """Enter into the ledger what killed runs published."""
    records = []
    for facts in interrupted:
        commit = commits.get(facts["run_id"])
        if commit and run.started_at - commit["timestamp"].astimezone(UTC) < SETTLED:
            continue  # it may be at its diagnostics right now, and will record itself
        records.append(
            {
                **facts,
                "action": action,
                "status": PUBLISHED,
                "exit_code": 0,
                "started_at": read_run_time(facts["run_id"]),
                "model_digest": commit["told"].get("model_digest") if commit else None,
                "predictions_table": table.name,
                "predictions_version": commit["version"] if commit else None,
                "error": f"not recorded by itself (killed, or the ledger was lost); entered by run {run.run_id}",
            }
        )
    if records:
        record_runs(run, records)
