"""What chance alone makes of figures that can't be negative, and how much of each is left when that is taken off."""

import math

import numpy as np
from scipy.special import gammaincinv
from scipy.stats import binom, chi2

from brierlake.brier.decomposition import Bins
from brierlake.brier.grid import FloatArray


def _sd_if_calibrated(bins: Bins, inflation: float) -> FloatArray:
    """Standard deviation of each bin's mean p - event rate if calibrated; `inflation` is the variance's, by cluster."""
    p = bins.mean_probability
    variance = np.maximum(p * (1 - p) - bins.spread / bins.n, 0.0) / bins.n
    return np.asarray(np.sqrt(variance * inflation), np.float64)


def ece_low(bins: Bins, ece: float | None, *, level: float, inflation: float = 1.0) -> float | None:
    """Return the ECE less the quantile that a calibrated model reaches; 0 or more.

    If calibrated it is a weighted sum of half-normals; its quantile is that of a gamma with the same two moments.
    """
    if ece is None:
        return None
    weights, sd = bins.n / bins.n.sum(), _sd_if_calibrated(bins, inflation)
    mean = math.sqrt(2 / math.pi) * float(weights @ sd)
    variance = (1 - 2 / math.pi) * float(weights**2 @ sd**2)
    if variance <= 0:
        return ece
    return max(0.0, ece - variance / mean * float(gammaincinv(mean**2 / variance, (1 + level) / 2)))


def mce_low(bins: Bins, *, level: float, inflation: float = 1.0) -> float | None:
    """Return by how much a bin's event rate lies beyond what its rows could show if calibrated, at most; 0 or more.

    Over all bins at once (Sidak), by the binomial distribution of each; `inflation` is as if there were fewer rows.
    """
    if not len(bins.n):
        return None
    beyond = (1 - ((1 + level) / 2) ** (1 / len(bins.n))) / 2
    n, p = np.maximum(np.round(bins.n / inflation), 1), np.clip(bins.mean_probability, 0, 1)
    lowest, highest = binom.ppf(beyond, n, p) / n, binom.ppf(1 - beyond, n, p) / n
    excess = np.maximum(lowest - bins.event_rate, bins.event_rate - highest)
    return max(0.0, float(excess.max()))


def reliability_low(bins: Bins, *, level: float, inflation: float = 1.0) -> float | None:
    """Return Murphy's reliability less the quantile that a calibrated model reaches; 0 or more.

    If calibrated it is a sum of squared normals; its quantile is that of a scaled chi^2 with the same two moments.
    """
    count = int(bins.n.sum())
    if not count:
        return None
    weights, variance = bins.n / count, _sd_if_calibrated(bins, inflation) ** 2
    mean, spread = float(weights @ variance), 2 * float(weights**2 @ variance**2)
    found = float(weights @ (bins.mean_probability - bins.event_rate) ** 2)
    if mean <= 0 or spread <= 0:
        return found
    return max(0.0, found - spread / (2 * mean) * float(chi2.ppf((1 + level) / 2, 2 * mean**2 / spread)))
