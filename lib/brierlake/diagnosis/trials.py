"""Trials of maps: which windows a version's map is fitted on and tried on, and what their cells say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
from pyspark.sql import functions as F

from brierlake.brier import MOMENTS, Trial, tally_frame, try_maps
from brierlake.brier.evidence import FEWEST_WINDOWS, has_complete_labels, starts_after
from brierlake.errors import ContractError, StorageError
from brierlake.lakehouse.diagnostics import CHAMPION, Figures, read_cells
from brierlake.lakehouse.lake import Lake
from brierlake.lakehouse.predictions import read_window_states
from brierlake.lakehouse.tables import is_there, read_table, read_version
from brierlake.lakehouse.windows import Scope, filter_condition


@dataclass(frozen=True)
class Split:
    """Windows of one version in order of time: those to fit on, a gap as long as labels are late, those to try on."""

    fitted_on: tuple[date, ...]
    tried_on: tuple[date, ...]
    cells_version: int
    """Of the cells table, when it was looked at."""


def split_windows(
    lake: Lake,
    *,
    job: str,
    version: tuple[str, int],
    trained_until: datetime | None,
    scope: Scope,
    fit_until: date | None,
) -> Split:
    """Choose the windows of a version that are from after its training and whose labels are complete.

    Args:
        scope: Only windows of it.
        fit_until: First day of those to try on; None: the second half.

    Raises:
        ContractError: There are too few, or a window was scored anew since it was diagnosed.
        StorageError: Nothing was diagnosed yet, or a table can't be read.
    """
    if not is_there(lake.metrics) or not is_there(lake.cells):
        raise StorageError.no_table(lake.metrics.name, setting="lakehouse.tables.metrics; `score` makes it:")
    cells_version = read_version(lake.cells)
    rows = [row for row in _read_windows(lake, job=job, version=version) if scope.has(row["window_start"])]
    after = [row for row in rows if starts_after(row["window_start"], trained_until)]
    complete = [row for row in after if has_complete_labels(row["n_labelled"], row["n_scored"])]
    days = [row["window_start"] for row in complete]
    late = sum(row["window_start"] > days[-1] for row in after) if days else 0
    first = fit_until or (days[len(days) // 2] if days else date.max)
    fitted_on = [day for day in days if day < first]
    fitted_on = fitted_on[: len(fitted_on) - late] if late else fitted_on
    tried_on = [day for day in days if day >= first]
    if min(len(fitted_on), len(tried_on)) < FEWEST_WINDOWS:
        raise ContractError.few_windows_to_recalibrate(
            f"{version[0]}/{version[1]}",
            there=len(rows),
            after=len(after),
            complete=len(complete),
            fitted_on=len(fitted_on),
            tried_on=len(tried_on),
            fewest=FEWEST_WINDOWS,
        )
    _validate_current(lake, complete)
    return Split(tuple(fitted_on), tuple(tried_on), cells_version)


def try_on_windows(lake: Lake, split: Split, *, job: str, version: tuple[str, int]) -> Trial:
    """Fit and try each kind of map.

    Raises:
        ContractError: The labels are of one class, or too few, so that no map can be fitted.
    """
    cells = _read_window_cells(lake, [*split.fitted_on, *split.tried_on], job=job, version=version)
    is_later = cells["window_start"].isin(split.tried_on)
    fitted_on = tally_frame(cells[~is_later])
    trial = try_maps(fitted_on, [tally_frame(part) for _, part in cells[is_later].groupby("window_start")])
    if all(each.map.status in ("no_labels", "one_class", "few_events") for each in trial.maps):
        raise ContractError.nothing_to_fit(
            f"{version[0]}/{version[1]}", fitted_on.labelled_count, fitted_on.event_count
        )
    return trial


def validate_unchanged(lake: Lake, split: Split, *, job: str, version: tuple[str, int]) -> None:
    """Raise ContractError where windows of the trial were scored anew since it began."""
    if read_version(lake.cells) == split.cells_version:
        return
    chosen = {*split.fitted_on, *split.tried_on}
    rows = [row for row in _read_windows(lake, job=job, version=version) if row["window_start"] in chosen]
    if {row["window_start"] for row in rows} != chosen:
        raise ContractError.scored_anew(sorted(chosen - {row["window_start"] for row in rows}))
    _validate_current(lake, rows)


def _read_windows(lake: Lake, *, job: str, version: tuple[str, int]) -> list[Figures]:
    """The diagnosed windows with a date in which the version scored rows, in order of time."""
    rows = read_table(lake.metrics).where(
        (F.col("job") == job)
        & (F.col("role") == CHAMPION)
        & (F.col("grain") == "window")
        & F.col("slice_key").isNull()
        & (F.col("model_name") == version[0])
        & (F.col("model_version") == version[1])
        & F.col("window_start").isNotNull()
    )
    names = ("window_start", "n_scored", "n_labelled", "predictions_id")
    return [row.asDict() for row in rows.select(*names).orderBy("window_start").collect()]


def _validate_current(lake: Lake, rows: Sequence[Figures]) -> None:
    """Raise unless the windows hold what their figures were made from."""
    days = [row["window_start"] for row in rows]
    states = read_window_states(lake.predictions, scope=Scope(min(days), None))
    changed = [
        row["window_start"]
        for row in rows
        if (state := states.get(row["window_start"])) is None
        or (not state.is_mixed and state.run_id != row["predictions_id"])
    ]
    if changed:
        raise ContractError.scored_anew(changed)


def _read_window_cells(lake: Lake, days: Sequence[date], *, job: str, version: tuple[str, int]) -> pd.DataFrame:
    cells = read_cells(lake.cells, job=job, role=CHAMPION).where(
        (F.col("grain") == "window")
        & F.col("slice_key").isNull()
        & (F.col("model_name") == version[0])
        & (F.col("model_version") == version[1])
        & F.expr(filter_condition(days))
    )
    return cells.select("window_start", "cell_id", "outcome", "n", *MOMENTS).toPandas()
