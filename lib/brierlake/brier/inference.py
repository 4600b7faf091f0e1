"""Standard errors and intervals, of rows and of clusters, and when they may be shown."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from brierlake.brier.grid import FloatArray, IntArray
from brierlake.brier.meaning import interval_status
from brierlake.brier.scores import BrierSums


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
    return t_estimate(sums.mean, float(np.sqrt(g / (g - 1) * max(spread, 0.0))) / sums.n, g - 1, level)


def t_estimate(mean: float, se: float, degrees_of_freedom: int, level: float) -> Estimate:
    reach = float(stdtrit(degrees_of_freedom, (1 + level) / 2)) * se
    return Estimate(mean, se, mean - reach, mean + reach, degrees_of_freedom)


@dataclass(frozen=True)
class Interval:
    low: float | None
    high: float | None
    status: str


def validate_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1, such as 0.95.")


def brier_standard_error(sums: BrierSums, n: int) -> float | None:
    """sd(s) / sqrt(n) with ddof 1, rows taken as independent; None for fewer than 2 rows."""
    return float(np.sqrt(sums.squared_deviations / (n - 1) / n)) if n > 1 else None


def brier_interval(
    sums: BrierSums, n: int, n_events: int, *, level: float, clusters: ClusterSums | None = None
) -> Interval:
    """Student's t interval of the Brier score, clipped to [0, 1], where it may be shown.

    See `interval_status`, with n_eff = (sum s)^2 / sum s^2, at most the number of clusters; where it is withheld, both
    ends are None.
    """
    effective = sums.squared_errors**2 / sums.squares if sums.squares > 0 else 0.0
    error, freedom = brier_standard_error(sums, n), n - 1
    if clusters is not None:
        error, freedom = cluster_robust_se(clusters, level=level).se, clusters.clusters - 1
        effective = min(effective, clusters.clusters)
    status = interval_status(n, n_events, effective=effective)
    if error is None or status == "withheld":
        return Interval(None, None, "withheld")
    mean, reach = sums.squared_errors / n, float(stdtrit(freedom, (1 + level) / 2)) * error
    return Interval(max(0.0, mean - reach), min(1.0, mean + reach), status)


def skill_standard_error(sums: BrierSums, n: int, n_events: int) -> float | None:
    """Delta-method SE of 1 - brier / uncertainty; None without both classes."""
    rate = n_events / n if n else 0.0
    u = rate * (1 - rate)
    if u <= 0:
        return None
    weight = sums.squared_errors / n * (1 - 2 * rate) / u**2
    total = sums.squared_deviations / u**2 - 2 * weight / u * sums.codeviations + weight**2 * n * u
    return float(np.sqrt(max(total, 0.0))) / n


def wilson_interval(n_events: IntArray, n: IntArray, *, level: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of each rate (JASA 1927); n must be positive."""
    z = float(ndtri((1 + level) / 2))
    rate = n_events / n
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low = np.where(n_events == 0, 0.0, np.maximum(middle - reach, 0.0))
    return low, np.where(n_events == n, 1.0, np.minimum(middle + reach, 1.0))
