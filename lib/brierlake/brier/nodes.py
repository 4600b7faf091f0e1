"""Points that stand for the rows of a cell: sums of a smooth function over them are right to third order."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from brierlake.brier.grid import FloatArray, IntArray
from brierlake.brier.tally import Moments, Tally

_NOISE: Final = 1000 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Two points (M,) for each class in each cell: p, 1 - p, the rows that it stands for, the outcome, and which cell.

    Cells of exact 0 and exact 1 are left out.
    """

    probability: FloatArray
    complement: FloatArray
    n: FloatArray
    outcome: IntArray
    cell: IntArray

    @cached_property
    def logit(self) -> FloatArray:
        return np.asarray(np.log(self.probability) - np.log(self.complement), np.float64)


def place_nodes(tally: Tally) -> Nodes:
    """Return nodes of the labelled rows: mean, variance and third moment of each class in each cell are theirs."""
    parts = [
        _of_class(rows, outcome, side)
        for outcome, rows in enumerate((tally.nonevents, tally.events))
        for side in (-1, 1)
    ]
    names = ("probability", "complement", "n", "outcome", "cell")
    return Nodes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def place_scored_nodes(tally: Tally) -> Nodes:
    """Return nodes of all scored rows, whatever became of them: exact 0 and exact 1 too; `outcome` is 0."""
    parts = [_of_class(tally.scored, 0, side) for side in (-1, 1)]
    names = ("probability", "complement", "n", "outcome", "cell")
    at = np.flatnonzero((tally.scored.probability <= 0) | (tally.scored.complement <= 0))
    p, n = np.clip(tally.scored.probability[at], 0.0, 1.0), tally.scored.n[at].astype(float)
    ends = Nodes(p, 1 - p, n, np.zeros(len(at), np.int64), at)
    return Nodes(*(np.concatenate([getattr(part, name) for part in (*parts, ends)]) for name in names))


def _of_class(rows: Moments, outcome: int, side: int) -> Nodes:
    keep = np.flatnonzero((rows.n > 0) & (rows.probability > 0) & (rows.complement > 0))
    p, q, n = rows.probability[keep], rows.complement[keep], rows.n[keep].astype(float)
    spread = np.sqrt(rows.variance[keep])
    # what summation can't carry is no skew: rows that lie close together, far from what they are counted from
    is_told = spread**3 > _NOISE * n * np.abs(rows.offset[keep]) ** 3
    step, share = _two_points(spread, np.where(is_told, rows.third[keep], 0.0), side)
    # only the outermost cells are wide enough for the step to reach 0 or 1; there the mean must do
    is_inside = np.abs(step) < 0.5 * np.minimum(p, q)
    step, share = np.where(is_inside, step, 0.0), np.where(is_inside, share, 0.5)
    return Nodes(p + step, q - step, n * share, np.full(len(keep), outcome), keep)


def _two_points(spread: FloatArray, third: FloatArray, side: int) -> tuple[FloatArray, FloatArray]:
    """The lower or upper of the two points with these central moments, from the mean, and its share of the rows."""
    is_spread = spread > 0
    skew = np.where(is_spread, third / np.where(is_spread, spread**3, 1.0), 0.0)
    root = np.sqrt(skew**2 + 4)
    return spread * (skew + side * root) / 2, (1 - side * skew / root) / 2
