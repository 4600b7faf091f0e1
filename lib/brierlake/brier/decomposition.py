"""Murphy's decomposition on bins, with the within-bin terms that make it add up, and its bias-corrected form."""

from dataclasses import dataclass

import numpy as np

from brierlake.brier.grid import FloatArray, IntArray, display_bin
from brierlake.brier.tally import Tally


@dataclass(frozen=True, eq=False)
class Bins:
    """The non-empty bins of a tally's labelled rows, in order of p; each array is (B,).

    `spread` is the sum of (p - bin mean)^2 and `codeviation` the sum of (p - bin mean)(y - bin rate) within each bin.
    """

    position: IntArray
    n: IntArray
    n_events: IntArray
    mean_probability: FloatArray
    event_rate: FloatArray
    spread: FloatArray
    codeviation: FloatArray


def labelled_bins(tally: Tally, bins: int | None) -> Bins:
    """Gather labelled rows into 10, 20 or 100 equal bins; None: each cell (or distinct p) is a bin of its own."""
    rows = tally.only_labelled
    label = np.arange(len(rows.centre)) if bins is None else display_bin(rows.cell_id, bins)
    position, first, inverse = np.unique(label, return_index=True, return_inverse=True)

    def total(values: FloatArray | IntArray) -> FloatArray:
        return np.asarray(np.bincount(inverse, values, len(position)), np.float64)

    n, n_events = total(rows.labelled.n).astype(np.int64), total(rows.events.n).astype(np.int64)
    # Sums are moved to a pivot near the bin's mean, of 24 bits, so that n * pivot is exact and a tight bin keeps its
    # digits.
    shift = rows.centre - rows.centre[first][inverse]
    pivot = (total(rows.labelled.n * (shift + rows.labelled.offset)) / n).astype(np.float32).astype(np.float64)
    shift = shift - pivot[inverse]
    residual = total(rows.labelled.n * shift + rows.sums[:2, 0].sum(axis=0)) / n
    event_residual = total(rows.events.n * shift + rows.sums[1, 0])
    deviation = shift + rows.labelled.offset - residual[inverse]
    return Bins(
        position=position.astype(np.int64),
        n=n,
        n_events=n_events,
        mean_probability=rows.centre[first] + (pivot + residual),
        event_rate=n_events / n,
        spread=total(rows.labelled.n * (rows.labelled.variance + deviation**2)),
        codeviation=event_residual - n_events * residual,
    )


@dataclass(frozen=True)
class Decomposition:
    """Brier = reliability - resolution + uncertainty + within_bin_variance - within_bin_covariance, exactly."""

    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float


def decompose(bins: Bins) -> Decomposition | None:
    """Murphy 1973 on bin means, with the within-bin terms of Stephenson, Coelho & Jolliffe 2008; None for no label."""
    count = int(bins.n.sum())
    if not count:
        return None
    base_rate = float(bins.n_events.sum()) / count
    return Decomposition(
        reliability=float(bins.n @ (bins.mean_probability - bins.event_rate) ** 2) / count,
        resolution=float(bins.n @ (bins.event_rate - base_rate) ** 2) / count,
        uncertainty=base_rate * (1.0 - base_rate),
        within_bin_variance=float(bins.spread.sum()) / count,
        within_bin_covariance=2 * float(bins.codeviation.sum()) / count,
    )


@dataclass(frozen=True)
class BiasCorrection:
    """Terms with their small-sample bias taken off; they add up to the same sum. `a` < 1 where a term hit its range."""

    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    s: float | None
    t: float | None
    a: float | None


def correct_bias(bins: Bins) -> BiasCorrection:
    """Ferro & Fricker 2012 (QJRMS 138:1954), with the clamp `a` as R's SpecsVerification has it.

    s = sum over n_k > 1 of n_k o_k (1-o_k) / (n_k-1) / N, t = o(1-o) / (N-1); reliability - a s,
    resolution - a s + a t, uncertainty + a t, with the largest a <= 1 that leaves each in its range. s is None for no
    label; t, a and the terms are None for fewer than two.
    """
    murphy, count = decompose(bins), int(bins.n.sum())
    if murphy is None:
        return BiasCorrection(None, None, None, None, None, None)
    within = bins.n > 1
    n, rate = bins.n[within], bins.event_rate[within]
    s = float(n @ (rate * (1 - rate) / (n - 1))) / count
    if count < 2:
        return BiasCorrection(None, None, None, s, None, None)
    t = murphy.uncertainty / (count - 1)
    a = _clamp(murphy, s, t, is_single=len(bins.n) == 1)
    return BiasCorrection(
        reliability=murphy.reliability - a * s,
        resolution=murphy.resolution - a * s + a * t,
        uncertainty=murphy.uncertainty + a * t,
        s=s,
        t=t,
        a=a,
    )


def _clamp(murphy: Decomposition, s: float, t: float, *, is_single: bool) -> float:
    gap = 0.0 if is_single else s - t
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = (
            np.divide(murphy.reliability, s),
            np.maximum(np.divide(murphy.resolution, gap), np.divide(murphy.resolution - 1, gap)),
            np.divide(1 - 4 * murphy.uncertainty, 4 * t),
        )
    a = min(1.0, *(float(bound) for bound in bounds)) if not np.any(np.isnan(bounds)) else 0.0
    return a if np.isfinite(a) else 0.0
