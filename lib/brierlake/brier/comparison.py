"""Means over rows that come in clusters, and the paired difference of two Brier scores."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from brierlake.brier.meaning import has_few


@dataclass(frozen=True)
class ClusterSums:
    """Sums over G clusters, S_g the total of a cluster's values and n_g its rows.

    `sum_s2` is the sum of S_g^2, `sum_s_n` of S_g n_g, `sum_n2` of n_g^2; `n` and `mean` are those of all rows.
    """

    clusters: int
    sum_s2: float
    sum_s_n: float
    sum_n2: float
    n: int
    mean: float


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and t interval; the last four are None where nothing varies freely."""

    mean: float
    se: float | None
    low: float | None
    high: float | None
    degrees_of_freedom: int | None


def cluster_robust_se(sums: ClusterSums, *, level: float = 0.95) -> Estimate:
    """Standard error of a mean whose rows are alike within clusters; t with G-1 degrees of freedom.

    Variance = G / (G-1) * sum (S_g - n_g mean)^2 / n^2 (Liang & Zeger 1986, as statsmodels' `cov_cluster` without the
    correction for regressors). None for fewer than two clusters. The interval isn't clipped.
    """
    g = sums.clusters
    if g < 2:
        return Estimate(sums.mean, None, None, None, None)
    spread = sums.sum_s2 - 2 * sums.mean * sums.sum_s_n + sums.mean**2 * sums.sum_n2
    return _estimate(sums.mean, float(np.sqrt(g / (g - 1) * max(spread, 0.0))) / sums.n, g - 1, level)


@dataclass(frozen=True)
class PairedDifference:
    """Brier of the challenger minus that of the champion, same labelled rows: below 0, the challenger is better.

    `verdict` speaks of the challenger: better, worse, not_distinguishable (the interval holds 0), or too_few_labels.
    """

    estimate: Estimate | None
    verdict: str


def paired_difference(
    n: int,
    sum_difference: float,
    sum_difference2: float,
    *,
    n_events: int,
    clusters: ClusterSums | None = None,
    level: float = 0.95,
) -> PairedDifference:
    """Judge the mean of d = (challenger's p - y)^2 - (champion's p - y)^2 from its sums over n rows.

    With `clusters` (sums of d per cluster) the interval is the cluster-robust one. Fewer than 20 events or non-events,
    fewer than 30 rows, fewer than 10 clusters, or no interval: too_few_labels.
    """
    if n < 1:
        return PairedDifference(None, "too_few_labels")
    mean = sum_difference / n
    if clusters is not None:
        estimate = cluster_robust_se(clusters, level=level)
    elif n < 2:
        estimate = Estimate(mean, None, None, None, None)
    else:
        variance = max(sum_difference2 - n * mean**2, 0.0) / (n - 1)
        estimate = _estimate(mean, float(np.sqrt(variance / n)), n - 1, level)
    is_early = has_few(n, n_events, clusters=clusters.clusters if clusters else None)
    if estimate.low is None or estimate.high is None or is_early:
        return PairedDifference(estimate, "too_few_labels")
    if estimate.low <= 0 <= estimate.high:
        return PairedDifference(estimate, "not_distinguishable")
    return PairedDifference(estimate, "better" if estimate.mean < 0 else "worse")


def _estimate(mean: float, se: float, degrees_of_freedom: int, level: float) -> Estimate:
    reach = float(stdtrit(degrees_of_freedom, (1 + level) / 2)) * se
    return Estimate(mean, se, mean - reach, mean + reach, degrees_of_freedom)
