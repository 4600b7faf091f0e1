"""Standard errors and intervals, and when they may be shown."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from brierlake.brier.comparison import ClusterSums, cluster_robust_se
from brierlake.brier.grid import FloatArray, IntArray
from brierlake.brier.meaning import interval_status
from brierlake.brier.scores import BrierSums


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
