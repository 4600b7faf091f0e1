"""Figures: every statistic of one key, with its type and meaning: the list that tables and summaries are made of."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class Metrics(BaseModel):
    """The statistics of one window, month or slice. What is undefined is None, and so is what an older table lacks."""

    model_config = ConfigDict(frozen=True, strict=True)

    n_rows: int = Field(description="rows predicted, with or without a probability")
    n_scored: int = Field(description="rows with a probability")
    n_labelled: int = Field(description="rows with a probability and a label")
    n_events: int = Field(description="labelled rows of the positive class")
    coverage: float | None = Field(description="n_labelled / n_scored, 0 to 1")
    label_status: str = Field(description="none, preliminary (early labels are a biased sample) or complete")
    mean_probability: float | None = Field(description="over scored rows")
    expected_brier: float | None = Field(
        description="mean p(1-p) over scored rows: the Brier score if calibrated; needs no label"
    )
    expected_brier_sd: float | None = Field(description="its standard deviation if calibrated, over scored rows")
    drift_psi: float | None = Field(
        description="population stability index against the reference, natural log, bins at its 20 quantiles; 0: same"
    )
    drift_js: float | None = Field(description="Jensen-Shannon divergence against the reference, base 2, 0 to 1")
    drift_psi_low: float | None = Field(description="drift_psi less the noise of two samples of these sizes")
    drift_js_low: float | None = Field(description="drift_js less the noise of two samples of these sizes")
    base_rate: float | None = Field(description="n_events / n_labelled")
    base_rate_low: float | None = Field(description="lower end of its interval: Wilson's, or by cluster")
    base_rate_high: float | None = Field(description="upper end of its interval")
    mean_probability_labelled: float | None = Field(description="over labelled rows")
    gap: float | None = Field(description="mean_probability_labelled - base_rate; above 0: it promises too much")
    gap_se: float | None = Field(description="its standard error, see se_kind")
    gap_low: float | None = Field(description="lower end of its interval")
    gap_high: float | None = Field(description="upper end of its interval")
    gap_between_sd: float | None = Field(description="what windows differ by beside chance; grain window")
    n_impossible: int | None = Field(description="events at p = 0, and non-events at p = 1: certain miscalibration")
    brier: float | None = Field(description="mean (p-y)^2 over labelled rows, 0 to 1, smaller is better")
    brier_se: float | None = Field(description="its standard error, see se_kind; null: no spread can be told")
    se_kind: str | None = Field(
        description="clustered (by diagnostics.cluster), or independent (rows): of every error and interval"
    )
    n_clusters: int | None = Field(description="clusters that hold labelled rows; null: rows count as independent")
    effective_clusters: float | None = Field(description="n^2 / sum of squared cluster sizes: fewer where sizes differ")
    lags: int | None = Field(description="days after which errors still hang together, by Bartlett's weights; 0: none")
    brier_low: float | None = Field(description="lower end of the interval; null: withheld")
    brier_high: float | None = Field(description="upper end of the interval; null: withheld")
    brier_between_sd: float | None = Field(description="what windows differ by beside chance; grain window")
    interval_status: str = Field(description="shown, rough or withheld")
    reference_rate: float | None = Field(description="base rate that the reference says of every row")
    reference_kind: str | None = Field(
        description="earlier (base rate of the windows before, known in time), or hindsight (that of these very rows)"
    )
    reference_brier: float | None = Field(description="Brier score of always saying reference_rate")
    skill: float | None = Field(description="1 - brier / reference_brier; 1: perfect, 0: no better than the base rate")
    skill_se: float | None = Field(description="its standard error (delta method), see se_kind")
    skill_low: float | None = Field(description="lower end of its interval")
    skill_high: float | None = Field(description="upper end of its interval")
    skill_status: str | None = Field(
        description="of skill, miscalibration and discrimination: ok, few_events (too few to mean something), no_labels"
    )
    expected_brier_labelled: float | None = Field(description="mean p(1-p) over labelled rows")
    spiegelhalter_z: float | None = Field(
        description="(brier - expected) / its SD, by cluster where se_kind says so; near normal(0, 1) if calibrated"
    )
    z_status: str | None = Field(description="of spiegelhalter_z: ok, few_events or no_labels")
    reliability: float | None = Field(description="Murphy's term on 10 bins, smaller is better")
    reliability_low: float | None = Field(description="less what a calibrated model would show of it")
    resolution: float | None = Field(description="Murphy's term on 10 bins, larger is better")
    uncertainty: float | None = Field(description="base_rate (1 - base_rate)")
    within_bin_variance: float | None = Field(
        description="makes Murphy's terms add up: brier = rel - res + unc + wbv - wbc"
    )
    within_bin_covariance: float | None = Field(description="see within_bin_variance")
    miscalibration: float | None = Field(description="CORP, from isotonic recalibration; 0: calibrated")
    discrimination: float | None = Field(description="CORP, larger is better")
    corp_error: float | None = Field(description="estimated error of the two from computing them on cells")
    calibration_intercept: float | None = Field(description="Cox: a in logit P(y) = a + b logit p; 0 if calibrated")
    calibration_slope: float | None = Field(description="Cox: b; 1 if calibrated, below 1: too extreme")
    calibration_intercept_se: float | None = Field(description="its standard error")
    calibration_slope_se: float | None = Field(description="its standard error")
    calibration_status: str = Field(description="ok, or why there is no intercept and slope")
    ece: float | None = Field(description="expected calibration error on 10 bins")
    ece_low: float | None = Field(description="less what a calibrated model would show of it")
    mce: float | None = Field(description="largest calibration error of a bin")
    mce_low: float | None = Field(description="less what a calibrated model would show of it, in any bin")
    log_loss: float | None = Field(description="mean negative log likelihood, natural log")
    log_loss_status: str = Field(description="ok, or why there is none")
    net_benefit: float | None = Field(
        default=None,
        description="true positives a row less false ones at the odds of decision's threshold; 0: never acting",
    )
    net_benefit_all: float | None = Field(default=None, description="that of acting on every row")
    net_benefit_error: float | None = Field(
        default=None, description="by how much it can be off, for rows are known by cells; 0 at thresholds of k/1000"
    )
    estimated_brier: float | None = Field(
        default=None, description="what brier will be, for a window whose labels aren't complete; see estimate_kind"
    )
    estimated_base_rate: float | None = Field(default=None, description="what base_rate will be")
    estimate_kind: str | None = Field(
        default=None,
        description="map (isotonic, of the 28 windows labelled last) or delay (labels so far, by how late each comes)",
    )
    estimate_error: float | None = Field(
        default=None, description="mean |estimated - realised brier| of such estimates over 28 windows since completed"
    )
    log_e_value: float | None = Field(
        default=None, description="evidence against calibration, natural log; may be looked at every night; grain all"
    )
    sequence_low: float | None = Field(
        default=None, description="lower end of the confidence sequence of y - p, at all times at once; grain all"
    )
    sequence_high: float | None = Field(default=None, description="its upper end")
    n_windows: int | None = Field(default=None, description="windows that the evidence is from, merged ones as one")
    n_in_sample: int | None = Field(default=None, description="windows left out of it: from before the training's end")
    block: int | None = Field(default=None, description="windows that are merged, for they hang together; 1: none")
    evidence_status: str | None = Field(
        default=None,
        description="ok, or why none: no_windows, in_sample, few_windows, constant, correlated",
    )
    change_statistic: float | None = Field(
        default=None,
        description="from 1,000 on calibration has changed: a false alarm in 1,000 windows; grain all",
    )
    changed_since: date | None = Field(default=None, description="first window after the change; null: no change")
