"""Computing: from cells to metrics and reliability of every key that a recomputation touches."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import KeyFacts, compute_metrics, compute_records, merge_cells, merge_cluster_sums, metrics_schema
from brierlake.diagnosis.arriving import find_arriving
from brierlake.diagnosis.counting import (
    Counts,
    as_part,
    computed_once,
    count_rows,
    in_few_files,
    persisted,
    replaced_part,
    with_months,
    write_part,
)
from brierlake.diagnosis.foretelling import ask, foretell_windows
from brierlake.diagnosis.grouping import GROUP, SPAN, VERSION, as_metric_cells, as_reliability, with_provenance
from brierlake.diagnosis.history import PUBLISHED, History
from brierlake.diagnosis.recomputation import Recomputation
from brierlake.errors import StorageError
from brierlake.lakehouse.diagnostics import Figures, part_condition, read_cells, replace_part
from brierlake.lakehouse.lake import Lake
from brierlake.lakehouse.tables import Table, local_frame, read_version
from brierlake.lakehouse.windows import filter_condition
from brierlake.run.context import Say, make_table
from brierlake.schemas import CELLS, CLUSTER_FIELDS, CLUSTERS, METRICS, RELIABILITY
from brierlake.session import Pace
from brierlake.threads import both

FEW_KEYS = 300
"""Keys that the driver computes sooner than Spark has started to."""
_MOST_GATHERED = 10_000
"""Keys whose metrics the driver gathers: what reads a table that is written to meanwhile is computed anew."""
_ATTEMPTS = 4
_SPECS = {"clusters": CLUSTERS, "cells": CELLS, "reliability": RELIABILITY, "metrics": METRICS}
"""By their names in the lake."""


def write_diagnostics(recomputation: Recomputation, *, say: Say) -> list[Figures]:
    """Replace the diagnostics of the stale windows, their months and the total; return what is published of them.

    Metrics are the mark that a window was diagnosed: they come last.

    Raises:
        ContractError: The labels hold an unknown class, or contradict each other; or clusters reach over windows.
        StorageError: A table can't be read or written, or others kept writing the same cells.
    """
    lake = recomputation.subject.lake
    for each, spec in _SPECS.items():
        make_table(getattr(lake, each), spec, say=say)
    with ExitStack() as stack:
        (counted, counted_sums), _ = both(
            lambda: stack.enter_context(count_rows(recomputation)),
            lambda: recomputation.subject.trained,  # kept there for when the figures are made
        )
        if counted.is_small:  # what is read from here on is little, however many rows it was counted from
            stack.enter_context(Pace(lake.spark).interpreting())
        for _ in range(_ATTEMPTS):
            # who committed meanwhile may have added up months and total without ours, or we without theirs
            cells, sums = _read_versions(lake)
            published = _write(recomputation, counted, counted_sums, cells_version=cells + 1)
            if _read_versions(lake) == (cells + 1, sums + 1):
                return published
    raise StorageError.conflict(lake.cells.name, _ATTEMPTS)


def _read_versions(lake: Lake) -> tuple[int, int]:
    """Versions of the two tables that add up."""
    return both(lambda: read_version(lake.cells), lambda: read_version(lake.clusters))


def _write(recomputation: Recomputation, counted: Counts, counted_sums: Counts, *, cells_version: int) -> list[Figures]:
    lake, is_few = recomputation.subject.lake, counted.is_small
    cells_part = as_part(recomputation, counted, lake.cells, merge=merge_cells)
    sums_part = as_part(recomputation, counted_sums, lake.clusters, merge=merge_cluster_sums)
    keys = _count_keys(counted.table, recomputation)
    has_few_keys = keys <= FEW_KEYS
    with (
        computed_once(cells_part, is_few=is_few) as cells,
        computed_once(sums_part, is_few=is_few) as sums,
        ExitStack() as computed,
    ):
        whole = _after(recomputation, lake.cells, cells), _after(recomputation, lake.clusters, sums)

        def add_up() -> None:
            both(
                lambda: write_part(recomputation, cells, lake.cells, CELLS),
                lambda: write_part(recomputation, sums, lake.clusters, CLUSTERS),
            )

        def judge() -> DataFrame:
            metrics = computed.enter_context(_metrics(recomputation, *whole, keys=keys))
            _replace(recomputation, metrics, "reliability", cells_version=cells_version, is_small=has_few_keys)
            return metrics

        # what `whole` reads of the tables that are added up to meanwhile is what the parts leave there
        _, metrics = both(add_up, judge)
        _replace(recomputation, metrics, "metrics", cells_version=cells_version, is_small=has_few_keys)
        return _collect_published(metrics)


def _after(recomputation: Recomputation, table: Table, part: Counts) -> DataFrame:
    """What a table that adds up will hold of this job and role once the part is written."""
    own = read_cells(table, job=recomputation.subject.stamp.job, role=recomputation.subject.role)
    left = own.where(f"NOT coalesce({replaced_part(recomputation)}, false)").select(*part.frame.columns)
    return left.unionByName(part.frame)


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
        keys = _count_keys(counted.table, recomputation)
        with _metrics(recomputation, cells, sums, keys=keys) as metrics:
            return _collect_published(metrics)


def _count_keys(cells: pa.Table | None, recomputation: Recomputation) -> float:
    """Count the keys that are wanted, by version and as published, as far as these cells can tell."""
    if cells is None:
        return math.inf
    slices: int = cells.group_by(["slice_key", "slice_value"]).aggregate([]).num_rows
    windows, months = len(recomputation.computed("window")), len(recomputation.computed("month"))
    return 2 * (windows + (months + 1) * slices)


def _replace(
    recomputation: Recomputation, metrics: DataFrame, name: str, *, cells_version: int, is_small: bool
) -> None:
    """Replace the metrics, or the reliability, of what was recomputed and of what is compared with it."""
    subject, spec = recomputation.subject, _SPECS[name]
    where = part_condition(
        job=subject.stamp.job,
        role=subject.role,
        windows=list(recomputation.computed("window")),
        months=list(recomputation.computed("month")),
        has_total=True,
    )
    rows = metrics.withColumn("cells_version", F.lit(cells_version))
    part = rows.transform(as_reliability) if name == "reliability" else rows
    shaped = part.transform(with_provenance, recomputation=recomputation, spec=spec)
    few = in_few_files(shaped, recomputation, is_small=is_small)
    replace_part(few, getattr(subject.lake, name), where=where, tag=subject.stamp.run_id)


def _collect_published(metrics: DataFrame) -> list[Figures]:
    rows = metrics.where("slice_key IS NULL AND model_name IS NULL").drop("bins", "blocks")
    return [row.asDict() for row in rows.collect()]


@contextmanager
def _metrics(recomputation: Recomputation, cells: DataFrame, sums: DataFrame, *, keys: float) -> Iterator[DataFrame]:
    """The metrics of each key that is wanted, computed once, from its cells and sums over clusters."""
    level, spark = recomputation.subject.settings.level, recomputation.subject.lake.spark
    keyed = cells.transform(as_metric_cells, recomputation=recomputation)
    subject, windows, months = recomputation.subject, *map(recomputation.computed, ("window", "month"))
    own = sums.where(f"slice_key IS NULL OR grain = 'month' OR {filter_condition(recomputation.around)}")
    own = own.select(*GROUP, *CLUSTER_FIELDS.names)

    def facts_of(sums: pa.Table) -> dict[tuple[Any, ...], KeyFacts]:
        history = History(sums, settings=subject.settings, features=subject.features, trained=subject.trained)
        facts = history.facts(windows=windows, months=months)
        days = history.labelled_days
        complete, others = ([day for day, is_complete in days.items() if is_complete is each] for each in (True, False))
        by_map = foretell_windows(cells, ask(windows, complete=complete, others=others))
        partial = [day for day in others if history.has_labels(day)]
        by_delay = find_arriving(recomputation, windows, complete=complete, others=partial, rows=history.scored_rows)
        for day, told in {**by_map, **by_delay}.items():
            key = (*PUBLISHED, "window", day, None, None)
            facts[key] = replace(facts[key], evidence={**facts[key].evidence, **told})
        return facts

    given: dict[str, Any] = {"by": SPAN, "parts": VERSION, "level": level, "threshold": subject.threshold}
    if keys <= FEW_KEYS:
        gathered, counted = both(keyed.toArrow, own.toArrow)
        records = compute_records(gathered, **given, facts=facts_of(counted))
        yield local_frame(spark, records, metrics_schema(keyed.schema, by=GROUP))
        return
    computed = compute_metrics(keyed, **given, facts=facts_of(own.toArrow()))
    if keys <= _MOST_GATHERED:
        yield spark.createDataFrame(computed.toArrow(), schema=computed.schema)
        return
    with persisted(computed) as metrics:
        yield metrics
