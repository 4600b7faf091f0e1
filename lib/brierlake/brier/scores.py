"""Scores of a tally: Brier, its spread, what it would be if calibrated, log loss, Murphy's diagram."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brierlake.brier.grid import ONE_ID, FloatArray
from brierlake.brier.tally import Moments, Tally


@dataclass(frozen=True)
class BrierSums:
    """Sums over labelled rows of s = (p-y)^2, of s^2, of (s-mean)^2, and of (s-mean)(y-base rate)."""

    squared_errors: float
    squares: float
    squared_deviations: float
    codeviations: float


def brier_sums(tally: Tally) -> BrierSums:
    """Exact from the moments: s is of degree 2 in p, s^2 of degree 4. For no labelled row all are 0."""
    parts = [
        _squared_error(tally.nonevents, tally.nonevents.probability, 1.0),
        _squared_error(tally.events, tally.events.complement, -1.0),
    ]
    n = [tally.nonevents.n, tally.events.n]
    total = sum(float(count @ mean) for count, (mean, _) in zip(n, parts, strict=True))
    brier = total / max(tally.labelled_count, 1)
    spread = [float(count @ (variance + (mean - brier) ** 2)) for count, (mean, variance) in zip(n, parts, strict=True)]
    squares = sum(float(count @ (variance + mean**2)) for count, (mean, variance) in zip(n, parts, strict=True))
    return BrierSums(total, squares, sum(spread), float(n[1] @ (parts[1][0] - brier)))


def _squared_error(rows: Moments, error: FloatArray, sign: float) -> tuple[FloatArray, FloatArray]:
    # s = (b + sign * delta)^2 with b the mean error and delta = p - its mean
    mean = error**2 + rows.variance
    variance = 4 * error**2 * rows.variance + sign * 4 * error * rows.third + rows.fourth - rows.variance**2
    return mean, np.maximum(variance, 0.0)


def expected_squared_error(rows: Moments) -> float:
    """Sum of p(1-p): of the Brier score if calibrated."""
    return float(rows.n @ (rows.probability * rows.complement - rows.variance))


def null_variance(rows: Moments) -> float:
    """Sum of p(1-p)(1-2p)^2: the variance of the sum of (p-y)^2 if calibrated (Spiegelhalter 1986)."""
    a, h = rows.probability * rows.complement, rows.half
    mean = a * h**2 + (a - 5 * h**2) * rows.variance - 4 * h * rows.third - rows.fourth
    return 4 * float(rows.n @ np.maximum(mean, 0.0))


def spiegelhalter_z(tally: Tally) -> float | None:
    """Z = sum (y-p)(1-2p) / sqrt(sum p(1-p)(1-2p)^2), about N(0, 1) if calibrated (Spiegelhalter 1986).

    None without labels, and where the null variance is 0 (every p is 0, 1/2 or 1).
    """
    variance = null_variance(tally.labelled)
    if variance <= 0.0:
        return None
    zeros, ones = tally.nonevents, tally.events
    excess = zeros.n @ (zeros.probability * zeros.half + zeros.variance)
    excess += ones.n @ (ones.variance - ones.complement * ones.half)
    return float(2 * excess / np.sqrt(variance))


def mean_log(rows: Moments, *, is_complement: bool) -> FloatArray:
    """Mean ln p (or ln(1-p)) within each cell, by Taylor to the 4th moment; -inf where it is ln 0.

    A cell is at most a tenth as wide as it is far from 0 (or 1), so what is cut off, a fifth moment over five, is
    below 2e-7 in the worst cell with the worst spread, and below 1e-9 for an even one. The two outermost cells, below
    1e-9 and above 1-1e-9, have no such bound; there only the mean counts.
    """
    base = rows.complement if is_complement else rows.probability
    other = rows.probability if is_complement else rows.complement
    sign = -1.0 if is_complement else 1.0
    with np.errstate(divide="ignore"):
        level = np.where(base > 0.5, np.log1p(-np.minimum(other, 0.5)), np.log(np.maximum(base, 0.0)))
    known = (base > 0) & ~is_unresolved(rows, base)
    safe = np.where(known, base, 1.0)
    terms = -rows.variance / (2 * safe**2) + sign * rows.third / (3 * safe**3) - rows.fourth / (4 * safe**4)
    return np.asarray(level + np.where(known, terms, 0.0), np.float64)


def is_unresolved(rows: Moments, base: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether ln of `base` can't be told: below 1e-9, for several probabilities in one cell or a tiny one."""
    return np.asarray((base < 1e-9) & (rows.offset != 0) & ((rows.variance > 0) | (base < 1e-13)), np.bool_)


def count_impossible(tally: Tally) -> int:
    """Events at p = 0 and non-events at p = 1."""
    return int(tally.events.n[tally.cell_id == 0].sum() + tally.nonevents.n[tally.cell_id == ONE_ID].sum())


def surprise(tally: Tally) -> str | None:
    """Why the logarithm of what happened is infinite (`impossible_outcome`) or unknown (`unresolved_tail`), or None.

    Impossible: an event at p = 0 or a non-event at p = 1. Unresolved: one so near to it that cells can't tell.
    """
    zeros, ones = tally.nonevents, tally.events
    if count_impossible(tally):
        return "impossible_outcome"
    is_dark = is_unresolved(ones, ones.probability) & (ones.n > 0)
    is_dark |= is_unresolved(zeros, zeros.complement) & (zeros.n > 0)
    return "unresolved_tail" if np.any(is_dark) else None


def log_loss(tally: Tally) -> tuple[float | None, str]:
    """Mean -ln(probability of what happened) and its status: 0 or more, smaller is better.

    None with `no_labels`; `impossible_outcome` where an event had p = 0 or a non-event p = 1 (the loss is infinite);
    `unresolved_tail` where one came so near that cells can't tell.
    """
    if not tally.labelled_count:
        return None, "no_labels"
    obstacle = surprise(tally)
    if obstacle is not None:
        return None, obstacle
    zeros, ones = tally.nonevents, tally.events
    total = ones.n[ones.n > 0] @ mean_log(ones, is_complement=False)[ones.n > 0]
    total += zeros.n[zeros.n > 0] @ mean_log(zeros, is_complement=True)[zeros.n > 0]
    return abs(float(total)) / tally.labelled_count, "ok"
