"""Calibration errors of a tally. On cells they see one probability per cell, on the exact road every one."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.fft import dct, idct

from brierlake.brier.decomposition import Bins
from brierlake.brier.grid import FloatArray
from brierlake.brier.scores import brier_sums, expected_squared_error
from brierlake.brier.tally import Tally

_MESH: Final = 4096


def expected_calibration_error(bins: Bins) -> float | None:
    """ECE = sum n_k |mean p - event rate| / N (Naeini et al. 2015): 0 to 1, smaller is better; None for no label."""
    count = int(bins.n.sum())
    return float(bins.n @ np.abs(bins.mean_probability - bins.event_rate)) / count if count else None


def maximum_calibration_error(bins: Bins) -> float | None:
    """MCE = max |mean p - event rate| over non-empty bins: 0 to 1, smaller is better; None for no label."""
    return float(np.max(np.abs(bins.mean_probability - bins.event_rate))) if len(bins.n) else None


def debiased_squared_error(bins: Bins) -> float | None:
    """Squared L2 calibration error less its bias (Kumar, Liang & Ma 2019); below 0 by chance; None for no label.

    Sum over bins with n_k > 1 of n_k / N [(mean p - o_k)^2 - o_k (1-o_k) / (n_k-1)]. Bins of one row count nothing,
    as in the authors' code (Ferro & Fricker's reliability keeps their uncorrected term).
    """
    count = int(bins.n.sum())
    if not count:
        return None
    within = bins.n > 1
    n, rate = bins.n[within], bins.event_rate[within]
    terms = (bins.mean_probability[within] - rate) ** 2 - rate * (1 - rate) / (n - 1)
    return float(n @ terms) / count


def debiased_l2_error(bins: Bins) -> float | None:
    """Square root of `debiased_squared_error`, 0 where that is negative; smaller is better."""
    squared = debiased_squared_error(bins)
    return None if squared is None else float(np.sqrt(max(squared, 0.0)))


def smooth_calibration_error(tally: Tally) -> float | None:
    """SmoothECE (Blasiok & Nakkiran, ICLR 2024): 0 to 1, smaller is better; None for no label.

    smECE_s is the integral of |K_s * (p-y)| over [0, 1], K_s the Gaussian of width s reflected at 0 and 1; the value
    is the s with smECE_s = s. The reflected kernel is diagonal in cosines, so residuals go to a mesh of 4,096 points
    (shared between the two nearest) and each s costs one cosine transform.
    """
    rows = tally.only_labelled
    count = rows.labelled_count
    if not count:
        return None
    spectrum = dct(_mesh_residuals(rows), type=2) / count
    frequency = np.pi * np.arange(_MESH)

    def smoothed(width: float) -> float:
        return float(np.abs(idct(spectrum * np.exp(-((frequency * width) ** 2) / 2), type=2)).sum())

    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed(middle) > middle else (low, middle)
    return (low + high) / 2 if smoothed(low) > 1e-12 else 0.0


def _mesh_residuals(rows: Tally) -> FloatArray:
    residual = rows.labelled.n * rows.labelled.probability - rows.events.n
    place = rows.labelled.probability * _MESH - 0.5
    left = np.floor(place)
    share = place - left
    mesh = np.zeros(_MESH)
    np.add.at(mesh, np.clip(left, 0, _MESH - 1).astype(np.int64), residual * (1 - share))
    np.add.at(mesh, np.clip(left + 1, 0, _MESH - 1).astype(np.int64), residual * share)
    return mesh


def kernel_calibration_error(tally: Tally, *, bandwidth: float = 0.1) -> float | None:
    """Unbiased squared kernel calibration error (SKCE, Widmann, Lindsten & Zachariah 2019); None below two labels.

    Sum over pairs i != j of r_i r_j k(p_i, p_j) / (N (N-1)), r = y - p, with k = exp(-|p-q| / bandwidth). Smaller is
    better; near 0, and below 0 as often as above, if calibrated.
    """
    if bandwidth < 0.01:
        raise ValueError(f"bandwidth {bandwidth} is below 0.01, finer than the cells that the error is computed on.")
    rows = tally.only_labelled
    count = rows.labelled_count
    if count < 2:
        return None
    p = rows.labelled.probability
    residual = rows.events.n - rows.labelled.n * p
    # cells are in order of p, so exp(-|p-q|) factors into a running sum; it never exceeds e^100
    raised = residual * np.exp(p / bandwidth)
    before = np.cumsum(raised) - raised
    pairs = 2 * float((residual * np.exp(-p / bandwidth)) @ before) + float(residual @ residual)
    return (pairs - brier_sums(rows).squared_errors) / (count * (count - 1.0))


@dataclass(frozen=True)
class CumulativeError:
    """Largest absolute value, and range, of the cumulative residuals; `sigma` is their scale if calibrated."""

    maximum: float
    extent: float
    sigma: float


def cumulative_calibration_error(tally: Tally) -> CumulativeError | None:
    """ECCE-MAD and ECCE-R (Arrieta-Ibarra et al., JMLR 23, 2022), smaller is better; None for no label.

    C_j = sum of (y - p) over rows in order of p up to the j-th distinct p (or cell), over N; maximum |C|, and
    max C - min C with C_0 = 0. Judge them by their ratio to sigma = sqrt(sum p(1-p)) / N.
    """
    rows = tally.only_labelled
    count = rows.labelled_count
    if not count:
        return None
    path = np.cumsum(rows.events.n - rows.labelled.n * rows.labelled.probability) / count
    extent = max(float(path.max()), 0.0) - min(float(path.min()), 0.0)
    sigma = float(np.sqrt(expected_squared_error(rows.labelled))) / count
    return CumulativeError(float(np.abs(path).max()), extent, sigma)
