"""Groups of cells: which keys a row counts in, how windows add up to months and the total, and what drift compares."""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.brier import merge_cells
from brierlake.config import ReferenceWindow
from brierlake.diagnosis.recomputation import Recomputation
from brierlake.lakehouse.labels import OUTCOME
from brierlake.lakehouse.tables import local_frame
from brierlake.lakehouse.windows import filter_condition
from brierlake.names import column_of, internal, typed_columns
from brierlake.schemas import DIAGNOSTIC_KEY, TableSpec

GROUP = DIAGNOSTIC_KEY[2:]
"""Key of a group of cells within one job and role."""
VERSION, SPAN = GROUP[:2], GROUP[2:]
"""Its two halves: which version made the rows, and which rows they are."""

CLUSTER = internal("cluster")
"""Column that holds the cluster of a row."""

_SERVED = "array<struct<grain: string, window_start: date>>"
_SOURCES = (
    "source_grain string, source_window date, predictions_id string, labels_version long, labels_as_of timestamp, "
    "labels_id string, diagnostics_recipe string"
)
_TARGET = "struct<grain: string, window_start: date, model_name: string, model_version: int, is_reference: boolean>"


def with_groups(
    rows: DataFrame, *, stale: str, slices: Sequence[str], slice_grain: Literal["month", "window"]
) -> DataFrame:
    """Repeat each row for each group that it counts in: its window where that is stale, and its slices.

    `rows` are predictions with OUTCOME, and CLUSTER where clusters are counted; of a user's columns only the values of
    slices are left.
    """
    none = F.lit(None).cast("string")
    values = ["probability", "outcome", *(each for each in rows.columns if each == CLUSTER)]
    ours = [F.col("probability"), F.col(OUTCOME).alias("outcome"), *map(F.col, values[2:])]
    if not slices:
        keys = {"grain": F.lit("window"), "slice_key": none, "slice_value": none}
        kept = rows.where(stale).select("model_name", "model_version", "window_start", *ours)
        return kept.withColumns(keys).select(*GROUP, *values)
    month, window = F.trunc("window_start", "month"), F.col("window_start")
    whole = F.when(
        F.expr(stale),
        F.struct(F.lit("window").alias("grain"), window.alias("start"), none.alias("key"), none.alias("value")),
    )
    parts = [
        F.struct(
            F.lit(slice_grain).alias("grain"),
            (month if slice_grain == "month" else window).alias("start"),
            F.lit(name).alias("key"),
            column_of(name).cast("string").alias("value"),
        )
        for name in slices
    ]
    groups = F.filter(F.array(whole, *parts), lambda each: each.isNotNull())
    return rows.select("model_name", "model_version", *ours, F.explode(groups).alias("group")).select(
        "model_name",
        "model_version",
        F.col("group.grain").alias("grain"),
        F.col("group.start").alias("window_start"),
        F.col("group.key").alias("slice_key"),
        F.col("group.value").alias("slice_value"),
        *values,
    )


def as_months(cells: DataFrame, *, window: str) -> DataFrame:
    """Cells of windows as cells of their months, not added up yet."""
    start = F.col("window_start") if window == "month" else F.trunc("window_start", "month")
    return cells.withColumns({"grain": F.lit("month"), "window_start": start})


def as_metric_cells(cells: DataFrame, *, recomputation: Recomputation) -> DataFrame:
    """Cells by version and by the spans that metrics are wanted for, with those that drift of a span compares with."""
    keyed = _with_served(cells, recomputation=recomputation).transform(_as_targets, recomputation=recomputation)
    merged = merge_cells(keyed, by=[*GROUP, "is_reference"])
    return merged.withColumn("has_bands", F.col("slice_key").isNull())


def _as_targets(rows: DataFrame, *, recomputation: Recomputation) -> DataFrame:
    """Repeat each row of a window or month for each key that it counts in, which replaces its own."""
    own = F.expr(" OR ".join(_computed_condition(recomputation, grain) for grain in ("window", "month")))
    is_month = F.col("grain") == "month"
    targets = [F.when(own, _target()), F.when(is_month, _target(grain="all"))]
    served = F.transform(
        "served", lambda each: _target(grain=each["grain"], window=each["window_start"], is_reference=True)
    )
    wanted = F.filter(F.concat(F.array(*targets), F.coalesce(served, F.array())), lambda each: each.isNotNull())
    values = [
        name for name in rows.columns if name not in ("grain", "window_start", "model_name", "model_version", "served")
    ]
    return rows.select(*values, F.explode(wanted).alias("target")).select("target.*", *values)


def _target(
    *,
    grain: str | Column | None = None,
    window: Column | None = None,
    is_reference: bool = False,
) -> Column:
    """The key that a cell counts in: its own grain and window where none is given, and the total has no window.

    A reference is of whatever versions there were.
    """
    none = F.lit(None)
    start = window if window is not None else F.col("window_start") if grain is None else none
    return F.struct(
        F.col("grain") if grain is None else F.lit(grain),
        start,
        none if is_reference else F.col("model_name"),
        none if is_reference else F.col("model_version"),
        F.lit(is_reference),
    ).cast(_TARGET)


def _computed_condition(recomputation: Recomputation, grain: str) -> str:
    return f"(grain = '{grain}' AND {filter_condition(list(recomputation.computed(grain)))})"


def _with_served(cells: DataFrame, *, recomputation: Recomputation) -> DataFrame:
    """Add `served`: the windows and months that are compared with the one that a cell is of; null: none."""
    targets = [
        (grain, each, before) for grain in ("window", "month") for each, before in recomputation.computed(grain).items()
    ]
    kind = f"served {_SERVED}"
    spark, reference = recomputation.subject.lake.spark, recomputation.subject.settings.reference
    if isinstance(reference, ReferenceWindow):
        # a fixed range is made of windows; months are compared with the whole of it too
        all_of_them = [{"grain": grain, "window_start": each} for grain, each, _ in targets]
        inside = (
            f"grain = 'window' AND window_start >= DATE'{reference.start}' AND window_start < DATE'{reference.end}'"
        )
        crossed = cells.join(F.broadcast(local_frame(spark, [{"served": all_of_them}], kind)), how="cross")
        return crossed.withColumn("served", F.when(F.expr(inside), F.col("served")))
    pairs = [
        {"grain": grain, "window_start": before, "served": [{"grain": grain, "window_start": each}]}
        for grain, each, before in targets
        if before is not None
    ]
    frame = local_frame(spark, pairs, f"grain string, window_start date, {kind}")
    return cells.join(F.broadcast(frame), on=["grain", "window_start"], how="left")


def as_reliability(metrics: DataFrame) -> DataFrame:
    """One row a display bin or CORP block."""
    return metrics.select(*GROUP, "cells_version", F.inline(F.concat("bins", "blocks")))


def with_provenance(rows: DataFrame, *, recomputation: Recomputation, spec: TableSpec) -> DataFrame:
    """Add whose rows these are and what they were made from, in the spec's shape."""
    subject = recomputation.subject
    keys = [("window", each) for each in recomputation.computed("window")] + [
        ("month", each) for each in recomputation.computed("month")
    ]
    made = [
        {"source_grain": grain, "source_window": each, **recomputation.provenance(grain, each)}
        for grain, each in [*keys, ("all", None)]
    ]
    sources = local_frame(subject.lake.spark, made, _SOURCES)
    is_same = (F.col("grain") == F.col("source_grain")) & F.col("window_start").eqNullSafe(F.col("source_window"))
    added = {
        "job": F.lit(subject.stamp.job),
        "role": F.lit(subject.role),
        "run_id": F.lit(subject.stamp.run_id),
        "computed_at": F.lit(subject.stamp.at),
    }
    full = rows.join(F.broadcast(sources), on=is_same, how="left").withColumns(added)
    return full.select(*typed_columns(spec.schema))
