"""Groups of cells: which keys a row counts in, how windows add up to months and the total, and what drift compares."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import merge_cells
from brierlake.config import ReferenceWindow
from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import Made
from brierlake.lakehouse.predictions import WindowState
from brierlake.lakehouse.tables import Pin
from brierlake.lakehouse.windows import Window, filter_condition, month_of
from brierlake.schemas import DIAGNOSTIC_KEY, TableSpec

ROLE = "champion"
GROUP = DIAGNOSTIC_KEY[2:]
"""Key of a group of cells within one job and role."""


@dataclass(frozen=True)
class Task:
    """One recomputation: the stale windows, those around them, and what they are made from.

    `states` are what the predictions hold, in whole months; `made` is what all diagnostics were made from before.
    """

    run: Run
    states: Mapping[Window, WindowState]
    made: Mapping[Window, Made]
    stale: tuple[Window, ...]
    labels: Pin | None

    @property
    def months(self) -> set[Window]:
        return {month_of(window) for window in self.stale}

    @property
    def kept(self) -> tuple[Window, ...]:
        """Windows of the same months whose cells stay."""
        return tuple(each for each in self.states if month_of(each) in self.months and each not in self.stale)

    @cached_property
    def known(self) -> list[date]:
        """All windows with a date that there are now, in order."""
        gone = {window for window in self.stale if window not in self.states}
        return sorted(each for each in {*self.states, *self.made} - gone if each is not None)

    def judged(self, grain: str) -> Mapping[Window, Window]:
        """Windows (or months) whose metrics are recomputed, each with the one before it that it is compared with."""
        days = self.known if grain == "window" else sorted({each.replace(day=1) for each in self.known})
        changed = set(self.stale) if grain == "window" else self.months
        before = dict(zip(days[1:], days, strict=False))
        after = {later for later, earlier in before.items() if earlier in changed}
        return {each: before.get(each) if each else None for each in changed | after}

    def source_id(self, grain: str, window: Window) -> str:
        """Says which runs' rows a figure is made from: the window's run_id, or a digest of several."""
        held = {each: before.predictions_id for each, before in self.made.items()}
        held |= {each: state.run_id for each, state in self.states.items()}
        if grain == "window" and not (window in self.states and self.states[window].is_mixed):
            return held.get(window, "")
        parts = [f"{each}={held[each]}" for each in sorted(held, key=str) if grain == "all" or month_of(each) == window]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def as_of(self, grain: str, window: Window) -> datetime:
        """Up to when labels count in a figure: for several windows, the earliest of theirs."""
        if grain == "window":
            return self.run.started_at
        others = [
            each.labels_as_of
            for other, each in self.made.items()
            if other not in self.stale and (grain == "all" or month_of(other) == window) and each.labels_as_of
        ]
        return min([self.run.started_at, *others])


def with_groups(
    rows: DataFrame, *, stale: str, slices: Sequence[str], slice_grain: Literal["month", "window"]
) -> DataFrame:
    """Repeats each row for each group that it counts in: its window where that is stale, and its slices."""
    none = F.lit(None).cast("string")
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
            F.col(name).cast("string").alias("value"),
        )
        for name in slices
    ]
    groups = F.filter(F.array(whole, *parts), lambda each: each.isNotNull())
    return rows.select(
        "model_name", "model_version", "probability", "outcome", F.explode(groups).alias("group")
    ).select(
        "model_name",
        "model_version",
        F.col("group.grain").alias("grain"),
        F.col("group.start").alias("window_start"),
        F.col("group.key").alias("slice_key"),
        F.col("group.value").alias("slice_value"),
        "probability",
        "outcome",
    )


def as_months(cells: DataFrame, *, window: str) -> DataFrame:
    """Cells of windows as cells of their months, not added up yet."""
    start = F.col("window_start") if window == "month" else F.trunc("window_start", "month")
    return cells.withColumns({"grain": F.lit("month"), "window_start": start})


def as_metric_cells(cells: DataFrame, *, task: Task, reference: Literal["previous"] | ReferenceWindow) -> DataFrame:
    """Cells by the keys that metrics are wanted for: versions and as published; with those that drift compares with."""
    total = cells.where("grain = 'month'").withColumns(
        {"grain": F.lit("all"), "window_start": F.lit(None).cast("date")}
    )
    wanted = cells.where(" OR ".join(_judged_condition(task, grain) for grain in ("window", "month")))
    by_version = wanted.unionByName(total).withColumn("is_reference", F.lit(False))
    published = by_version.withColumns(
        {"model_name": F.lit(None).cast("string"), "model_version": F.lit(None).cast("int")}
    )
    compared = _with_reference(cells, task=task, reference=reference)
    keyed = by_version.unionByName(published).unionByName(compared)
    merged = merge_cells(keyed, by=[*GROUP, "is_reference"])
    return merged.withColumn("has_bands", F.col("slice_key").isNull() & F.col("model_name").isNull())


def _judged_condition(task: Task, grain: str) -> str:
    return f"(grain = '{grain}' AND {filter_condition(list(task.judged(grain)))})"


def _with_reference(cells: DataFrame, *, task: Task, reference: Literal["previous"] | ReferenceWindow) -> DataFrame:
    """Cells of the reference, once for each window that is compared with it, as published."""
    served = [(grain, each, before) for grain in ("window", "month") for each, before in task.judged(grain).items()]
    if isinstance(reference, ReferenceWindow):
        inside = f"window_start >= DATE'{reference.start}' AND window_start < DATE'{reference.end}'"
        rows = [(grain, each) for grain, each, _ in served]
        targets = task.run.spark.createDataFrame(rows, schema="grain string, served date")
        # a fixed range is made of windows; months are compared with the whole of it too
        referred = cells.where("grain = 'window'").where(inside).drop("grain").join(F.broadcast(targets), how="cross")
    else:
        rows_before = [(grain, each, before) for grain, each, before in served if before is not None]
        pairs = task.run.spark.createDataFrame(rows_before, schema="grain string, served date, window_start date")
        referred = cells.join(F.broadcast(pairs), on=["grain", "window_start"], how="inner")
    return referred.withColumns(
        {
            "window_start": F.col("served"),
            "model_name": F.lit(None).cast("string"),
            "model_version": F.lit(None).cast("int"),
            "is_reference": F.lit(True),
        }
    ).select(*cells.columns, "is_reference")


def as_reliability(metrics: DataFrame) -> DataFrame:
    """One row a display bin or CORP block."""
    return metrics.select(*GROUP, "cells_version", F.inline(F.concat("bins", "blocks")))


def with_provenance(rows: DataFrame, *, task: Task, spec: TableSpec) -> DataFrame:
    """Adds whose rows these are and what they were made from, in the spec's shape."""
    run = task.run
    keys = [("window", each) for each in task.judged("window")] + [("month", each) for each in task.judged("month")]
    made = [
        (grain, each, task.source_id(grain, each), task.as_of(grain, each)) for grain, each in [*keys, ("all", None)]
    ]
    sources = run.spark.createDataFrame(
        made, schema="source_grain string, source_window date, predictions_id string, labels_as_of timestamp"
    )
    is_same = (F.col("grain") == F.col("source_grain")) & F.col("window_start").eqNullSafe(F.col("source_window"))
    added = {
        "job": F.lit(run.config.job),
        "role": F.lit(ROLE),
        "labels_version": F.lit(task.labels.version if task.labels else None),
        "run_id": F.lit(run.run_id),
        "computed_at": F.lit(run.started_at),
    }
    full = rows.join(F.broadcast(sources), on=is_same, how="left").withColumns(added)
    return full.select(*(F.col(each.name).cast(each.dataType) for each in spec.schema))
