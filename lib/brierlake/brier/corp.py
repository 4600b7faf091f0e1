"""CORP: miscalibration and discrimination by isotonic regression (Dimitriadis, Gneiting & Jordan, PNAS 2021)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import isotonic_regression

from brierlake.brier.grid import CELL_IDS, FloatArray, IntArray, rank_of
from brierlake.brier.tally import Tally

BAND_SEED: Final = 20_241_231
BAND_DRAWS: Final = 200


@dataclass(frozen=True, eq=False)
class IsotonicFit:
    """The PAV fit of outcomes on the labelled cells: `fitted` (K,), and where its M blocks begin, `starts` (M+1,)."""

    fitted: FloatArray
    starts: IntArray


def fit_isotonic(n: IntArray, n_events: IntArray | FloatArray) -> IsotonicFit:
    if not len(n):
        return IsotonicFit(np.zeros(0), np.zeros(1, np.int64))
    result = isotonic_regression(n_events / n, weights=n)
    return IsotonicFit(np.asarray(result.x, np.float64), np.asarray(result.blocks, np.int64))


@dataclass(frozen=True)
class Corp:
    """Both terms are 0 or more; `error` estimates by how much either is too small because of the cells."""

    miscalibration: float
    discrimination: float
    error: float


def corp_terms(tally: Tally) -> Corp | None:
    """Score = miscalibration - discrimination + uncertainty (+ the cells' within-cell terms); None for no label.

    Miscalibration is sum n[(pbar-obar)^2 - (g-obar)^2] / N over cells with g the isotonic fit; smaller is better.
    On cells both terms are too small, by nearly the same amount, estimated as three times what merging the grid's
    cells with a neighbour changes, the larger of the two ways to pair them. It is no bound: a few rows that share a
    cell can hide more. On the exact road it is 0.
    """
    rows = tally.only_labelled
    count = rows.labelled_count
    if not count:
        return None
    n, n_events, total = rows.labelled.n, rows.events.n, rows.labelled.n * rows.labelled.probability
    miscalibration = _miscalibration(n, n_events, total)
    fit = fit_isotonic(n, n_events)
    discrimination = float(n @ (fit.fitted - rows.event_count / count) ** 2) / count
    error = 0.0
    if np.any(rows.sums):
        merged = (_merged_miscalibration(rows, odd) for odd in (0, 1))
        error = 3 * max(abs(each - miscalibration) for each in merged)
    return Corp(miscalibration, discrimination, error)


def _merged_miscalibration(rows: Tally, odd: int) -> float:
    rank = rank_of(rows.cell_id)
    pair = (rank + odd) // 2
    pair[rank == 0] = -1  # exact 0 and exact 1 are no neighbours
    pair[rank == len(CELL_IDS) - 1] = len(CELL_IDS)
    starts = np.unique(pair, return_index=True)[1]
    columns = (rows.labelled.n, rows.events.n, rows.labelled.n * rows.labelled.probability)
    return _miscalibration(*(np.add.reduceat(values, starts) for values in columns))


def _miscalibration(n: IntArray, n_events: IntArray, total: FloatArray) -> float:
    mean, rate, fitted = total / n, n_events / n, fit_isotonic(n, n_events).fitted
    return max(0.0, float(n @ ((mean - fitted) * (mean + fitted - 2 * rate))) / float(n.sum()))


def consistency_bands(
    tally: Tally, *, level: float = 0.95, draws: int = BAND_DRAWS, seed: int = BAND_SEED
) -> tuple[FloatArray, FloatArray]:
    """Simultaneous bands of the isotonic fit if calibrated, at each labelled cell: low (K,) and high (K,).

    Outcomes are drawn from Binomial(n, mean p) per cell and fitted again; as wide a multiple of each cell's deviation
    is taken as holds `level` of the draws at all cells at once. The same tally and seed give the same bands.
    """
    rows = tally.only_labelled
    n, p = rows.labelled.n, np.clip(rows.labelled.probability, 0.0, 1.0)
    if not len(n):
        return np.zeros(0), np.zeros(0)
    drawn = np.random.default_rng(seed).binomial(n, p, size=(draws, len(n)))
    fits = np.stack([fit_isotonic(n, events).fitted for events in drawn])
    middle, deviation = fits.mean(axis=0), fits.std(axis=0) + 1e-12
    width = float(np.quantile(np.abs((fits - middle) / deviation).max(axis=1), level)) * deviation
    return np.clip(middle - width, 0.0, 1.0), np.clip(middle + width, 0.0, 1.0)
