"""Write, audit, publish: predictions wait in a table of their own until the gates that need no label have passed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import compute_cells, compute_metrics
from brierlake.config import ReferenceWindow
from brierlake.jobs.gates import Breach, judge_gates
from brierlake.jobs.groups import with_groups
from brierlake.jobs.plan import Plan, compared
from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import CHAMPION, read_cells
from brierlake.lakehouse.tables import is_there, local_frame, read_table, replace_rows
from brierlake.lakehouse.windows import Window, filter_condition

_KEY = ("window_start", "slice_key", "slice_value")


@dataclass(frozen=True)
class Audit:
    """What the gates say of the staged windows: those that may be published, and the breaches of the others."""

    passed: tuple[Window, ...]
    held: tuple[Window, ...]
    breaches: tuple[Breach, ...]
    is_accepted: bool = False


def plan_staging(run: Run, plan: Plan, *, is_forced: bool) -> Plan:
    """Returns the plan for the staging table: the windows that are stale there too."""
    staged = compared(run, plan, run.staged, is_forced=is_forced)
    return replace(staged, stale=tuple(window for window in plan.stale if window in set(staged.stale)))


def audit(run: Run, plan: Plan, *, is_accepted: bool) -> Audit:
    """Judges what is staged for the plan's stale windows; where a person accepts, breaches hold nothing back."""
    gates = [each for each in run.config.gates if each.is_judged_before]
    breaches = judge_gates(gates, _label_free_metrics(run, plan), windows=plan.stale)
    breached = {each.window for each in breaches}
    held = () if is_accepted else tuple(each for each in plan.stale if str(each or "no time") in breached)
    passed = tuple(each for each in plan.stale if each not in held)
    return Audit(passed=passed, held=held, breaches=breaches, is_accepted=is_accepted and bool(breaches))


def read_staged(run: Run, windows: Collection[Window]) -> DataFrame:
    return read_table(run.spark, run.staged).where(filter_condition(windows))


def clear_staged(run: Run, windows: Collection[Window]) -> None:
    """Removes windows that are published from the staging table."""
    nothing = read_table(run.spark, run.staged).limit(0)
    replace_rows(nothing, run.staged, where=filter_condition(windows), tag=f"{run.run_id}:cleared")


def _label_free_metrics(run: Run, plan: Plan) -> list[Mapping[str, Any]]:
    """Metrics of the staged windows, as rows of brier_metrics; drift is against what is published or staged before."""
    slices = sorted({each.slice for each in run.config.gates if each.slice})
    staged = read_staged(run, plan.stale).withColumn("outcome", F.lit(None).cast("int"))
    rows = staged.transform(with_groups, stale="true", slices=slices, slice_grain="window")
    own = compute_cells(rows, by=_KEY)
    cells = own.withColumn("is_reference", F.lit(False)).unionByName(_reference(run, plan, own))
    found = compute_metrics(cells, by=_KEY).drop("bins", "blocks").collect()
    return [{**row.asDict(), "grain": "window"} for row in found]


def _reference(run: Run, plan: Plan, own: DataFrame) -> DataFrame:
    """Cells that the drift of each staged window is measured from, under its key."""
    staged = own.where("slice_key IS NULL")
    known = staged.where("false")
    published = run.gold(run.config.lakehouse.tables.cells)
    if is_there(run.spark, published):
        cells = read_cells(run.spark, published, job=run.config.job, role=CHAMPION)
        kept = cells.where(f"grain = 'window' AND slice_key IS NULL AND NOT {_either(plan.stale)}")
        known = kept.select(*own.columns)
    pairs = local_frame(run.spark, _pairs(run, plan), "served date, window_start date")
    joined = known.unionByName(staged).join(F.broadcast(pairs), on="window_start", how="inner")
    served = joined.withColumns({"window_start": F.col("served"), "is_reference": F.lit(True)})
    return served.select(*own.columns, "is_reference")


def _either(windows: Collection[Window]) -> str:
    return f"coalesce({filter_condition(windows)}, false)"


def _pairs(run: Run, plan: Plan) -> list[dict[str, Any]]:
    """Each staged window with those that it is compared with."""
    days = [window for window in plan.stale if window is not None]
    reference = run.config.diagnostics.reference
    if isinstance(reference, ReferenceWindow):
        span = (reference.end - reference.start).days
        inside = [reference.start + timedelta(days=each) for each in range(span)]
        return [{"served": day, "window_start": each} for day in days for each in inside]
    known = sorted({*days, *read_published_days(run, plan)})
    before = dict(zip(known[1:], known, strict=False))
    return [{"served": day, "window_start": before[day]} for day in days if day in before]


def read_published_days(run: Run, plan: Plan) -> list[Any]:
    """Windows that the predictions hold, the last before the plan's first stale one among them."""
    first = min((window for window in plan.stale if window is not None), default=None)
    if first is None:
        return []
    rows = read_table(run.spark, run.predictions)
    last = rows.where(F.col("window_start") < F.lit(first)).agg(F.max("window_start")).collect()[0][0]
    return [each for each in [*plan.states, last] if each is not None]
