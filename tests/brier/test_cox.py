import numpy as np
import pytest

from brierlake.brier import calibration_in_the_large, cox_fit, tally_distinct, tally_rows, tally_values

SPREAD = np.linspace(0.05, 0.95, 60)


@pytest.mark.parametrize(
    ("status", "probability", "outcome"),
    [
        ("no_labels", [], []),
        ("no_labels", [0.2, 0.7], [None, None]),
        ("one_class", [0.2, 0.7], [0, 0]),
        ("one_class", [0.2, 0.7], [1, 1]),
        ("one_class", [0.2, 0.7, 1.0], [0, 0, 1]),
        ("impossible_outcome", [0.0, 0.3, 0.6, 0.5], [1, 0, 1, 0]),
        ("impossible_outcome", [1.0, 0.3, 0.6, 0.5], [0, 0, 1, 0]),
        ("no_interior_probability", [0.0, 1.0], [0, 1]),
        ("constant_probability", [0.3, 0.3, 0.3], [0, 1, 0]),
        ("constant_probability", [0.0, 0.3, 0.3, 1.0], [0, 1, 0, 1]),
        ("separation", [0.1, 0.2, 0.3], [0, 0, 1]),
        ("separation", [0.1, 0.2, 0.3], [1, 1, 0]),
        ("separation", [0.1, 0.2, 0.2, 0.3], [0, 0, 1, 1]),
    ],
)
@pytest.mark.parametrize("tally_of", [tally_rows, tally_distinct])
def test_a_status_and_no_number(tally_of, status: str, probability: list[float], outcome: list[int | None]) -> None:
    fit = cox_fit(tally_of(probability, outcome))
    assert fit.status == status
    assert {fit.intercept, fit.slope, fit.intercept_se, fit.slope_se} == {None}


def test_an_event_that_cells_cannot_place() -> None:
    rows = [1e-300, 0.3, 0.6, 0.5], [1, 0, 1, 0]
    assert cox_fit(tally_rows(*rows)).status == "unresolved_tail"
    assert cox_fit(tally_distinct(*rows)).status == "few_events"


def test_few_events_are_said_beside_the_number() -> None:
    fit = cox_fit(tally_rows([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]))
    assert fit.status == "few_events"
    assert fit.slope is not None


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (-0.5, 0.6), (1.0, 2.0), (0.2, -0.7)])
def test_known_coefficients_are_found(intercept: float, slope: float) -> None:
    # outcomes in the very proportions that the model says: 10^6 rows for each p
    logit = np.log(SPREAD / (1 - SPREAD))
    events = np.round(1e6 / (1 + np.exp(-(intercept + slope * logit)))).astype(int)
    fit = cox_fit(tally_values(SPREAD, np.full(60, 10**6), events))
    assert fit.status == "ok"
    assert [fit.intercept, fit.slope] == pytest.approx([intercept, slope], abs=1e-5)


def test_complement_turns_the_intercept_round() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2.0, 3.0, 5_000)
    y = (rng.random(5_000) < p**1.5).astype(float)
    fit, mirrored = cox_fit(tally_rows(p, y)), cox_fit(tally_rows(1 - p, 1 - y))
    assert mirrored.slope == pytest.approx(fit.slope, abs=1e-7)
    assert mirrored.intercept == pytest.approx(-fit.intercept, abs=1e-7)


def test_calibration_in_the_large_where_there_is_one() -> None:
    assert calibration_in_the_large(tally_rows([0.3, 0.6], [0, 0])) is None
    # separated, but with the slope at 1 there is an intercept: expected events equal the events
    shift = calibration_in_the_large(tally_rows([0.2, 0.6], [0, 1]))
    assert sum(1 / (1 + np.exp(-(np.log(p / (1 - p)) + shift))) for p in (0.2, 0.6)) == pytest.approx(1.0)
