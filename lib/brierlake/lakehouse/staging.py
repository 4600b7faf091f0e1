"""The staging table: predictions of several runs side by side, each window of each run whole or absent."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from pyspark.sql import DataFrame

from brierlake.errors import StorageError
from brierlake.lakehouse.predictions import Commit, WindowState, count_by_run, written_rows
from brierlake.lakehouse.tables import (
    Table,
    append_rows,
    as_stored,
    read_commits,
    read_table,
    read_version,
)
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.names import quoted_text

Owners = Mapping[Window, str]
"""The run whose staged rows stand for each window."""


def read_staged_states(
    table: Table, *, windows: Collection[Window], version: int
) -> Mapping[Window, list[WindowState]]:
    """Return what each run has staged of each window, the newest run first."""
    found = count_by_run(read_table(table, version=version).where(filter_condition(windows)))
    states: dict[Window, list[WindowState]] = defaultdict(list)
    for window, state in sorted(found, key=lambda each: each[1].run_id, reverse=True):
        states[window].append(state)
    return states


def stage_predictions(rows: DataFrame, table: Table, *, run_id: str, told: Mapping[str, Any], expected: int) -> Commit:
    """Append one run's windows beside those of others, and find the commit.

    Raises:
        StorageError: The write failed, or the commit holds another number of rows than `expected`.
    """
    stored = as_stored(rows, read_table(table).schema)
    append_rows(stored, table, tag=json.dumps({"run_id": run_id, **told}))
    commit = read_commits(table).get(run_id)
    written = written_rows(commit) if commit else 0
    if written != expected:
        raise StorageError.rows_differ(table.name, expected=expected, written=written)
    return Commit(version=commit["version"] if commit else read_version(table), rows=written)


def read_staged(table: Table, owners: Owners, *, version: int) -> DataFrame:
    """The rows of these windows, of these runs only, as they were at one version."""
    return read_table(table, version=version).where(owned_condition(owners))


def owned_condition(owners: Owners) -> str:
    windows: dict[str, list[Window]] = defaultdict(list)
    for window, owner in owners.items():
        windows[owner].append(window)
    parts = [f"(run_id = {quoted_text(owner)} AND {filter_condition(own)})" for owner, own in sorted(windows.items())]
    return f"({' OR '.join(parts)})" if parts else "false"
