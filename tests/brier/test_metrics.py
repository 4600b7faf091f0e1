import math
import types
import typing
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import types as T

from brierlake.brier import (
    Metrics,
    ReliabilityRow,
    diagnostics,
    display_bins,
    multiclass_brier,
    population_stability_index,
    tally_metrics,
    tally_rows,
    tally_values,
    weighted_brier,
)
from brierlake.schemas import CELL_FIELDS, METRIC_FIELDS, RELIABILITY_FIELDS

SPARK_TYPES = {
    int: {T.LongType(), T.IntegerType()},
    float: {T.DoubleType()},
    str: {T.StringType()},
    date: {T.DateType()},
}


@pytest.mark.parametrize(("record", "fields"), [(Metrics, METRIC_FIELDS), (ReliabilityRow, RELIABILITY_FIELDS)])
def test_records_have_the_declared_columns(record: type, fields: T.StructType) -> None:
    hints = typing.get_type_hints(record)
    names = getattr(record, "model_fields", hints)
    assert list(names) == fields.fieldNames()
    for field in fields:
        hint = hints[field.name]
        kind = (
            next(arg for arg in typing.get_args(hint) if arg is not types.NoneType) if typing.get_args(hint) else hint
        )
        assert field.dataType in SPARK_TYPES[kind], field.name


@pytest.mark.parametrize("fields", [CELL_FIELDS, METRIC_FIELDS, RELIABILITY_FIELDS])
def test_every_column_is_explained(fields: T.StructType) -> None:
    assert all(len(field.metadata["comment"]) > 3 for field in fields)


def test_counts_and_coverage() -> None:
    metrics = diagnostics([0.1, 0.2, 0.3, np.nan, np.nan], [1, 0, np.nan, 1, np.nan])
    assert (metrics.n_rows, metrics.n_scored, metrics.n_labelled, metrics.n_events) == (5, 3, 2, 1)
    assert metrics.coverage == pytest.approx(2 / 3)
    assert metrics.label_status == "preliminary"
    assert metrics.mean_probability == pytest.approx(0.2)
    assert metrics.mean_probability_labelled == pytest.approx(0.15)
    assert metrics.expected_brier == pytest.approx((0.09 + 0.16 + 0.21) / 3)
    assert metrics.expected_brier_labelled == pytest.approx((0.09 + 0.16) / 2)


def test_without_labels_the_label_free_half_is_there() -> None:
    metrics = diagnostics([0.2, 0.4], [None, None])
    assert metrics.label_status == "none"
    # p(1-p)(1-2p)^2 is .16 times .36 and .24 times .04
    assert metrics.expected_brier_sd == pytest.approx(math.sqrt(0.16 * 0.36 + 0.24 * 0.04) / 2)
    statuses = (metrics.interval_status, metrics.calibration_status, metrics.log_loss_status)
    assert statuses == ("withheld", "no_labels", "no_labels")
    names = list(Metrics.model_fields)
    labelled = names[names.index("base_rate") :]
    assert {getattr(metrics, name) for name in labelled if not name.endswith(("_status", "_kind"))} == {None}


def test_nothing_scored() -> None:
    for metrics in (diagnostics([np.nan, np.nan], [1, 0]), diagnostics([], [])):
        assert metrics.n_scored == 0
        assert metrics.label_status == "none"
        assert metrics.coverage is metrics.mean_probability is metrics.expected_brier is metrics.brier is None
    assert display_bins(tally_rows([], [])) == []


@pytest.mark.parametrize("n", [1, 7, 1_000, 100_000])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.7, 1e-7, 0.123456789])
def test_constant_probability_stays_constant(p: float, n: int) -> None:
    y = np.arange(n) % 3 == 0
    metrics = diagnostics(np.full(n, p), y)
    assert metrics.within_bin_variance == pytest.approx(0.0, abs=1e-24)
    assert metrics.within_bin_covariance == pytest.approx(0.0, abs=1e-15)
    assert metrics.discrimination == 0.0
    assert metrics.corp_error == 0.0
    assert metrics.calibration_status == ("one_class" if n == 1 else "constant_probability")
    if p == 0.5:
        assert metrics.spiegelhalter_z is None


@pytest.mark.parametrize(
    ("probability", "outcome", "status"),
    [
        ([0.0, 0.5], [1, 0], "impossible_outcome"),
        ([1.0, 0.5], [0, 0], "impossible_outcome"),
        ([0.0, 1.0, 0.5], [0, 1, 0], "ok"),
        ([2e-10, 3e-10, 0.5], [1, 1, 0], "unresolved_tail"),
        ([1 - 2e-10, 1 - 3e-10, 0.5], [0, 0, 0], "unresolved_tail"),
        ([2e-10, 3e-10, 0.5], [0, 0, 0], "ok"),
        ([3e-10, 0.5], [1, 0], "ok"),
        ([5e-324, 0.5], [1, 0], "unresolved_tail"),
    ],
)
def test_log_loss_or_why_not(probability: list[float], outcome: list[int], status: str) -> None:
    metrics = diagnostics(probability, outcome)
    assert metrics.log_loss_status == status
    if status == "ok":
        losses = [-math.log(p if y else 1 - p) for p, y in zip(probability, outcome, strict=True)]
        assert metrics.log_loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    else:
        assert metrics.log_loss is None


def test_log_loss_in_the_cell_that_is_widest_for_its_place() -> None:
    # (.01, .011], with the spread that the Taylor terms like least: a few rows at the far end
    p = np.repeat([0.0100001, 0.011], [900, 100])
    loss = diagnostics(p, np.ones(1_000)).log_loss
    assert loss == pytest.approx(-np.log(p).mean(), abs=2e-7)
    assert loss != pytest.approx(-np.log(p).mean(), abs=1e-10)


def test_bins_and_their_edges() -> None:
    rows = display_bins(tally_rows([0.0, 0.1, 0.1000001, 0.95, 0.95], [0, 1, 0, 1, np.nan]))
    ten = [(row.position, row.lower, row.upper, row.n_scored, row.n_labelled, row.n_events) for row in rows[:3]]
    assert ten == [(0, 0.0, 0.1, 2, 2, 1), (1, 0.1, 0.2, 1, 1, 0), (9, 0.9, 1.0, 2, 1, 1)]
    assert [row.kind for row in rows] == ["bins_10"] * 3 + ["bins_20"] * 4
    assert (rows[0].event_rate, rows[0].mean_probability) == (0.5, 0.05)
    assert (rows[1].event_rate_low, rows[2].event_rate_high) == (0.0, 1.0)


def test_a_bin_without_labels_has_no_rate() -> None:
    row = display_bins(tally_rows([0.3], [np.nan]))[0]
    assert (row.n_scored, row.n_labelled, row.mean_probability) == (1, 0, 0.3)
    assert {row.mean_probability_labelled, row.event_rate, row.event_rate_low, row.event_rate_high} == {None}


def test_drift_needs_scores_on_both_sides() -> None:
    some, none = tally_rows([0.3, 0.4], [None, None]), tally_rows([np.nan], [1])
    assert population_stability_index(some, some) == 0.0
    assert population_stability_index(some, none) is None
    assert tally_metrics(none, reference=some).drift_js is None
    assert tally_metrics(some, reference=some).drift_js == 0.0
    assert tally_metrics(some).drift_psi is None


def test_drift_by_hand() -> None:
    # the reference's one score is a bin, and so is what is below it and above: shares 1.5/2.5 and .5/2.5 swapped
    psi = population_stability_index(tally_rows([0.01], [None]), tally_rows([0.99], [None]))
    assert psi == pytest.approx(2 * (1 / 2.5) * math.log(3))


@pytest.mark.parametrize(
    "outcome", [[1, None, 0], pd.Series([1, None, 0], dtype="Int64"), pd.Series([True, None, False], dtype="boolean")]
)
def test_null_labels_come_in_many_forms(outcome: object) -> None:
    metrics = diagnostics(pd.Series([0.2, 0.3, 0.4]), outcome)
    assert (metrics.n_labelled, metrics.n_events) == (2, 1)


@pytest.mark.parametrize(
    ("probability", "outcome", "message"),
    [
        ([1.5], [1], r"must lie in \[0, 1\], found \[1.5\]"),
        ([-1e-9], [1], r"must lie in \[0, 1\]"),
        ([0.5], [2], r"must be 0, 1 or null, found \[2.0\]"),
        ([0.5, 0.6], [1], "of one length"),
        ([[0.5]], [[1]], "one-dimensional"),
    ],
)
def test_impossible_rows_are_refused(probability: object, outcome: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diagnostics(probability, outcome)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, float("nan")])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        diagnostics([0.5], [1], level=level)


def test_more_events_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        tally_values([0.5], [1], [2])


@pytest.mark.parametrize("weight", [[0, 0], [1, -1]])
def test_impossible_weights_are_refused(weight: list[float]) -> None:
    with pytest.raises(ValueError, match="Weights must be 0 or more"):
        weighted_brier([0.5, 0.6], [0, 1], weight=weight)


@pytest.mark.parametrize(("p", "label", "message"), [([[0.5, 0.5]], [2], "classes 0 to 1"), ([0.5], [0], r"\(N, C\)")])
def test_impossible_classes_are_refused(p: object, label: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multiclass_brier(p, label)
