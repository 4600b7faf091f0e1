"""Groups of cells: which keys a row counts in, how windows add up to months and the total, and what drift compares."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from brierlake.brier import merge_cells
from brierlake.config import ReferenceWindow
from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import Made, local_frame
from brierlake.lakehouse.predictions import WindowState
from brierlake.lakehouse.tables import Pin, Table
from brierlake.lakehouse.windows import Window, filter_condition, month_of
from brierlake.schemas import DIAGNOSTIC_KEY, TableSpec

GROUP = DIAGNOSTIC_KEY[2:]
"""Key of a group of cells within one job and role."""

_TARGET = "struct<grain: string, window_start: date, model_name: string, model_version: int, is_reference: boolean>"


@dataclass(frozen=True)
class Task:
    """One recomputation: the stale windows, those around them, and what they are made from.

    `states` are what the predictions hold, in whole months; `made` is what all diagnostics were made from before.
    """

    run: Run
    role: str
    predictions: Table
    states: Mapping[Window, WindowState]
    made: Mapping[Window, Made]
    stale: tuple[Window, ...]
    labels: Pin | None
    as_of: datetime

    @property
    def months(self) -> set[Window]:
        return {month_of(window) for window in self.stale}

    @property
    def kept(self) -> tuple[Window, ...]:
        """Windows of the same months whose cells stay."""
        return tuple(each for each in self.states if month_of(each) in self.months and each not in self.stale)

    @property
    def read(self) -> tuple[Window, ...]:
        """Windows whose rows are counted: slices of a month are counted whole."""
        diagnostics = self.run.config.diagnostics
        is_whole = diagnostics.slices and diagnostics.slice_grain == "month"
        return (*self.stale, *self.kept) if is_whole else self.stale

    @property
    def rows(self) -> int:
        return sum(self.states[window].rows for window in self.read if window in self.states)

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

    def labels_as_of(self, grain: str, window: Window) -> datetime:
        """Up to when labels count in a figure: for several windows, the earliest of theirs."""
        if grain == "window":
            return self.as_of
        others = [
            each.labels_as_of
            for other, each in self.made.items()
            if other not in self.stale and (grain == "all" or month_of(other) == window) and each.labels_as_of
        ]
        return min([self.as_of, *others])


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
    own = F.expr(" OR ".join(_judged_condition(task, grain) for grain in ("window", "month")))
    is_month = F.col("grain") == "month"
    targets = [
        *(F.when(own, _target(is_published=each)) for each in (False, True)),
        *(F.when(is_month, _target(grain="all", is_published=each)) for each in (False, True)),
    ]
    served = F.transform(
        "served", lambda each: _target(grain=each["grain"], window=each["window_start"], is_reference=True)
    )
    wanted = F.filter(F.concat(F.array(*targets), F.coalesce(served, F.array())), lambda each: each.isNotNull())
    values = ("slice_key", "slice_value", "cell_id", "outcome", "n", "sum_d", "sum_d2", "sum_d3", "sum_d4")
    keyed = (
        _with_served(cells, task=task, reference=reference)
        .select(*values, F.explode(wanted).alias("target"))
        .select("target.*", *values)
    )
    merged = merge_cells(keyed, by=[*GROUP, "is_reference"])
    return merged.withColumn("has_bands", F.col("slice_key").isNull() & F.col("model_name").isNull())


def _target(
    *,
    grain: str | Column | None = None,
    window: Column | None = None,
    is_published: bool = True,
    is_reference: bool = False,
) -> Column:
    """The key that a cell counts in: its own grain and window where none is given, and the total has no window."""
    none = F.lit(None)
    start = window if window is not None else F.col("window_start") if grain is None else none
    return F.struct(
        F.col("grain") if grain is None else F.lit(grain),
        start,
        none if is_published else F.col("model_name"),
        none if is_published else F.col("model_version"),
        F.lit(is_reference),
    ).cast(_TARGET)


def _judged_condition(task: Task, grain: str) -> str:
    return f"(grain = '{grain}' AND {filter_condition(list(task.judged(grain)))})"


def _with_served(cells: DataFrame, *, task: Task, reference: Literal["previous"] | ReferenceWindow) -> DataFrame:
    """Adds `served`: the windows and months that are compared with the one that a cell is of; null: none."""
    targets = [(grain, each, before) for grain in ("window", "month") for each, before in task.judged(grain).items()]
    kind = "served array<struct<grain: string, window_start: date>>"
    spark = task.run.spark
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


def with_provenance(rows: DataFrame, *, task: Task, spec: TableSpec) -> DataFrame:
    """Adds whose rows these are and what they were made from, in the spec's shape."""
    run = task.run
    keys = [("window", each) for each in task.judged("window")] + [("month", each) for each in task.judged("month")]
    made = [
        {
            "source_grain": grain,
            "source_window": each,
            "predictions_id": task.source_id(grain, each),
            "labels_as_of": task.labels_as_of(grain, each),
        }
        for grain, each in [*keys, ("all", None)]
    ]
    sources = local_frame(
        run.spark, made, "source_grain string, source_window date, predictions_id string, labels_as_of timestamp"
    )
    is_same = (F.col("grain") == F.col("source_grain")) & F.col("window_start").eqNullSafe(F.col("source_window"))
    added = {
        "job": F.lit(run.config.job),
        "role": F.lit(task.role),
        "labels_version": F.lit(task.labels.version if task.labels else None),
        "run_id": F.lit(run.run_id),
        "computed_at": F.lit(run.started_at),
    }
    full = rows.join(F.broadcast(sources), on=is_same, how="left").withColumns(added)
    return full.select(*(F.col(each.name).cast(each.dataType) for each in spec.schema))
