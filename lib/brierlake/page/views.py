"""What each section shows: numbers picked and shaped from the tables, before anything is drawn or written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scipy.special import ndtri, stdtr

from brierlake.brier import is_meaningful
from brierlake.page.sources import Row, Tables
from brierlake.page.verdicts import gap, gap_se
from brierlake.page.words import is_known, month

_SLICES = 14
_WRONGLY = 0.05
_WELL_FILLED, _LEAVES_BY = 100, 4.0
"""Labelled rows of a bin, and standard errors, from which on it is said that the line leaves it out."""


@dataclass(frozen=True)
class Curve:
    """One reliability diagram: blocks of the isotonic fit, and how the scores are spread."""

    name: str
    row: Row
    blocks: Sequence[Row]
    bins: Sequence[Row]


@dataclass(frozen=True)
class Cell:
    """One slice in one month: mean probability minus base rate, with its standard error."""

    gap: float | None
    error: float | None
    n: int
    is_small: bool
    is_sure: bool = False
    """Off by more than chance, looking at all cells of its column at once."""


@dataclass(frozen=True)
class Grid:
    """The slices of one column that are furthest off, worst first, over months."""

    key: str
    months: Sequence[str]
    names: Sequence[str]
    cells: Sequence[Sequence[Cell | None]]
    totals: Sequence[Row]
    slice_count: int
    sure_count: int
    """Slices that are off for sure, over all months: the chance of naming any wrongly is 5 % (Holm)."""


@dataclass(frozen=True)
class Contrast:
    """The month with the lowest Brier score, where that is not the month with the best probabilities."""

    lowest: Row
    best: Row
    is_worst_calibrated: bool
    """The lowest has the largest miscalibration of all months."""


def labelled_months(tables: Tables) -> list[Row]:
    return [row for row in tables.published("month") if row["window_start"] is not None and row.get("n_labelled")]


def find_contrast(months: Sequence[Row]) -> Contrast | None:
    """Return the trap of reading Brier scores alone, where it is there: lowest score, but not the most skill."""
    meant = [row for row in months if is_meaningful(row, "skill") and is_known(row.get("skill"))]
    if len(meant) < 2:
        return None
    lowest, best = min(meant, key=lambda row: row["brier"]), max(meant, key=lambda row: row["skill"])
    # the two were chosen among all months
    noise = math.hypot(lowest["skill_se"] or 0.0, best["skill_se"] or 0.0)
    chosen = float(ndtri(1 - 0.025 / math.comb(len(meant), 2)))
    if best["skill"] - lowest["skill"] <= chosen * noise:
        return None
    worst = max(meant, key=lambda row: row["miscalibration"])
    return Contrast(lowest, best, is_worst_calibrated=lowest is worst)


def reliability_pair(tables: Tables) -> tuple[Curve | None, Curve | None]:
    """The latest month with labels, and what it is compared with: the reference range's months, or the month before."""
    months = labelled_months(tables)
    if not months:
        return (_curve(tables, "all", tables.total(), "all rows") if tables.total() else None), None
    now = months[-1]
    before = months[:-1]
    if tables.reference is not None:
        start, end = tables.reference
        before = [row for row in before if start <= row["window_start"] < end]
    earlier = _curve(tables, "month", before[-1], month(before[-1]["window_start"])) if before else None
    return _curve(tables, "month", now, month(now["window_start"])), earlier


def month_curves(tables: Tables, *, most: int = 6) -> list[Curve]:
    curves = [_curve(tables, "month", row, month(row["window_start"])) for row in labelled_months(tables)[-most:]]
    return [each for each in curves if each is not None]


def _curve(tables: Tables, grain: str, row: Row, name: str) -> Curve | None:
    start = row.get("window_start")
    blocks = tables.curve(grain, start, "corp")
    return Curve(name, row, blocks, tables.curve(grain, start, "bins_20")) if blocks else None


def slice_grids(tables: Tables) -> list[Grid]:
    totals, by_month = tables.slices("all"), [row for row in tables.slices("month") if row["window_start"]]
    grids = [_grid(key, totals, by_month) for key in sorted({row["slice_key"] for row in totals})]
    return [each for each in grids if each.names]


def _grid(key: str, totals: Sequence[Row], by_month: Sequence[Row]) -> Grid:
    own = [row for row in totals if row["slice_key"] == key and row.get("n_labelled")]
    sure = _sure(own)
    ordered = sorted(own, key=lambda row: (id(row) in sure, *_badness(row)), reverse=True)[:_SLICES]
    starts = sorted({row["window_start"] for row in by_month})
    found = {(row["slice_value"], row["window_start"]): row for row in by_month if row["slice_key"] == key}
    shown = [[*(found.get((row["slice_value"], each)) for each in starts), row] for row in ordered]
    sure |= _sure([each for row in shown for each in row[:-1] if each is not None])
    cells = [[_cell(each, is_sure=id(each) in sure) for each in row] for row in shown]
    return Grid(
        key=key,
        months=[*(month(each) for each in starts), "all"],
        names=[slice_name(row) for row in ordered],
        cells=cells,
        totals=ordered,
        slice_count=len(own),
        sure_count=sum(id(row) in sure for row in own),
    )


def slice_name(row: Row) -> str:
    return "(missing)" if row["slice_value"] is None else str(row["slice_value"])


def _badness(row: Row) -> tuple[bool, float]:
    """How far off for sure: the gap less two standard errors; small slices come last."""
    off, error = gap(row), gap_se(row)
    return is_meaningful(row, "skill"), abs(off or 0.0) - 2 * (error or 0.0)


def _sure(rows: Sequence[Row]) -> set[int]:
    """Ids of the rows whose gap is more than chance, with a chance of 5 % to name any of them wrongly (Holm 1979)."""
    tried = sorted((_chance(row), id(row)) for row in rows if is_meaningful(row, "skill") and gap_se(row))
    sure: set[int] = set()
    for place, (chance, name) in enumerate(tried):
        if chance * (len(tried) - place) > _WRONGLY:
            break
        sure.add(name)
    return sure


def _chance(row: Row) -> float:
    """Two-sided p-value of the gap, by Student's t where clusters are few."""
    distance, clusters = abs((gap(row) or 0.0) / (gap_se(row) or 1.0)), row.get("effective_clusters")
    return 2 * float(stdtr(max(float(clusters) - 1, 1.0) if is_known(clusters) else math.inf, -distance))


def _cell(row: Row | None, *, is_sure: bool) -> Cell | None:
    if row is None or not row.get("n_labelled"):
        return None
    is_small = not is_meaningful(row, "skill")
    return Cell(gap(row), gap_se(row), int(row["n_labelled"]), is_small=is_small, is_sure=is_sure)


def find_departure(curve: Curve) -> Row | None:
    """Return the well-filled bin whose event rate the isotonic line shows least: it pools what isn't monotone."""
    known = [(row, _departure(row, curve.blocks)) for row in curve.bins if (row.get("n_labelled") or 0) >= _WELL_FILLED]
    row, distance = max(known, key=lambda each: each[1], default=(None, 0.0))
    return row if distance > _LEAVES_BY else None


def _departure(row: Row, blocks: Sequence[Row]) -> float:
    """Standard errors between a bin's event rate and the line at its mean probability."""
    n, rate, at = row["n_labelled"], row["event_rate"], row["mean_probability_labelled"]
    fitted = [each["event_rate"] for each in blocks if is_known(each["lower"]) and each["lower"] <= at <= each["upper"]]
    if not fitted:
        return 0.0
    error = math.sqrt(max(fitted[0] * (1 - fitted[0]), rate * (1 - rate), 0.25 / n) / n)
    return float(abs(rate - fitted[0]) / error)


def month_end(start: date) -> date:
    """The first day of the next month; the last day that there is where none follows."""
    last = date.max - timedelta(days=32)
    return (start + timedelta(days=32)).replace(day=1) if start <= last else date.max
