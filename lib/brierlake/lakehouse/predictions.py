"""The predictions table: what its windows hold, which of them are stale, and publishing exactly those."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation
from pyspark.sql import Window as SqlWindow
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.config import FeaturesConfig
from brierlake.errors import StorageError
from brierlake.lakehouse.features import column_types, key_text
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Table,
    as_stored,
    condition_of,
    read_commits,
    read_table,
    read_version,
    reason_of,
    replace_rows,
)
from brierlake.lakehouse.windows import Scope, Window, filter_condition, in_order, scope_condition
from brierlake.names import column_of
from brierlake.schemas import TableSpec, predictions_spec

_COMMIT_FILE = re.compile(r"_delta_log/(\d{20})\.json")
_EXAMPLES = 3
_REMOVALS = 5
_PATIENCE_SECONDS = 5


@dataclass(frozen=True)
class WindowState:
    """What one window holds now: by one run, one recipe and one features version, or by several (`is_mixed`)."""

    rows: int
    run_id: str
    recipe: str
    features_version: int
    is_mixed: bool
    issues: int = 0


@dataclass(frozen=True)
class Issue:
    """The rows that have no probability for one reason."""

    rows: int
    examples: tuple[str, ...]
    """Keys of the first few of them, such as `id=5`."""


@dataclass(frozen=True)
class Commit:
    """One publish that took place: the table's version that it made, and its rows."""

    version: int
    rows: int
    rows_with_issue: int | None = None
    """As counted while they were written; None: not counted."""


def spec_for(features: FeaturesConfig, schema: T.StructType) -> TableSpec:
    event_at = schema[features.event_at].dataType if features.event_at else T.TimestampType()
    return predictions_spec(
        key=column_types(schema, features.key), event_at=event_at, carried=column_types(schema, features.carry)
    )


def read_window_states(table: Table, *, scope: Scope) -> Mapping[Window, WindowState]:
    states: dict[Window, WindowState] = {}
    for window, state in count_by_run(read_table(table).where(scope_condition(scope))):
        other = states.get(window)
        states[window] = _mixed(state, other) if other else state
    return states


def count_by_run(rows: DataFrame) -> list[tuple[Window, WindowState]]:
    """Return what each run's rows make of each window, in no order."""
    # by these columns, not their min and max: Spark sorts all rows to aggregate text
    found = rows.groupBy("window_start", "run_id", "recipe", "features_version").agg(
        F.count(F.lit(1)).alias("rows"), F.count("issue").alias("issues")
    )
    names = ("rows", "run_id", "recipe", "features_version", "issues")
    return [
        (row["window_start"], WindowState(**{name: row[name] for name in names}, is_mixed=False))
        for row in found.collect()
    ]


def _mixed(one: WindowState, other: WindowState) -> WindowState:
    return WindowState(
        rows=one.rows + other.rows,
        run_id=max(one.run_id, other.run_id),
        recipe=max(one.recipe, other.recipe),
        features_version=min(one.features_version, other.features_version),
        is_mixed=True,
        issues=one.issues + other.issues,
    )


def find_stale(
    wanted: Mapping[Window, int],
    states: Mapping[Window, WindowState],
    *,
    recipe: str,
    features_version: int,
    changed_at: Mapping[Window, int] | None,
    former_recipes: Collection[str] = (),
) -> list[Window]:
    """Return the windows that must be scored whole, in order.

    Args:
        wanted: Rows of each window in the features.
        states: What the predictions hold.
        recipe: Today's.
        changed_at: Last version that changed each window, from the oldest of the states' on; None: it can't be told.
        former_recipes: The same recipe as earlier releases wrote it.
    """
    recipes = {recipe, *former_recipes}

    def is_current(window: Window) -> bool:
        state = states.get(window)
        if state is None:
            return wanted.get(window, 0) == 0
        if state.is_mixed or state.recipe not in recipes or state.rows != wanted.get(window, 0):
            return False
        if state.features_version == features_version:
            return True
        return changed_at is not None and changed_at.get(window, -1) <= state.features_version

    return in_order(window for window in {*wanted, *states} if not is_current(window))


def oldest_version(
    states: Mapping[Window, WindowState], *, recipe: str, former_recipes: Collection[str] = ()
) -> int | None:
    """Return the oldest features version among the windows that may still be current."""
    versions = [
        each.features_version
        for each in states.values()
        if each.recipe in {recipe, *former_recipes} and not each.is_mixed
    ]
    return min(versions, default=None)


def publish_predictions(
    rows: DataFrame,
    table: Table,
    *,
    windows: Collection[Window],
    run_id: str,
    told: Mapping[str, Any],
    expected: int,
) -> Commit:
    """Replace exactly these windows in one commit, and find that commit; its number of rows is the caller's to check.

    The commit's userMetadata is JSON: the `run_id`, and what else is `told`.

    Raises:
        ConflictError: Another job wrote the same windows meanwhile; nothing of ours was written.
        StorageError: The write failed, or there is no commit though rows were `expected`.
    """
    stored, tag = as_stored(rows, read_table(table).schema), json.dumps({"run_id": run_id, **told})
    counted = Observation()
    stored = stored.observe(counted, F.count("issue").alias("issues"))
    is_written = False
    try:
        replace_rows(stored, table, where=filter_condition(windows), tag=tag)
        is_written = True
    except STORAGE_FAULTS as error:
        if is_conflict(error):
            raise ConflictError.conflict(table.name, 1) from error
        number = _unwritten_commit(error)
        if number is None or read_version(table) < number:
            raise StorageError.failed("write", table.name, reason_of(error)) from error
        if run_id not in read_commits(table):  # some object stores don't say more when another was first
            raise ConflictError.conflict(table.name, 1) from error
    commit = read_commits(table).get(run_id)
    if commit is None:
        if expected == 0:
            return Commit(version=read_version(table), rows=0)
        raise StorageError.rows_differ(table.name, expected=expected, written=0)
    issues = _read_observed(counted).get("issues") if is_written else None
    return Commit(version=commit["version"], rows=written_rows(commit), rows_with_issue=issues)


def _read_observed(counted: Observation) -> Mapping[str, Any]:
    """What was counted during a write; nothing where a platform doesn't tell, for which `get` would wait for ever."""
    found: list[Mapping[str, Any]] = []

    def read() -> None:
        with suppress(PySparkException, Py4JError, AssertionError):
            found.append(counted.get)

    waiting = Thread(target=read, daemon=True)
    waiting.start()
    waiting.join(_PATIENCE_SECONDS)
    return found[0] if found else {}


def written_rows(commit: Mapping[str, Any]) -> int:
    metrics = commit["operationMetrics"]
    return int(metrics.get("numOutputRows", 0)) - int(metrics.get("numCopiedRows", 0))


class ConflictError(StorageError):
    """Another commit came first; look at the tables again."""


def _unwritten_commit(error: BaseException) -> int | None:
    """The version whose file of the log couldn't be written, where an error names one."""
    found = _COMMIT_FILE.search(str(error))
    return int(found.group(1)) if found else None


def is_conflict(error: BaseException) -> bool:
    text = f"{condition_of(error)} {type(error).__name__} {str(error)[:2000]}"
    return any(
        word in text for word in ("DELTA_CONCURRENT", "Concurrent", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED")
    )


def read_run_facts(table: Table, *, run_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return what the rows of each run say of it, under the names of the runs table."""
    rows = read_table(table).where(F.col("run_id").isin(*run_ids))
    names = ("model_name", "model_version", "recipe", "features_version")
    found = rows.groupBy("run_id").agg(
        *(F.first(name).alias(name) for name in names),
        F.countDistinct("window_start").alias("window_count"),
        F.min("window_start").alias("first_window"),
        F.max("window_start").alias("last_window"),
        F.count(F.lit(1)).alias("rows_in"),
        F.count("probability").alias("rows_scored"),
        F.count("issue").alias("rows_with_issue"),
    )
    return [row.asDict() for row in found.collect()]


def read_issues(
    table: Table,
    *,
    commit: Commit,
    windows: Collection[Window],
    key: Sequence[str],
    run_id: str | None = None,
) -> Mapping[str, Issue]:
    """Return what a commit wrote to these windows without a probability, by issue, the most frequent first.

    Args:
        run_id: Run whose rows count, where others have theirs beside; None: all rows.
    """
    rows = read_table(table, version=commit.version).where(filter_condition(windows))
    rows = rows.where(F.col("run_id") == F.lit(run_id)) if run_id else rows
    faulty = rows.where(F.col("issue").isNotNull())
    counts = faulty.groupBy("issue").agg(F.count(F.lit(1)).alias("n"))
    place = F.row_number().over(SqlWindow.partitionBy("issue").orderBy(*map(column_of, key)))
    first = (
        faulty.select("issue", key_text(rows.schema, key).alias("example"), place.alias("place"))
        .where(F.col("place") <= _EXAMPLES)
        .groupBy("issue")
        .agg(F.sort_array(F.collect_list(F.struct("place", "example"))).alias("examples"))
    )
    found = counts.join(first, "issue").orderBy(F.desc("n"), "issue").collect()
    return {row["issue"]: Issue(int(row["n"]), tuple(each["example"] for each in row["examples"])) for row in found}


def remove_rows(table: Table, *, where: str, tag: str) -> None:
    """Remove rows that are published, or that may not be published.

    Raises:
        StorageError: The write failed, or others kept writing.
    """
    for _ in range(_REMOVALS):
        try:
            replace_rows(read_table(table).limit(0), table, where=where, tag=tag)
        except STORAGE_FAULTS as error:
            if is_conflict(error):
                continue
            raise StorageError.failed("remove rows of", table.name, reason_of(error)) from error
        return
    raise StorageError.conflict(table.name, _REMOVALS)
