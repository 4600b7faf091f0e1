"""All statistics of one key, from its tally."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from brierlake.brier.calibration import expected_calibration_error, maximum_calibration_error
from brierlake.brier.clustered import ClusterProducts
from brierlake.brier.corp import corp_terms
from brierlake.brier.cox import cox_fit
from brierlake.brier.decisions import tally_net_benefit
from brierlake.brier.decomposition import decompose, labelled_bins
from brierlake.brier.drift import compute_drift
from brierlake.brier.inference import (
    Estimate,
    brier_interval,
    reference_score,
    skill_standard_error,
    t_estimate,
    validate_level,
    wilson_interval,
)
from brierlake.brier.meaning import FEWEST_FOR_Z, events_status
from brierlake.brier.noise import ece_low, mce_low, reliability_low
from brierlake.brier.scores import (
    BrierSums,
    brier_sums,
    count_impossible,
    expected_squared_error,
    log_loss,
    null_variance,
    spiegelhalter_z,
)
from brierlake.brier.tally import Tally, tally_rows
from brierlake.figures import Metrics


def diagnostics(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, *, threshold: float | None = None, level: float = 0.95
) -> Metrics:
    """Compute every statistic of rows in memory, with the numbers that Spark gets from the same rows.

    `probability` (N,) in [0, 1], NaN = not scored; `outcome` (N,) 0, 1, and NaN or None = no label yet. `level` is the
    confidence level of the interval. With `threshold` there is the net benefit of acting above it.

    Raises:
        ValueError: for a probability outside [0, 1], another outcome, arrays that differ in length, or a strange level.
    """
    return tally_metrics(tally_rows(probability, outcome), threshold=threshold, level=level)


@dataclass(frozen=True)
class Errors:
    """Errors of one key's means: by cluster where there are clusters to go by, else of rows taken as independent."""

    brier: Estimate
    gap: Estimate
    skill_se: float | None
    base_rate: tuple[float | None, float | None]
    z: float | None
    inflation: float
    """Variance of the gap over that of independent rows, 1 or more: by so much other errors are widened."""


def tally_metrics(
    tally: Tally,
    *,
    reference: Tally | None = None,
    clusters: ClusterProducts | None = None,
    reference_rate: float | None = None,
    between: Mapping[str, float] | None = None,
    threshold: float | None = None,
    level: float = 0.95,
) -> Metrics:
    """Compute every statistic of a tally.

    `reference` holds the scores that drift is measured from. With `clusters`, of the same rows, every error and
    interval is the cluster-robust one. `reference_rate` is a base rate known before these rows, which skill is against;
    None: their own, in hindsight. `between` has the variances of s and r that windows like this one differ by beside
    chance; what is said of a window for sure allows for them. `threshold` is the one that decisions are made at.
    """
    validate_level(level)
    n, n_events, n_scored = tally.labelled_count, tally.event_count, tally.scored_count
    sums, bins = brier_sums(tally), labelled_bins(tally, 10)
    rate = _mean(n_events, n)
    said = rate if reference_rate is None else reference_rate
    errors = _errors(tally, sums, clusters, said=said, is_own=reference_rate is None, level=level)
    differing = between or {}
    errors = _widened(errors, differing.get("r", 0.0))
    interval = brier_interval(
        sums,
        tally.labelled,
        level=level,
        clustered=errors.brier if clusters else None,
        effective_clusters=clusters.effective if clusters else math.inf,
    )
    murphy, isotonic, cox = decompose(bins), corp_terms(tally), cox_fit(tally)
    brier = sums.squared_errors / n if n else None
    reference_brier = reference_score(rate, said) if rate is not None and said is not None else None
    skill = 1 - brier / reference_brier if brier is not None and reference_brier else None
    reach = _reach(errors, level)
    drift = compute_drift(tally, reference, level=level) if reference else None
    ece = expected_calibration_error(bins)
    loss, loss_status = log_loss(tally)
    benefit = None if threshold is None else tally_net_benefit(tally, threshold)
    widened = math.sqrt(errors.inflation)
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
        drift_psi=drift.psi if drift else None,
        drift_js=drift.js if drift else None,
        drift_psi_low=drift.psi_low if drift else None,
        drift_js_low=drift.js_low if drift else None,
        base_rate=rate,
        base_rate_low=errors.base_rate[0],
        base_rate_high=errors.base_rate[1],
        mean_probability_labelled=_mean(float(tally.labelled.n @ tally.labelled.probability), n),
        gap=errors.gap.mean if n else None,
        gap_se=errors.gap.se,
        gap_low=errors.gap.low,
        gap_high=errors.gap.high,
        gap_between_sd=math.sqrt(differing["r"]) if "r" in differing else None,
        n_impossible=count_impossible(tally) if n else None,
        brier=brier,
        brier_se=errors.brier.se,
        se_kind="clustered" if clusters else "independent",
        n_clusters=clusters.clusters if clusters else None,
        effective_clusters=clusters.effective if clusters else None,
        lags=clusters.lags if clusters else None,
        brier_low=interval.low,
        brier_high=interval.high,
        brier_between_sd=math.sqrt(differing["s"]) if "s" in differing else None,
        interval_status=interval.status,
        reference_rate=said,
        reference_kind=None if said is None else "hindsight" if reference_rate is None else "earlier",
        reference_brier=reference_brier,
        skill=skill,
        skill_se=errors.skill_se,
        skill_low=None if skill is None or errors.skill_se is None else skill - reach * errors.skill_se,
        skill_high=None if skill is None or errors.skill_se is None else skill + reach * errors.skill_se,
        skill_status=events_status(n, n_events),
        expected_brier_labelled=_mean(expected_squared_error(tally.labelled), n),
        spiegelhalter_z=errors.z,
        z_status=events_status(n, n_events, fewest=FEWEST_FOR_Z),
        reliability=murphy.reliability if murphy else None,
        reliability_low=reliability_low(bins, level=level, inflation=errors.inflation),
        resolution=murphy.resolution if murphy else None,
        uncertainty=murphy.uncertainty if murphy else None,
        within_bin_variance=murphy.within_bin_variance if murphy else None,
        within_bin_covariance=murphy.within_bin_covariance if murphy else None,
        miscalibration=isotonic.miscalibration if isotonic else None,
        discrimination=isotonic.discrimination if isotonic else None,
        corp_error=isotonic.error if isotonic else None,
        calibration_intercept=cox.intercept,
        calibration_slope=cox.slope,
        calibration_intercept_se=None if cox.intercept_se is None else cox.intercept_se * widened,
        calibration_slope_se=None if cox.slope_se is None else cox.slope_se * widened,
        calibration_status=cox.status,
        ece=ece,
        ece_low=ece_low(bins, ece, level=level, inflation=errors.inflation),
        mce=maximum_calibration_error(bins),
        mce_low=mce_low(bins, level=level, inflation=errors.inflation),
        log_loss=loss,
        log_loss_status=loss_status,
        net_benefit=benefit.value if benefit else None,
        net_benefit_all=benefit.treat_all if benefit else None,
        net_benefit_error=benefit.error if benefit else None,
    )


def _errors(
    tally: Tally, sums: BrierSums, clusters: ClusterProducts | None, *, said: float | None, is_own: bool, level: float
) -> Errors:
    n, n_events = tally.labelled_count, tally.event_count
    if not n or said is None:
        nothing = Estimate(0.0, None, None, None, None)
        return Errors(nothing, nothing, None, (None, None), spiegelhalter_z(tally), 1.0)
    rate, brier = n_events / n, sums.squared_errors / n
    gap = float(tally.labelled.n @ tally.labelled.probability) / n - rate
    plain = _plain_estimate(gap, max(brier - gap**2, 0.0), n, level)
    if clusters is None:
        lower, upper = wilson_interval(np.array([n_events]), np.array([n]), level=level)
        skill_se = skill_standard_error(sums, n, n_events, reference_rate=None if is_own else said)
        scores = _plain_estimate(brier, sums.squared_deviations / n, n, level)
        return Errors(scores, plain, skill_se, (float(lower[0]), float(upper[0])), spiegelhalter_z(tally), 1.0)
    score = reference_score(rate, said)
    weights = {"s": -1 / score, "y": brier * (1 - 2 * said) / score**2} if score > 0 else None
    happened, off = clusters.estimate({"y": 1.0}, level=level), clusters.estimate({"z": 1.0}, level=level)
    clustered_gap = clusters.estimate({"r": -1.0}, level=level)
    low, high = happened.low, happened.high
    return Errors(
        brier=clusters.estimate({"s": 1.0}, level=level),
        gap=clustered_gap,
        skill_se=clusters.estimate(weights, level=level).se if weights else None,
        base_rate=(None if low is None else max(0.0, low), None if high is None else min(1.0, high)),
        z=off.mean / off.se if off.se else None,
        inflation=max(1.0, (clustered_gap.se / plain.se) ** 2) if clustered_gap.se and plain.se else 1.0,
    )


def _widened(errors: Errors, between: float) -> Errors:
    """The same where windows differ by more than chance: other errors are widened as that of the gap is."""
    if not errors.gap.se:
        return errors
    return replace(errors, inflation=errors.inflation * (1 + between / errors.gap.se**2))


def _plain_estimate(mean: float, variance: float, n: int, level: float) -> Estimate:
    """Mean of n independent rows with this variance (ddof 0)."""
    if n < 2:
        return Estimate(mean, None, None, None, None)
    return t_estimate(mean, math.sqrt(variance / (n - 1)), n - 1, level)


def _reach(errors: Errors, level: float) -> float:
    """Standard errors from the middle of an interval to its end."""
    gap = errors.gap
    if gap.se and gap.high is not None:
        return (gap.high - gap.mean) / gap.se
    return float(ndtri((1 + level) / 2))


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
