"""Computing: from cells to metrics and reliability of every key that a recomputation touches."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import compute_metrics, compute_records, merge_cells, merge_cluster_sums, metrics_schema
from brierlake.diagnosis.counting import count_rows, in_few_files, persisted, with_months, write_counts
from brierlake.diagnosis.grouping import GROUP, as_metric_cells, as_reliability, with_provenance
from brierlake.diagnosis.history import History
from brierlake.diagnosis.recomputation import Recomputation
from brierlake.errors import StorageError
from brierlake.lakehouse.diagnostics import Figures, part_condition, read_cells, replace_part
from brierlake.lakehouse.tables import local_frame, read_version
from brierlake.lakehouse.windows import filter_condition
from brierlake.run.context import Say, make_table
from brierlake.schemas import CLUSTER_FIELDS, METRICS, RELIABILITY

FEW_KEYS = 300
"""Keys that the driver computes sooner than Spark has started to."""
_ATTEMPTS = 4


def write_diagnostics(recomputation: Recomputation, *, say: Say) -> list[Figures]:
    """Replace the diagnostics of the stale windows, their months and the total; return what is published of them.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
        StorageError: A table can't be read or written, or others kept writing the same cells.
    """
    with count_rows(recomputation) as (cells, cluster_sums):
        write_counts(recomputation, cells, cluster_sums, say=say)
        has_few_keys = _has_few_keys(cells.table, recomputation)
    table = recomputation.subject.lake.cells
    for _ in range(_ATTEMPTS):
        version = read_version(table)
        published = _write_metrics(recomputation, cells_version=version, has_few_keys=has_few_keys, say=say)
        # a run that commits cells later may have been here before us: the total must be of the last ones
        if read_version(table) == version:
            return published
    raise StorageError.conflict(table.name, _ATTEMPTS)


def compute_answer(recomputation: Recomputation) -> list[Figures]:
    """The figures of these windows, their months and all of them together, as published; writes nothing.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
    """
    with count_rows(recomputation) as (counted, cluster_sums):
        cells = with_months(
            counted.frame,
            counted.frame.where("grain = 'window'"),
            recomputation=recomputation,
            merge=merge_cells,
        )
        by_window = cluster_sums.frame.where("grain = 'window'")
        sums = with_months(cluster_sums.frame, by_window, recomputation=recomputation, merge=merge_cluster_sums)
        has_few_keys = _has_few_keys(counted.table, recomputation)
        with _metrics(recomputation, cells, sums, has_few_keys=has_few_keys) as metrics:
            return _collect_published(metrics)


def _has_few_keys(cells: pa.Table | None, recomputation: Recomputation) -> bool:
    """Count the keys that are wanted, by version and as published, as far as these cells can tell."""
    if cells is None:
        return False
    slices: int = cells.group_by(["slice_key", "slice_value"]).aggregate([]).num_rows
    windows, months = len(recomputation.computed("window")), len(recomputation.computed("month"))
    return 2 * (windows + (months + 1) * slices) <= FEW_KEYS


def _write_metrics(recomputation: Recomputation, *, cells_version: int, has_few_keys: bool, say: Say) -> list[Figures]:
    """Replace the metrics of the stale windows, their months and the total, and of what is compared with them."""
    subject = recomputation.subject
    lake, job, role = subject.lake, subject.stamp.job, subject.role
    where = part_condition(
        job=job,
        role=role,
        windows=list(recomputation.computed("window")),
        months=list(recomputation.computed("month")),
        has_total=True,
    )
    cells = read_cells(lake.cells, job=job, role=role)
    sums = read_cells(lake.clusters, job=job, role=role)
    with _metrics(recomputation, cells, sums, has_few_keys=has_few_keys) as metrics:
        rows = metrics.withColumn("cells_version", F.lit(cells_version))
        for table, spec, part in (
            (lake.reliability, RELIABILITY, rows.transform(as_reliability)),
            (lake.metrics, METRICS, rows),
        ):
            make_table(table, spec, say=say)
            shaped = part.transform(with_provenance, recomputation=recomputation, spec=spec)
            few = in_few_files(shaped, recomputation, is_small=has_few_keys)
            replace_part(few, table, where=where, tag=subject.stamp.run_id)
        return _collect_published(metrics)


def _collect_published(metrics: DataFrame) -> list[Figures]:
    rows = metrics.where("slice_key IS NULL AND model_name IS NULL").drop("bins", "blocks")
    return [row.asDict() for row in rows.collect()]


@contextmanager
def _metrics(
    recomputation: Recomputation, cells: DataFrame, sums: DataFrame, *, has_few_keys: bool
) -> Iterator[DataFrame]:
    """The metrics of each key that is wanted, computed once, from its cells and sums over clusters."""
    level, spark = recomputation.subject.settings.level, recomputation.subject.lake.spark
    keyed = cells.transform(as_metric_cells, recomputation=recomputation)
    subject, windows, months = recomputation.subject, *map(recomputation.computed, ("window", "month"))
    own = sums.where(f"slice_key IS NULL OR grain = 'month' OR {filter_condition(recomputation.around)}")
    history = History(
        own.select(*GROUP, *CLUSTER_FIELDS.names).toArrow(),
        settings=subject.settings,
        features=subject.features,
        trained=subject.trained,
    )
    facts = history.facts(windows=windows, months=months)
    if has_few_keys:
        records = compute_records(keyed.toArrow(), by=GROUP, level=level, facts=facts)
        yield local_frame(spark, records, metrics_schema(keyed.schema, by=GROUP))
        return
    with persisted(compute_metrics(keyed, by=GROUP, level=level, facts=facts)) as metrics:
        yield metrics
