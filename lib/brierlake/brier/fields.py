"""Columns of the diagnostic tables that this room fills: names, types and meaning."""

from typing import Final

from pyspark.sql import types as T


def _field(name: str, kind: T.DataType, comment: str) -> T.StructField:
    return T.StructField(name, kind, nullable=True, metadata={"comment": comment})


def _long(name: str, comment: str) -> T.StructField:
    return _field(name, T.LongType(), comment)


def _double(name: str, comment: str) -> T.StructField:
    return _field(name, T.DoubleType(), comment)


def _string(name: str, comment: str) -> T.StructField:
    return _field(name, T.StringType(), comment)


CELL_FIELDS: Final = T.StructType(
    [
        _long("cell_id", "Upper edge of the cell in units of 1e-10; 0: p = 0; 10000000001: p = 1; null: not scored"),
        _field("outcome", T.IntegerType(), "1 event, 0 no event, null no label yet"),
        _long("n", "Rows"),
        _double("sum_d", "Sum of d = probability - centre of the cell; 0 where not scored"),
        _double("sum_d2", "Sum of d^2"),
        _double("sum_d3", "Sum of d^3"),
        _double("sum_d4", "Sum of d^4"),
    ]
)

METRIC_FIELDS: Final = T.StructType(
    [
        _long("n_rows", "Rows, with or without a probability"),
        _long("n_scored", "Rows with a probability"),
        _long("n_labelled", "Scored rows with a label"),
        _long("n_events", "Scored rows whose outcome is 1"),
        _double("coverage", "n_labelled / n_scored, 0 to 1; null: nothing scored"),
        _string("label_status", "none, preliminary (early labels are a biased sample) or complete (every scored row)"),
        _double("mean_probability", "Mean probability of scored rows, 0 to 1; null: nothing scored"),
        _double(
            "expected_brier", "Mean p(1-p) of scored rows: the Brier score if calibrated, 0 to 0.25; no label used"
        ),
        _double("expected_brier_sd", "Standard deviation of the scored rows' Brier score if calibrated; no label used"),
        _double("drift_psi", "Population stability index against the reference, 0 or more; null: no reference"),
        _double("drift_js", "Jensen-Shannon divergence (base 2) from the reference, 0 to 1; null: no reference"),
        _double("base_rate", "Share of events among labelled rows, 0 to 1; null: no label"),
        _double("mean_probability_labelled", "Mean probability of labelled rows, 0 to 1; null: no label"),
        _double("brier", "Mean (p-y)^2 of labelled rows, 0 to 1, smaller is better; null: no label"),
        _double("brier_se", "Standard error of brier, rows taken as independent; null: fewer than 2 labels"),
        _double("brier_low", "Lower end of the confidence interval of brier; null: withheld"),
        _double("brier_high", "Upper end of the confidence interval of brier; null: withheld"),
        _string("interval_status", "shown, rough, or withheld (too few events, or too few rows carry the score)"),
        _double("reference_brier", "Brier score of always saying the base rate, 0 to 0.25; null: no label"),
        _double("skill", "1 - brier / reference_brier, up to 1, larger is better; null: no label or one class"),
        _double("skill_se", "Standard error of skill (delta method); null where skill is"),
        _double("expected_brier_labelled", "Mean p(1-p) of labelled rows, 0 to 0.25; null: no label"),
        _double(
            "spiegelhalter_z", "(brier - expected) / its SD, about N(0,1) if calibrated; null: no label or zero SD"
        ),
        _double("reliability", "Murphy's reliability, 10 bins, 0 to 1, smaller is better; null: no label"),
        _double("resolution", "Murphy's resolution, 10 bins, 0 to 0.25, larger is better; null: no label"),
        _double("uncertainty", "base_rate (1 - base_rate), 0 to 0.25; null: no label"),
        _double("within_bin_variance", "Variance of p within the 10 bins, 0 or more; null: no label"),
        _double("within_bin_covariance", "Twice the covariance of p and outcome within the 10 bins; null: no label"),
        _double("miscalibration", "CORP miscalibration on cells, 0 or more, smaller is better; null: no label"),
        _double("discrimination", "CORP discrimination on cells, 0 to 0.25, larger is better; null: no label"),
        _double("corp_error", "Estimated error of both CORP terms due to the cells, 0 or more; null: no label"),
        _double(
            "calibration_intercept", "Cox intercept of logit(y) on logit(p), ideally 0; null: see calibration_status"
        ),
        _double("calibration_slope", "Cox slope of logit(y) on logit(p), ideally 1; null: see calibration_status"),
        _string(
            "calibration_status",
            "ok; few_events (numbers mean little); or why null: no_labels, one_class, impossible_outcome, "
            "unresolved_tail, no_interior_probability, constant_probability, separation, not_converged",
        ),
        _double("ece", "Expected calibration error, 10 bins, 0 to 1, smaller is better; null: no label"),
        _double("mce", "Largest |mean probability - event rate| of the 10 bins, 0 to 1; null: no label"),
        _double("log_loss", "Mean -ln(probability of what happened), 0 or more; null: see log_loss_status"),
        _string(
            "log_loss_status",
            "ok; or why null: no_labels, impossible_outcome (event at p=0 or none at p=1: infinite), unresolved_tail",
        ),
    ]
)

RELIABILITY_FIELDS: Final = T.StructType(
    [
        _string("kind", "bins_10, bins_20 (equal display bins that hold rows) or corp (blocks of the isotonic fit)"),
        _field("position", T.IntegerType(), "Bin or block, counted from 0"),
        _double("lower", "Lower edge of the bin, or smallest mean probability of the block's cells, 0 to 1"),
        _double("upper", "Upper edge of the bin (included), or largest mean probability of the block's cells, 0 to 1"),
        _long("n_scored", "Rows with a probability"),
        _long("n_labelled", "Scored rows with a label"),
        _long("n_events", "Scored rows whose outcome is 1"),
        _double("mean_probability", "Mean probability of scored rows, 0 to 1"),
        _double("mean_probability_labelled", "Mean probability of labelled rows, 0 to 1; null: no label"),
        _double("event_rate", "Share of events among labelled rows (in a block: the isotonic fit); null: no label"),
        _double("event_rate_low", "Lower end of the bin's Wilson interval; null: no label, or a block"),
        _double("event_rate_high", "Upper end of the bin's Wilson interval; null: no label, or a block"),
        _double("band_low", "Lower end of the consistency band at the block's mean probability; null: not asked for"),
        _double("band_high", "Upper end of the consistency band at the block's mean probability; null: not asked for"),
    ]
)
