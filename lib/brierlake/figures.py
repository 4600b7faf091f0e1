"""Figures: every statistic of one key, with its type and meaning: the list that tables and summaries are made of."""

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
        description="population stability index against the reference, natural log, 20 bins; 0: same"
    )
    drift_js: float | None = Field(description="Jensen-Shannon divergence against the reference, base 2, 0 to 1")
    base_rate: float | None = Field(description="n_events / n_labelled")
    mean_probability_labelled: float | None = Field(description="over labelled rows")
    brier: float | None = Field(description="mean (p-y)^2 over labelled rows, 0 to 1, smaller is better")
    brier_se: float | None = Field(description="its standard error, see se_kind; null: no spread can be told")
    se_kind: str | None = Field(
        description="independent (rows), or clustered (by diagnostics.cluster): of brier_se and interval"
    )
    n_clusters: int | None = Field(description="clusters that hold labelled rows; null: not clustered")
    brier_low: float | None = Field(description="lower end of the interval; null: withheld")
    brier_high: float | None = Field(description="upper end of the interval; null: withheld")
    interval_status: str = Field(description="shown, rough or withheld")
    reference_brier: float | None = Field(description="Brier score of always saying the base rate")
    skill: float | None = Field(description="1 - brier / reference_brier; 1: perfect, 0: no better than the base rate")
    skill_se: float | None = Field(description="its standard error (delta method, rows independent)")
    skill_status: str | None = Field(
        description="of skill, miscalibration and discrimination: ok, few_events (too few to mean something), no_labels"
    )
    expected_brier_labelled: float | None = Field(description="mean p(1-p) over labelled rows")
    spiegelhalter_z: float | None = Field(description="(brier - expected) / null SD; near normal(0, 1) if calibrated")
    z_status: str | None = Field(description="of spiegelhalter_z: ok, few_events or no_labels")
    reliability: float | None = Field(description="Murphy's term on 10 bins, smaller is better")
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
    calibration_status: str = Field(description="ok, or why there is no intercept and slope")
    ece: float | None = Field(description="expected calibration error on 10 bins")
    mce: float | None = Field(description="largest calibration error of a bin")
    log_loss: float | None = Field(description="mean negative log likelihood, natural log")
    log_loss_status: str = Field(description="ok, or why there is none")
