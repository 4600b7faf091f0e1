"""The counts and moments of one key, cell by cell: what every statistic is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from brierlake.brier.grid import CELL_CENTRES, FloatArray, IntArray, cell_of, rank_of

MOMENTS: Final = ("sum_d", "sum_d2", "sum_d3", "sum_d4")
"""Columns of a cells table: sums over its rows of the powers of d = p - the centre of the cell."""
_ROUNDING: Final = float(np.finfo(np.float64).eps) / 2
_OUTCOMES: Final = np.array([0.0, 1.0, np.nan])


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and central moments of the probability within each of K cells, over the rows of some outcomes; each (K,).

    `probability`, `complement` (1 - p) and `half` (p - 1/2) are three forms of the same mean, each with the digits
    that it has near 0, near 1 and near 1/2. Cells without such rows have n = 0, the centre as mean and no spread.
    """

    n: IntArray
    offset: FloatArray
    probability: FloatArray
    complement: FloatArray
    half: FloatArray
    variance: FloatArray
    third: FloatArray
    fourth: FloatArray


def _moments(centre: FloatArray, n: IntArray, sums: FloatArray) -> Moments:
    rows = np.maximum(n, 1)
    mean, square, cube, quartic = sums / rows
    # what sequential summation can't carry is no spread: equal probabilities must stay equal
    noise = 4 * rows * _ROUNDING
    variance = square - mean**2
    is_constant = variance <= noise * square
    variance = np.where(is_constant, 0.0, variance)
    third = np.where(is_constant, 0.0, cube - 3 * mean * square + 2 * mean**3)
    fourth = np.where(is_constant, 0.0, quartic - 4 * mean * cube + 6 * mean**2 * square - 3 * mean**4)
    half = (centre - 0.5) + mean
    half = np.where(np.abs(half) <= noise * np.abs(mean), 0.0, half)
    return Moments(
        n=n,
        offset=mean,
        probability=centre + mean,
        complement=(1.0 - centre) - mean,
        half=half,
        variance=variance,
        third=third,
        fourth=np.maximum(fourth, variance**2),
    )


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts `n` (3, K) and sums of d, d^2, d^3, d^4 (3, 4, K) by outcome (0, 1, no label) of K cells in order of p.

    `centre` (K,) is what d is counted from. On the exact road each distinct probability is a cell of its own: its
    centre is the probability and all its sums are 0, so every function of a tally is exact on it.
    """

    cell_id: IntArray
    centre: FloatArray
    n: IntArray
    sums: FloatArray
    unscored_count: int = 0

    @cached_property
    def scored(self) -> Moments:
        return _moments(self.centre, self.n.sum(axis=0), self.sums.sum(axis=0))

    @cached_property
    def labelled(self) -> Moments:
        return _moments(self.centre, self.n[:2].sum(axis=0), self.sums[:2].sum(axis=0))

    @cached_property
    def nonevents(self) -> Moments:
        return _moments(self.centre, self.n[0], self.sums[0])

    @cached_property
    def events(self) -> Moments:
        return _moments(self.centre, self.n[1], self.sums[1])

    @cached_property
    def scored_count(self) -> int:
        return int(self.n.sum())

    @cached_property
    def labelled_count(self) -> int:
        return int(self.n[:2].sum())

    @cached_property
    def event_count(self) -> int:
        return int(self.n[1].sum())

    @cached_property
    def only_labelled(self) -> "Tally":
        """The same tally without the rows that have no label, and without the cells that held only such rows."""
        keep = self.n[:2].sum(axis=0) > 0
        n, sums = self.n[:, keep], self.sums[:, :, keep]
        known = np.array([1, 1, 0])
        return Tally(self.cell_id[keep], self.centre[keep], n * known[:, None], sums * known[:, None, None])


def tally_cells(cell_id: npt.ArrayLike, outcome: npt.ArrayLike, n: npt.ArrayLike, sums: npt.ArrayLike) -> Tally:
    """Tally rows of a cells table, in any order; equal cells are added up.

    `cell_id` (R,) and `outcome` (R,) are NaN where null; `n` (R,); `sums` (R, 4) are sum_d to sum_d4.

    Raises:
        ValueError: for an outcome other than 0, 1 and NaN, or an id that is no cell of the grid.
    """
    ids, slots = np.asarray(cell_id, np.float64), _outcome_slots(outcome)
    counts, moments = np.asarray(n, np.int64), np.asarray(sums, np.float64).reshape(-1, 4)
    is_scored = ~np.isnan(ids)
    distinct, inverse = np.unique(ids[is_scored].astype(np.int64), return_inverse=True)
    table = np.zeros((3, len(distinct)), np.int64)
    np.add.at(table, (slots[is_scored], inverse), counts[is_scored])
    totals = np.zeros((3, len(distinct), 4))
    np.add.at(totals, (slots[is_scored], inverse), moments[is_scored])
    centre = CELL_CENTRES[rank_of(distinct)]
    return Tally(distinct, centre, table, totals.transpose(0, 2, 1), int(counts[~is_scored].sum()))


def tally_frame(cells: pd.DataFrame) -> Tally:
    """Tally rows of a cells table that were collected: `cell_id` and `outcome` (null or NaN: none), `n`, MOMENTS."""
    cell_id, outcome = (cells[name].astype(float) for name in ("cell_id", "outcome"))
    return tally_cells(cell_id, outcome, cells["n"], cells[list(MOMENTS)].to_numpy(float))


def add_tallies(tallies: Sequence[Tally]) -> Tally:
    """Add up tallies of other rows, on the grid."""
    if not tallies:
        return tally_cells([], [], [], np.zeros((0, 4)))
    cell_id, outcome = (np.concatenate(each) for each in zip(*map(_labels, tallies), strict=True))
    n = np.concatenate([each.n.reshape(-1) for each in tallies])
    sums = np.concatenate([each.sums.transpose(0, 2, 1).reshape(-1, 4) for each in tallies])
    return replace(tally_cells(cell_id, outcome, n, sums), unscored_count=sum(each.unscored_count for each in tallies))


def _labels(tally: Tally) -> tuple[FloatArray, FloatArray]:
    """Cell and outcome of each entry of a tally's counts."""
    return np.tile(tally.cell_id.astype(float), 3), np.repeat(_OUTCOMES, len(tally.cell_id))


def tally_rows(probability: npt.ArrayLike, outcome: npt.ArrayLike) -> Tally:
    """Tally rows on the grid: `probability` (N,) in [0, 1], NaN = not scored; `outcome` (N,) 0, 1 or NaN = no label.

    Raises:
        ValueError: for a probability outside [0, 1], another outcome, or arrays that differ in length.
    """
    p, slots, unscored_count = _rows(probability, outcome)
    cell_id, centre = cell_of(p)
    d = p - centre
    code, inverse = np.unique(cell_id * 3 + slots, return_inverse=True)
    sums = np.stack([np.bincount(inverse, d**power, len(code)) for power in (1, 2, 3, 4)], axis=1)
    tally = tally_cells(code // 3, _OUTCOMES[code % 3], np.bincount(inverse, minlength=len(code)), sums)
    return replace(tally, unscored_count=unscored_count)


def tally_values(probability: npt.ArrayLike, n: npt.ArrayLike, n_events: npt.ArrayLike) -> Tally:
    """Tally labelled rows by distinct probability: the exact road, after `groupBy(probability)`; arrays are (V,).

    Raises:
        ValueError: for a probability outside [0, 1], or more events than rows.
    """
    p, counts, events = np.asarray(probability, np.float64), np.asarray(n, np.int64), np.asarray(n_events, np.int64)
    _validate_probability(p)
    if np.any((events < 0) | (events > counts)):
        raise ValueError("n_events must lie between 0 and n for every value.")
    distinct, inverse = np.unique(p[counts > 0] + 0.0, return_inverse=True)
    table = np.zeros((3, len(distinct)), np.int64)
    np.add.at(table[0], inverse, (counts - events)[counts > 0])
    np.add.at(table[1], inverse, events[counts > 0])
    return Tally(cell_of(distinct)[0], distinct, table, np.zeros((3, 4, len(distinct))))


def tally_distinct(probability: npt.ArrayLike, outcome: npt.ArrayLike) -> Tally:
    """Tally rows by distinct probability instead of by cell; rows without a probability or label are left out."""
    p, slots, _ = _rows(probability, outcome)
    known = slots < 2
    return tally_values(p[known], np.ones(int(known.sum()), np.int64), slots[known])


def _rows(probability: npt.ArrayLike, outcome: npt.ArrayLike) -> tuple[FloatArray, IntArray, int]:
    p, slots = np.asarray(probability, np.float64), _outcome_slots(outcome)
    if p.shape != slots.shape or p.ndim != 1:
        raise ValueError(f"probability {p.shape} and outcome {slots.shape} must be one-dimensional and of one length.")
    is_scored = ~np.isnan(p)
    _validate_probability(p[is_scored])
    return p[is_scored], slots[is_scored], int((~is_scored).sum())


def _outcome_slots(outcome: npt.ArrayLike) -> IntArray:
    labels = np.asarray(outcome, np.float64)
    if not np.all(np.isin(labels, (0.0, 1.0)) | np.isnan(labels)):
        strangers = sorted({float(label) for label in labels[~np.isnan(labels)]} - {0.0, 1.0})
        raise ValueError(f"outcome must be 0, 1 or null, found {strangers[:5]}.")
    return np.where(np.isnan(labels), 2, labels).astype(np.int64)


def _validate_probability(p: FloatArray) -> None:
    if not np.all((p >= 0.0) & (p <= 1.0)):
        raise ValueError(f"probability must lie in [0, 1], found {p[~((p >= 0.0) & (p <= 1.0))][:5].tolist()}.")
