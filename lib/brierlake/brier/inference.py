"""Standard errors and intervals, of rows and of clusters, and when they may be shown."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from brierlake.brier.grid import FloatArray, IntArray
from brierlake.brier.meaning import interval_status, is_by_cluster
from brierlake.brier.scores import BrierSums
from brierlake.brier.tally import Moments


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and t interval; the last four are None where nothing varies freely."""

    mean: float
    se: float | None
    low: float | None
    high: float | None
    degrees_of_freedom: float | None


def t_estimate(mean: float, se: float, degrees_of_freedom: float, level: float) -> Estimate:
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
    sums: BrierSums,
    rows: Moments,
    *,
    level: float,
    clustered: Estimate | None = None,
    effective_clusters: float = np.inf,
) -> Interval:
    """Student's t interval of the Brier score, or the clustered one, clipped to [0, 1], where it may be shown.

    Whether it may doesn't look at the outcomes of the labelled `rows`, for that would be a biased choice: see
    `interval_status`, with the events expected, sum p, and n_eff = (sum p(1-p))^2 / sum p(1-p)(1-3p(1-p)), what
    (sum s)^2 / sum s^2 is if calibrated, at most the effective clusters. Where it is withheld, both ends are None.
    """
    n = int(rows.n.sum())
    spread = rows.probability * rows.complement
    scores, squares = float(rows.n @ spread), float(rows.n @ (spread * (1 - 3 * spread)))
    effective = min(round(scores**2 / squares, 6) if squares > 0 else 0.0, effective_clusters)
    status = interval_status(n, float(rows.n @ rows.probability), effective=effective)
    error = brier_standard_error(sums, n)
    if error is not None and clustered is None:
        clustered = t_estimate(sums.squared_errors / n, error, n - 1, level)
    if status == "withheld" or clustered is None or clustered.low is None or clustered.high is None:
        return Interval(None, None, "withheld")
    return Interval(max(0.0, clustered.low), min(1.0, clustered.high), status)


def skill_standard_error(
    sums: BrierSums, n: int, n_events: int, *, reference_rate: float | None = None
) -> float | None:
    """Delta-method SE of 1 - brier / reference, rows taken as independent; None where there is no reference.

    The reference is the Brier score of always saying `reference_rate`, a rate known before; None: these rows' own.
    """
    rate = n_events / n if n else 0.0
    said = rate if reference_rate is None else reference_rate
    score = reference_score(rate, said)
    if score <= 0:
        return None
    weight = sums.squared_errors / n * (1 - 2 * said) / score**2
    total = sums.squared_deviations / score**2 - 2 * weight / score * sums.codeviations
    total += weight**2 * n * rate * (1 - rate)
    return float(np.sqrt(max(total, 0.0))) / n


def reference_score(rate: float, said: float) -> float:
    """Brier score of always saying `said` where `rate` of the rows are events."""
    return rate * (1 - rate) + (said - rate) ** 2


def wilson_interval(n_events: IntArray, n: IntArray, *, level: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of each rate (JASA 1927); n must be positive."""
    z = float(ndtri((1 + level) / 2))
    rate = n_events / n
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low = np.where(n_events == 0, 0.0, np.maximum(middle - reach, 0.0))
    return low, np.where(n_events == n, 1.0, np.minimum(middle + reach, 1.0))


def excess_variance(means: FloatArray, mean_squares: FloatArray, n: FloatArray) -> float:
    """Variance between G groups beside what their n rows explain (DerSimonian and Laird 1986); all arrays are (G,)."""
    within = np.maximum(mean_squares - means**2, 1e-12) / np.maximum(n - 1, 1)
    weight = 1 / within
    middle = weight @ means / weight.sum()
    excess = float(weight @ (means - middle) ** 2) - (len(means) - 1)
    return max(0.0, excess / float(weight.sum() - weight @ weight / weight.sum()))


def between_windows(n: FloatArray, s: FloatArray, squares: FloatArray, r: FloatArray) -> dict[str, float]:
    """Variance of s and of r between windows beside chance, from their totals, each (G,); empty for fewer than 10.

    `squares` are the totals of s^2; those of r^2 are those of s.
    """
    if not is_by_cluster(len(n)):
        return {}
    return {"s": excess_variance(s / n, squares / n, n), "r": excess_variance(r / n, s / n, n)}
