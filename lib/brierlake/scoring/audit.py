"""Write, audit, publish: predictions wait in a table of their own until the gates that need no label have passed."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import compute_cells, compute_metrics
from brierlake.config import ReferenceWindow
from brierlake.diagnosis.gates import Breach, check_gates, read_past
from brierlake.diagnosis.grouping import with_groups
from brierlake.errors import StorageError
from brierlake.lakehouse.changes import read_changed_windows
from brierlake.lakehouse.diagnostics import CHAMPION, read_cells
from brierlake.lakehouse.labels import OUTCOME
from brierlake.lakehouse.predictions import WindowState, find_stale, remove_rows
from brierlake.lakehouse.staging import Owners, owned_condition, read_staged, read_staged_states
from brierlake.lakehouse.tables import is_there, local_frame, read_table, read_version
from brierlake.lakehouse.windows import Window, filter_condition, other_condition
from brierlake.names import quoted_text
from brierlake.run.context import Run, run_id_at
from brierlake.run.ledger import SETTLED
from brierlake.scoring.planning import Plan

_KEY = ("window_start", "slice_key", "slice_value")


@dataclass(frozen=True)
class StagedRows:
    """The staged rows that a run goes by: of which run for each window, at one version of the staging table."""

    owners: Owners
    version: int

    def of(self, windows: Collection[Window]) -> Owners:
        return {window: self.owners[window] for window in windows if window in self.owners}


@dataclass(frozen=True)
class Audit:
    """What the gates say of the staged windows: those that may be published, and the breaches of the others."""

    passed: tuple[Window, ...]
    held: tuple[Window, ...]
    breaches: tuple[Breach, ...]
    is_accepted: bool = False


def find_staged(run: Run, plan: Plan) -> StagedRows:
    """Return the newest staged rows of each stale window that are as the plan would make them."""
    version = read_version(run.lake.staged)
    states = read_staged_states(run.lake.staged, windows=plan.stale, version=version)
    all_of = [state for each in states.values() for state in each]
    is_current, bad = _currency(plan, all_of), _find_bad(all_of, share=run.config.scoring.max_issue_share)
    owners = {
        window: next((state.run_id for state in found if state.run_id not in bad and is_current(window, state)), None)
        for window, found in states.items()
    }
    return StagedRows({window: owner for window, owner in owners.items() if owner is not None}, version)


def _find_bad(states: Iterable[WindowState], *, share: float) -> set[str]:
    """Runs that staged too many rows without a probability, and were killed before they could take them out again."""
    rows, issues = Counter[str](), Counter[str]()
    for state in states:
        rows[state.run_id] += state.rows
        issues[state.run_id] += state.issues
    return {run_id for run_id, n in issues.items() if n > share * rows[run_id]}


def _currency(plan: Plan, states: Sequence[WindowState]) -> Callable[[Window, WindowState], bool]:
    """Return what says whether one run's staged rows of a window are current."""
    oldest = min((state.features_version for state in states if state.recipe in plan.recipes), default=None)
    changed_at: Mapping[Window, int] | None = {}
    if oldest is not None and oldest != plan.pin.version:
        changed_at = read_changed_windows(plan.pin, plan.features.config, since=oldest)

    def is_current(window: Window, state: WindowState) -> bool:
        return not find_stale(
            {window: plan.rows_by_window.get(window, 0)},
            {window: state},
            recipe=plan.recipe,
            features_version=plan.pin.version,
            changed_at=changed_at,
            former_recipes=plan.former_recipes,
        )

    return is_current


def audit(run: Run, plan: Plan, staged: StagedRows, *, is_accepted: bool) -> Audit:
    """Check what is staged for the plan's stale windows; where a person accepts, breaches hold nothing back."""
    gates, stale = [each for each in run.config.gates if each.is_checked_before], set(plan.stale)
    past = read_past(run.lake.metrics, gates, job=run.config.job)
    before = [row for row in past if row["window_start"] not in stale]
    breaches = check_gates(gates, [*before, *_label_free_metrics(run, plan, staged)], windows=plan.stale)
    breached = {each.window for each in breaches}
    held = () if is_accepted else tuple(each for each in plan.stale if str(each or "no time") in breached)
    passed = tuple(each for each in plan.stale if each not in held)
    return Audit(passed=passed, held=held, breaches=breaches, is_accepted=is_accepted and bool(breaches))


def clear_published(run: Run, staged: StagedRows, windows: Collection[Window]) -> None:
    """Remove what is published from the staging table, and what runs of long ago left of the same windows."""
    settled = run_id_at(run.started_at - SETTLED)
    left = f"({filter_condition(windows)} AND run_id < {quoted_text(settled)})"
    where = f"{owned_condition(staged.of(windows))} OR {left}"
    try:
        remove_rows(run.lake.staged, where=where, tag=f"{run.run_id}:cleared")
    except StorageError as error:  # what is published is published; the next run's rows stand beside these
        run.say(f"Published rows stay in the staging table: {error}")


def _label_free_metrics(run: Run, plan: Plan, staged: StagedRows) -> list[Mapping[str, Any]]:
    """Metrics of the staged windows, as rows of brier_metrics; drift is against what is published or staged before."""
    slices = sorted({each.slice for each in run.config.gates if each.slice})
    chosen = read_staged(run.lake.staged, staged.of(plan.stale), version=staged.version)
    rows = chosen.withColumn(OUTCOME, F.lit(None).cast("int")).transform(
        with_groups, stale="true", slices=slices, slice_grain="window"
    )
    own = compute_cells(rows, by=_KEY)
    cells = own.withColumn("is_reference", F.lit(False)).unionByName(_reference(run, plan, own))
    found = compute_metrics(cells, by=_KEY).drop("bins", "blocks").collect()
    return [{**row.asDict(), "grain": "window"} for row in found]


def _reference(run: Run, plan: Plan, own: DataFrame) -> DataFrame:
    """Cells that the drift of each staged window is measured from, under its key."""
    staged = own.where("slice_key IS NULL")
    known = staged.where("false")
    published = run.lake.cells
    if is_there(published):
        cells = read_cells(published, job=run.config.job, role=CHAMPION)
        kept = cells.where(f"grain = 'window' AND slice_key IS NULL AND {other_condition(plan.stale)}")
        known = kept.select(*own.columns)
    pairs = local_frame(run.spark, _pairs(run, plan), "served date, window_start date")
    joined = known.unionByName(staged).join(F.broadcast(pairs), on="window_start", how="inner")
    served = joined.withColumns({"window_start": F.col("served"), "is_reference": F.lit(True)})
    return served.select(*own.columns, "is_reference")


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
    rows = read_table(run.lake.predictions)
    last = rows.where(F.col("window_start") < F.lit(first)).agg(F.max("window_start")).collect()[0][0]
    return [each for each in [*plan.states, last] if each is not None]
