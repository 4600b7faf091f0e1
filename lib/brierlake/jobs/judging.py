"""Cells of the stale windows, then the metrics and reliability that are made from them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import (
    compute_cells,
    compute_cluster_sums,
    compute_metrics,
    judge_cells,
    merge_cells,
    merge_cluster_sums,
    metrics_schema,
    squared_error,
)
from brierlake.errors import ContractError, StorageError
from brierlake.jobs.checks import validate_clusters
from brierlake.jobs.groups import (
    CLUSTER,
    GROUP,
    as_metric_cells,
    as_months,
    as_reliability,
    with_cluster_sums,
    with_groups,
    with_provenance,
)
from brierlake.jobs.run import Run, make_table
from brierlake.jobs.task import Task
from brierlake.lakehouse.classes import outcome_code
from brierlake.lakehouse.diagnostics import Figures, part_condition, read_cells, replace_part
from brierlake.lakehouse.label_checks import validate_label_values
from brierlake.lakehouse.labels import OUTCOME, as_keys, read_outcomes, with_outcomes
from brierlake.lakehouse.tables import local_frame, read_table, read_version
from brierlake.lakehouse.windows import WINDOW, filter_condition
from brierlake.names import column_of
from brierlake.schemas import CELLS, CLUSTER_FIELDS, CLUSTERS, METRICS, RELIABILITY, TableSpec

_FEW_ROWS = 300_000
"""Rows, counted once for each group, or cells, that the driver may gather."""
_FEW_KEYS = 300
"""Keys that the driver judges sooner than Spark has started to."""
_FEW_MONTHS = 3
"""Months whose diagnostics share a file."""
_ATTEMPTS = 4


@dataclass(frozen=True)
class Held:
    """A frame that is computed once; `table` is all of it where it is small enough to be on the driver."""

    frame: DataFrame
    table: pa.Table | None


@contextmanager
def held(frame: DataFrame, *, is_few: bool) -> Iterator[Held]:
    """Computes a frame once: on the driver where `is_few` says so or its rows turn out to be few."""
    if is_few:
        table = frame.toArrow()
        yield Held(frame.sparkSession.createDataFrame(table, schema=frame.schema), table)
        return
    with persisted(frame) as kept:
        yield Held(kept, kept.toArrow() if kept.count() <= _FEW_ROWS else None)


@contextmanager
def persisted(frame: DataFrame) -> Iterator[DataFrame]:
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def group_rows(run: Run, task: Task) -> DataFrame:
    """Predictions of the stale windows with outcomes, once for each group that a row counts in, lazily."""
    diagnostics, features = run.config.diagnostics, run.config.features
    rows = read_table(run.spark, task.predictions).where(filter_condition(task.read))
    labels = run.config.labels
    if task.labels is None or labels is None:
        rows = rows.withColumn(OUTCOME, F.lit(None).cast("int"))
    elif has_current_labels(run, task):
        kind = rows.schema[labels.outcome].dataType
        rows = rows.withColumn(OUTCOME, outcome_code(column_of(labels.outcome), kind, labels))
    else:
        # the labels of all time aren't gathered for one day's rows
        keys = as_keys(rows, features) if task.rows <= _FEW_ROWS else None
        outcomes = read_outcomes(run.spark, task.labels, labels, features, as_of=task.as_of, keys=keys)
        rows = rows.transform(with_outcomes, outcomes, features)
    if diagnostics.cluster:
        rows = rows.withColumn(CLUSTER, column_of(diagnostics.cluster))
    return rows.transform(
        with_groups,
        stale=filter_condition(task.stale),
        slices=diagnostics.slices,
        slice_grain=diagnostics.slice_grain,
    )


def has_current_labels(run: Run, task: Task) -> bool:
    """Whether the predictions carry the outcomes themselves, and these are as the features table has them now."""
    labels, features = run.config.labels, run.config.features
    if task.labels is None or labels is None or labels.table is not None or labels.known_at is not None:
        return False
    states = [task.states[window] for window in task.read if window in task.states]
    is_current = all(each.features_version == task.labels.version and not each.is_mixed for each in states)
    return labels.outcome in features.carry and is_current


def is_few(run: Run, task: Task) -> bool:
    return task.rows * (1 + len(run.config.diagnostics.slices)) <= _FEW_ROWS


def write_diagnostics(run: Run, task: Task) -> list[Figures]:
    """Replaces the diagnostics of the stale windows, their months and the total; returns what is published of them.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
        StorageError: A table can't be read or written, or others kept writing the same cells.
    """
    tables = run.config.lakehouse.tables
    rows = group_rows(run, task)
    with held(compute_cells(rows, by=GROUP), is_few=is_few(run, task)) as fresh:
        if not fresh.frame.where(F.col("outcome") < 0).isEmpty():
            refuse_outcomes(run, task)
        if run.config.diagnostics.cluster:
            refuse_split_clusters(run, task)
            sums = compute_cluster_sums(rows, by=GROUP, cluster=CLUSTER, value=squared_error())
            with held(sums, is_few=fresh.table is not None) as fresh_sums:
                _write_part(run, task, fresh_sums, name=tables.clusters, spec=CLUSTERS, merge=merge_cluster_sums)
        _write_part(run, task, fresh, name=tables.cells, spec=CELLS, merge=merge_cells)
        has_few_keys = fresh.table is not None and _count_keys(fresh.table, task) <= _FEW_KEYS
    cells = run.gold(tables.cells)
    for _ in range(_ATTEMPTS):
        version = read_version(run.spark, cells)
        published = _write_metrics(run, task, cells_version=version, has_few_keys=has_few_keys)
        # whoever commits cells later may have judged before we did: the total must be of the last ones
        if read_version(run.spark, cells) == version:
            return published
    raise StorageError.conflict(cells.name, _ATTEMPTS)


def _write_part(
    run: Run, task: Task, fresh: Held, *, name: str, spec: TableSpec, merge: Callable[..., DataFrame]
) -> None:
    """Replaces what a table that adds up holds of the stale windows, and of their months."""
    table = run.gold(name)
    make_table(run, table, spec)
    by_window = fresh.frame.where("grain = 'window'")
    if task.kept:
        kept = read_cells(run.spark, table, job=run.config.job, role=task.role)
        kept = kept.where(f"grain = 'window' AND {filter_condition(task.kept)}")
        by_window = by_window.unionByName(kept.select(*by_window.columns))
    rows = fresh.frame.unionByName(month_cells(run, by_window, merge=merge))
    where = part_condition(job=run.config.job, role=task.role, windows=task.stale, months=task.months, has_total=False)
    shaped = rows.transform(with_provenance, task=task, spec=spec)
    replace_part(_in_few_files(shaped, task, is_small=fresh.table is not None), table, where=where, tag=run.run_id)


def month_cells(run: Run, by_window: DataFrame, *, merge: Callable[..., DataFrame]) -> DataFrame:
    return merge(by_window.transform(as_months, window=run.config.features.window), by=GROUP)


def answer(run: Run, task: Task) -> list[Figures]:
    """The figures of the task's windows, their months and all of them together, as published; writes nothing.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
    """
    rows = group_rows(run, task)
    with held(compute_cells(rows, by=GROUP), is_few=is_few(run, task)) as fresh:
        if not fresh.frame.where(F.col("outcome") < 0).isEmpty():
            refuse_outcomes(run, task)
        cells = fresh.frame.unionByName(month_cells(run, fresh.frame.where("grain = 'window'"), merge=merge_cells))
        sums = None
        if run.config.diagnostics.cluster:
            refuse_split_clusters(run, task)
            sums = compute_cluster_sums(rows, by=GROUP, cluster=CLUSTER, value=squared_error())
            sums = sums.unionByName(month_cells(run, sums.where("grain = 'window'"), merge=merge_cluster_sums))
        has_few_keys = fresh.table is not None and _count_keys(fresh.table, task) <= _FEW_KEYS
        with judged(run, task, cells, sums, has_few_keys=has_few_keys) as metrics:
            return collect_published(metrics)


def _count_keys(cells: pa.Table, task: Task) -> int:
    """Keys that will be judged, by version and as published, as far as these cells can tell."""
    slices: int = cells.group_by(["slice_key", "slice_value"]).aggregate([]).num_rows
    return 2 * (len(task.judged("window")) + (len(task.judged("month")) + 1) * slices)


def refuse_outcomes(run: Run, task: Task) -> None:
    """Raises ContractError: what the checks before scoring say, for labels that came after them."""
    labels, features = run.config.labels, run.config.features
    if labels is not None and task.labels is not None:
        rows = read_table(run.spark, task.predictions).where(filter_condition(task.read))
        keys = as_keys(rows, features)
        validate_label_values(run.spark, task.labels, labels, features, keys=keys, is_few=True, as_of=task.as_of)
        raise ContractError.changed_labels(task.labels.table.name)


def refuse_split_clusters(run: Run, task: Task) -> None:
    name = run.config.diagnostics.cluster
    if name is not None and name != "window_start":
        rows = read_table(run.spark, task.predictions).where(filter_condition([*task.stale, *task.kept]))
        validate_clusters(rows.select(column_of(name).alias(CLUSTER), F.col("window_start").alias(WINDOW)), name=name)


def _write_metrics(run: Run, task: Task, *, cells_version: int, has_few_keys: bool) -> list[Figures]:
    """Replaces the metrics of the stale windows, their months and the total, and of what is compared with them."""
    tables = run.config.lakehouse.tables
    where = part_condition(
        job=run.config.job,
        role=task.role,
        windows=list(task.judged("window")),
        months=list(task.judged("month")),
        has_total=True,
    )
    cells, clusters = (
        read_cells(run.spark, run.gold(name), job=run.config.job, role=task.role)
        for name in (tables.cells, tables.clusters if run.config.diagnostics.cluster else tables.cells)
    )
    sums = clusters if run.config.diagnostics.cluster else None
    with judged(run, task, cells, sums, has_few_keys=has_few_keys) as metrics:
        rows = metrics.withColumn("cells_version", F.lit(cells_version))
        for name, spec, part in (
            (tables.reliability, RELIABILITY, rows.transform(as_reliability)),
            (tables.metrics, METRICS, rows),
        ):
            make_table(run, run.gold(name), spec)
            shaped = part.transform(with_provenance, task=task, spec=spec)
            few = _in_few_files(shaped, task, is_small=has_few_keys)
            replace_part(few, run.gold(name), where=where, tag=run.run_id)
        return collect_published(metrics)


def _in_few_files(rows: DataFrame, task: Task, *, is_small: bool) -> DataFrame:
    """One file a grain; where many months are written, one a month, so that the next run rewrites its own month's."""
    if len(task.months) > _FEW_MONTHS:
        return rows.repartitionByRange(len(task.months), F.trunc("window_start", "month"))
    # coalesce would also compute what comes before in one task
    return rows.coalesce(1) if is_small else rows.repartition(1)


def collect_published(metrics: DataFrame) -> list[Figures]:
    rows = metrics.where("slice_key IS NULL AND model_name IS NULL").drop("bins", "blocks")
    return [row.asDict() for row in rows.collect()]


@contextmanager
def judged(
    run: Run, task: Task, cells: DataFrame, sums: DataFrame | None, *, has_few_keys: bool
) -> Iterator[DataFrame]:
    """The metrics of each key that the task asks for, computed once, from its cells and sums over clusters."""
    diagnostics = run.config.diagnostics
    keyed = cells.transform(as_metric_cells, task=task, reference=diagnostics.reference)
    if sums is not None:
        keyed = keyed.transform(with_cluster_sums, sums.select(*GROUP, *CLUSTER_FIELDS.names), task=task)
    if has_few_keys:
        records = judge_cells(keyed.toArrow(), by=GROUP, level=diagnostics.level)
        yield local_frame(run.spark, records, metrics_schema(keyed.schema, by=GROUP))
        return
    with persisted(compute_metrics(keyed, by=GROUP, level=diagnostics.level)) as metrics:
        yield metrics
