"""Counting: rows of the stale windows with their outcomes, as cells and sums over clusters, into tables that add up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier import compute_cells, compute_cluster_sums, merge_cells
from brierlake.config import AUTO, FeaturesConfig
from brierlake.diagnosis.grouping import CLUSTER, GROUP, as_months, with_groups, with_provenance
from brierlake.diagnosis.recomputation import Recomputation
from brierlake.errors import ContractError
from brierlake.lakehouse.classes import outcome_code
from brierlake.lakehouse.diagnostics import part_condition, read_cells, replace_part
from brierlake.lakehouse.label_checks import validate_label_values
from brierlake.lakehouse.labels import OUTCOME, as_keys, read_outcomes, with_outcomes
from brierlake.lakehouse.tables import Table, read_table
from brierlake.lakehouse.windows import WINDOW, filter_condition, window_start
from brierlake.names import column_of, internal
from brierlake.schemas import TableSpec

FEW_ROWS = 300_000
"""Rows, counted once for each group, or cells, that the driver may gather."""
_FEW_MONTHS = 3
"""Months whose diagnostics share a file."""
_FIRST, _LAST = internal("first"), internal("last")

Merge = Callable[..., DataFrame]


@dataclass(frozen=True)
class Counts:
    """A frame that is computed once; `table` is all of it where it is small enough to be on the driver."""

    frame: DataFrame
    table: pa.Table | None

    @property
    def is_small(self) -> bool:
        return self.table is not None


@contextmanager
def computed_once(frame: DataFrame, *, is_few: bool) -> Iterator[Counts]:
    """Compute a frame once: on the driver where `is_few` says so or its rows turn out to be few."""
    if is_few:
        table = frame.toArrow()
        yield Counts(frame.sparkSession.createDataFrame(table, schema=frame.schema), table)
        return
    with persisted(frame) as kept:
        yield Counts(kept, kept.toArrow() if kept.count() <= FEW_ROWS else None)


@contextmanager
def persisted(frame: DataFrame) -> Iterator[DataFrame]:
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


@contextmanager
def count_rows(recomputation: Recomputation) -> Iterator[tuple[Counts, Counts]]:
    """Return cells, and sums over clusters, of each group of the stale windows.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
    """
    rows = _group_rows(recomputation)
    is_few = recomputation.rows * (1 + len(recomputation.subject.settings.slices)) <= FEW_ROWS
    # one pass over the rows: what is by cluster too adds up to both
    with computed_once(compute_cells(rows, by=[*GROUP, CLUSTER]), is_few=is_few) as by_cluster:
        if not by_cluster.frame.where(F.col("outcome") < 0).isEmpty():
            _refuse_outcomes(recomputation)
        _refuse_split_clusters(recomputation)
        sums = compute_cluster_sums(by_cluster.frame, by=GROUP, cluster=CLUSTER)
        is_small = by_cluster.is_small
        with (
            computed_once(merge_cells(by_cluster.frame, by=GROUP), is_few=is_small) as cells,
            computed_once(sums, is_few=is_small) as cluster_sums,
        ):
            yield cells, cluster_sums


def with_months(counts: DataFrame, by_window: DataFrame, *, recomputation: Recomputation, merge: Merge) -> DataFrame:
    """Add the months of windows to counts of windows and slices."""
    window = recomputation.subject.features.window
    return counts.unionByName(merge(by_window.transform(as_months, window=window), by=GROUP))


def as_part(recomputation: Recomputation, counts: Counts, table: Table, *, merge: Merge) -> DataFrame:
    """What a table that adds up is to hold of the stale windows, and of their months with the windows that stay."""
    subject = recomputation.subject
    by_window = counts.frame.where("grain = 'window'")
    if recomputation.kept:
        kept = read_cells(table, job=subject.stamp.job, role=subject.role)
        kept = kept.where(f"grain = 'window' AND {filter_condition(recomputation.kept)}")
        by_window = by_window.unionByName(kept.select(*by_window.columns))
    return with_months(counts.frame, by_window, recomputation=recomputation, merge=merge)


def replaced_part(recomputation: Recomputation) -> str:
    """SQL condition for what a part replaces in a table that adds up."""
    stamp = recomputation.subject.stamp
    return part_condition(
        job=stamp.job,
        role=recomputation.subject.role,
        windows=recomputation.stale,
        months=recomputation.months,
        has_total=False,
    )


def write_part(recomputation: Recomputation, part: Counts, table: Table, spec: TableSpec) -> None:
    """Replace what a table that adds up holds of the stale windows, and of their months.

    Raises:
        StorageError: The table can't be written.
    """
    shaped = part.frame.transform(with_provenance, recomputation=recomputation, spec=spec)
    few = in_few_files(shaped, recomputation, is_small=part.is_small)
    replace_part(few, table, where=replaced_part(recomputation), tag=recomputation.subject.stamp.run_id)


def in_few_files(rows: DataFrame, recomputation: Recomputation, *, is_small: bool) -> DataFrame:
    """One file a grain; where many months are written, one a month, so that the next run rewrites its own month's."""
    if len(recomputation.months) > _FEW_MONTHS:
        return rows.repartitionByRange(len(recomputation.months), F.trunc("window_start", "month"))
    # coalesce would also compute what comes before in one task
    return rows.coalesce(1) if is_small else rows.repartition(1)


def _read_rows(recomputation: Recomputation) -> DataFrame:
    return read_table(recomputation.subject.predictions).where(filter_condition(recomputation.read))


def _group_rows(recomputation: Recomputation) -> DataFrame:
    """Predictions of the stale windows with outcomes, once for each group that a row counts in, lazily."""
    subject, rows = recomputation.subject, _read_rows(recomputation)
    labels, settings, features = subject.labels, subject.settings, subject.features
    if labels is None:
        rows = rows.withColumn(OUTCOME, F.lit(None).cast("int"))
    elif _has_current_labels(recomputation):
        kind = rows.schema[labels.config.outcome].dataType
        rows = rows.withColumn(OUTCOME, outcome_code(column_of(labels.config.outcome), kind, labels.config))
    else:
        # the labels of all time aren't gathered for one day's rows
        keys = as_keys(rows, features) if recomputation.rows <= FEW_ROWS else None
        outcomes = read_outcomes(labels, as_of=recomputation.as_of, keys=keys)
        rows = rows.transform(with_outcomes, outcomes, features)
    rows = rows.withColumn(CLUSTER, cluster_column(settings.cluster, rows.schema, features))
    return rows.transform(
        with_groups,
        stale=filter_condition(recomputation.stale),
        slices=settings.slices,
        slice_grain=settings.slice_grain,
    )


def _has_current_labels(recomputation: Recomputation) -> bool:
    """Whether the predictions carry the outcomes themselves, and these are as the features table has them now."""
    labels, carry = recomputation.subject.labels, recomputation.subject.features.carry
    if labels is None or labels.config.table is not None or labels.config.known_at is not None:
        return False
    states = [recomputation.states[window] for window in recomputation.read if window in recomputation.states]
    is_current = all(each.features_version == labels.pin.version and not each.is_mixed for each in states)
    return labels.config.outcome in carry and is_current


def _refuse_outcomes(recomputation: Recomputation) -> None:
    """Raise ContractError: what the checks before scoring say, for labels that came after them."""
    labels = recomputation.subject.labels
    if labels is not None:
        keys = as_keys(_read_rows(recomputation), recomputation.subject.features)
        validate_label_values(labels, keys=keys, is_few=True, as_of=recomputation.as_of)
        raise ContractError.changed_labels(labels.pin.table.name)


def _refuse_split_clusters(recomputation: Recomputation) -> None:
    name = recomputation.subject.settings.cluster
    if name not in (None, AUTO, "window_start"):
        windows = filter_condition([*recomputation.stale, *recomputation.kept])
        rows = read_table(recomputation.subject.predictions).where(windows)
        validate_clusters(rows.select(column_of(name).alias(CLUSTER), F.col("window_start").alias(WINDOW)), name=name)


def cluster_column(name: str | None, predictions: T.StructType, features: FeaturesConfig) -> Column:
    """What the rows of a cluster share: a column, or by AUTO the UTC day of the event where windows are cut by it."""
    is_by_day = features.window_column is None and features.event_at is not None
    if name == AUTO and is_by_day:
        return window_start(features.model_copy(update={"event_at": "event_at", "window": "day"}), predictions)
    return F.col("window_start") if name in (None, AUTO) else column_of(name)


def validate_clusters(rows: DataFrame, *, name: str) -> None:
    """Raise ContractError with examples unless each cluster lies within one window.

    Args:
        rows: CLUSTER and WINDOW of each row.
        name: The cluster's column, as the config has it.
    """
    spans = rows.groupBy(CLUSTER).agg(F.min(WINDOW).alias(_FIRST), F.max(WINDOW).alias(_LAST))
    is_split = column_of(CLUSTER).isNotNull() & (column_of(_FIRST) != column_of(_LAST))
    if examples := spans.where(is_split).limit(3).collect():
        shown = [f"{row[CLUSTER]} ({row[_FIRST]} to {row[_LAST]})" for row in examples]
        raise ContractError.clusters_over_windows(name, shown)
