"""The paired difference of two Brier scores."""

from dataclasses import dataclass

import numpy as np

from brierlake.brier.clustered import ClusterProducts
from brierlake.brier.inference import Estimate, t_estimate
from brierlake.brier.meaning import has_few


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
    sum_absolute: float | None = None,
    clusters: ClusterProducts | None = None,
    level: float = 0.95,
) -> PairedDifference:
    """Judge the mean of d = (challenger's p - y)^2 - (champion's p - y)^2 from its sums over n rows.

    With `clusters` (whose s is d) the interval is the cluster-robust one. Fewer than 20 events or non-events, fewer
    than 30 rows that carry the difference ((sum |d|)^2 / sum d^2 where `sum_absolute` is given), fewer than 10
    clusters, or no interval: too_few_labels.
    """
    if n < 1:
        return PairedDifference(None, "too_few_labels")
    mean = sum_difference / n
    if clusters is not None:
        estimate = clusters.estimate({"s": 1.0}, level=level)
    elif n < 2:
        estimate = Estimate(mean, None, None, None, None)
    else:
        variance = max(sum_difference2 - n * mean**2, 0.0) / (n - 1)
        estimate = t_estimate(mean, float(np.sqrt(variance / n)), n - 1, level)
    carrying = n if sum_absolute is None else count_carrying(sum_absolute, sum_difference2)
    is_early = has_few(n, n_events, carrying=carrying, clusters=clusters.clusters if clusters else None)
    if estimate.low is None or estimate.high is None or is_early:
        return PairedDifference(estimate, "too_few_labels")
    if estimate.low <= 0 <= estimate.high:
        return PairedDifference(estimate, "not_distinguishable")
    return PairedDifference(estimate, "better" if estimate.mean < 0 else "worse")


def count_carrying(sum_absolute: float, sum_squares: float) -> float:
    """Rows that a mean difference rests on: (sum |d|)^2 / sum d^2; all where d is the same size, none where it is 0."""
    return sum_absolute**2 / sum_squares if sum_squares > 0 else 0.0
