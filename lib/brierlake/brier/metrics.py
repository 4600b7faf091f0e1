"""All statistics of one key, from its tally."""

import math

import numpy.typing as npt

from brierlake.brier.calibration import expected_calibration_error, maximum_calibration_error
from brierlake.brier.corp import corp_terms
from brierlake.brier.cox import cox_fit
from brierlake.brier.decomposition import decompose, labelled_bins
from brierlake.brier.drift import jensen_shannon_divergence, population_stability_index
from brierlake.brier.inference import (
    ClusterSums,
    brier_interval,
    brier_standard_error,
    cluster_robust_se,
    skill_standard_error,
    validate_level,
)
from brierlake.brier.meaning import FEWEST_FOR_Z, events_status
from brierlake.brier.scores import brier_sums, expected_squared_error, log_loss, null_variance, spiegelhalter_z
from brierlake.brier.tally import Tally, tally_rows
from brierlake.figures import Metrics


def diagnostics(probability: npt.ArrayLike, outcome: npt.ArrayLike, *, level: float = 0.95) -> Metrics:
    """Compute every statistic of rows in memory, with the numbers that Spark gets from the same rows.

    `probability` (N,) in [0, 1], NaN = not scored; `outcome` (N,) 0, 1, and NaN or None = no label yet. `level` is the
    confidence level of the interval.

    Raises:
        ValueError: for a probability outside [0, 1], another outcome, arrays that differ in length, or a strange level.
    """
    return tally_metrics(tally_rows(probability, outcome), level=level)


def tally_metrics(
    tally: Tally, *, reference: Tally | None = None, clusters: ClusterSums | None = None, level: float = 0.95
) -> Metrics:
    """Compute every statistic of a tally.

    `reference` holds the scores that drift is measured from; with `clusters`, sums of (p-y)^2 over the clusters of the
    same rows, `brier_se` and the interval are the cluster-robust ones.
    """
    validate_level(level)
    n, n_events, n_scored = tally.labelled_count, tally.event_count, tally.scored_count
    sums, bins = brier_sums(tally), labelled_bins(tally, 10)
    interval = brier_interval(sums, n, n_events, level=level, clusters=clusters)
    murphy, isotonic, cox = decompose(bins), corp_terms(tally), cox_fit(tally)
    brier = sums.squared_errors / n if n else None
    uncertainty = murphy.uncertainty if murphy else None
    loss, loss_status = log_loss(tally)
    return Metrics(
        n_rows=n_scored + tally.unscored_count,
        n_scored=n_scored,
        n_labelled=n,
        n_events=n_events,
        coverage=n / n_scored if n_scored else None,
        label_status="none" if not n else "complete" if n == n_scored else "preliminary",
        mean_probability=_mean(float(tally.scored.n @ tally.scored.probability), n_scored),
        expected_brier=_mean(expected_squared_error(tally.scored), n_scored),
        expected_brier_sd=_mean(math.sqrt(null_variance(tally.scored)), n_scored),
        drift_psi=population_stability_index(tally, reference) if reference else None,
        drift_js=jensen_shannon_divergence(tally, reference) if reference else None,
        base_rate=_mean(n_events, n),
        mean_probability_labelled=_mean(float(tally.labelled.n @ tally.labelled.probability), n),
        brier=brier,
        brier_se=cluster_robust_se(clusters, level=level).se if clusters else brier_standard_error(sums, n),
        se_kind="clustered" if clusters else "independent",
        n_clusters=clusters.clusters if clusters else None,
        brier_low=interval.low,
        brier_high=interval.high,
        interval_status=interval.status,
        reference_brier=uncertainty,
        skill=1 - brier / uncertainty if brier is not None and uncertainty else None,
        skill_se=skill_standard_error(sums, n, n_events),
        skill_status=events_status(n, n_events),
        expected_brier_labelled=_mean(expected_squared_error(tally.labelled), n),
        spiegelhalter_z=spiegelhalter_z(tally),
        z_status=events_status(n, n_events, fewest=FEWEST_FOR_Z),
        reliability=murphy.reliability if murphy else None,
        resolution=murphy.resolution if murphy else None,
        uncertainty=uncertainty,
        within_bin_variance=murphy.within_bin_variance if murphy else None,
        within_bin_covariance=murphy.within_bin_covariance if murphy else None,
        miscalibration=isotonic.miscalibration if isotonic else None,
        discrimination=isotonic.discrimination if isotonic else None,
        corp_error=isotonic.error if isotonic else None,
        calibration_intercept=cox.intercept,
        calibration_slope=cox.slope,
        calibration_status=cox.status,
        ece=expected_calibration_error(bins),
        mce=maximum_calibration_error(bins),
        log_loss=loss,
        log_loss_status=loss_status,
    )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
