"""Publish: the stale windows in one commit, looked at again when others came first, put back when too much is bad."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from brierlake.errors import GateError, StorageError
from brierlake.lakehouse.predictions import Commit, ConflictError, Issue, publish_predictions, read_issues
from brierlake.lakehouse.restoring import put_back
from brierlake.lakehouse.tables import Table
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.run.context import Run
from brierlake.run.progress import watched
from brierlake.scoring.planning import Plan, compared

_ATTEMPTS = 5


@dataclass(frozen=True)
class Publication:
    """What came of publishing: the plan with the windows that were ours, and the commit; None: others did it all."""

    plan: Plan
    commit: Commit | None
    issues: Mapping[str, Issue]


Explain = Callable[[Mapping[str, Issue]], Mapping[str, Issue]]
"""Adds to the examples of issues what the model says of them."""


def publish(
    run: Run, plan: Plan, predictions: DataFrame, table: Table, *, told: Mapping[str, Any], explain: Explain
) -> Publication:
    """Replace the plan's stale windows of a table; `told` goes into the commit beside the run's id.

    Windows that another run made current meanwhile are left as they are.

    Raises:
        GateError: Too many rows have no probability; the windows hold what they held before.
        StorageError: The write failed, or other jobs kept writing the same windows.
    """
    left = plan
    for _ in range(_ATTEMPTS):
        rows = predictions if left is plan else predictions.where(filter_condition(left.stale))
        try:
            with watched(run.spark, say=run.say, what="Scoring", rows=left.rows):
                commit = publish_predictions(
                    rows, table, windows=left.stale, run_id=run.run_id, told=told, expected=left.rows
                )
        except ConflictError:
            run.say("Another job wrote the same windows; looking again")
            now = compared(plan, table, say=run.say)
            still = set(now.stale)
            left = replace(now, stale=tuple(window for window in plan.stale if window in still))
            if not left.stale:
                return Publication(plan=left, commit=None, issues={})
            continue
        _validate_rows(run, left, commit, table)
        # counted while they were written: where there are none, none are looked for
        has_issues = commit.rows_with_issue != 0
        key = plan.features.config.key
        found = read_issues(table, commit=commit, windows=left.stale, key=key) if has_issues else {}
        issues = explain(found)
        _validate_issues(run, issues, commit, table=table, windows=left.stale)
        return Publication(plan=left, commit=commit, issues=issues)
    raise StorageError.conflict(table.name, _ATTEMPTS)


def _validate_rows(run: Run, plan: Plan, commit: Commit, table: Table) -> None:
    if commit.rows != plan.rows:
        _put_back(run, commit, table=table, windows=plan.stale)
        raise StorageError.rows_differ(table.name, expected=plan.rows, written=commit.rows)


def _validate_issues(
    run: Run, issues: Mapping[str, Issue], commit: Commit, *, table: Table, windows: Collection[Window]
) -> None:
    """The same for a commit: the windows hold again what they held before it."""
    undo = partial(_put_back, run, commit, table=table, windows=windows)
    validate_issues(run, issues, rows=commit.rows, undo=undo)


def validate_issues(run: Run, issues: Mapping[str, Issue], *, rows: int, undo: Callable[[], None]) -> None:
    """Raise GateError where too many rows have no probability, once `undo` has taken them out again."""
    share = run.config.scoring.max_issue_share
    if sum(each.rows for each in issues.values()) > share * rows:
        undo()
        counts = {text: each.rows for text, each in issues.items()}
        examples = {text: each.examples for text, each in issues.items()}
        raise GateError.too_many_issues(counts, examples, rows=rows, share=share)


def _put_back(run: Run, commit: Commit, *, table: Table, windows: Collection[Window]) -> None:
    """Take this run's rows out again. Where that fails, the ledger doesn't call the run published: a debt."""
    before = commit.version - 1
    put_back(table, windows=windows, owner=run.run_id, version=before, run_id=run.run_id)
