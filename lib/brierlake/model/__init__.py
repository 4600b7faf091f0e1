"""Scoring: any flavor, the right probability, and a bad row costs one row."""

from brierlake.model.contract import Contract, build_contract
from brierlake.model.environment import (
    Difference,
    Differences,
    Requirements,
    compare_environment,
    describe_differences,
    read_environment,
    validate_environment,
)
from brierlake.model.issues import is_vague, words_of
from brierlake.model.recalibrated import Calibration, read_calibration, save_recalibrated
from brierlake.model.sample import SampleResult, explain_rows, try_sample
from brierlake.model.udf import ISSUE, PROBABILITY, ModelUdf, build_udf, select_inputs, with_predictions
from brierlake.model.wrap import prepare_adapter

__all__ = [
    "ISSUE",
    "PROBABILITY",
    "Calibration",
    "Contract",
    "Difference",
    "Differences",
    "ModelUdf",
    "Requirements",
    "SampleResult",
    "build_contract",
    "build_udf",
    "compare_environment",
    "describe_differences",
    "explain_rows",
    "is_vague",
    "prepare_adapter",
    "read_calibration",
    "read_environment",
    "save_recalibrated",
    "select_inputs",
    "try_sample",
    "validate_environment",
    "with_predictions",
    "words_of",
]
