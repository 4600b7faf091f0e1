"""Maps: the page's worked numbers, independent fits, properties, and what has no map."""

from typing import get_args

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from brierlake.brier import (
    MAP_KINDS,
    CalibrationMap,
    MapKind,
    corp_terms,
    cox_fit,
    diagnostics,
    fit_map,
    fit_map_to_cells,
    tally_distinct,
    tally_rows,
)

P = [0.05, 0.2, 0.45, 0.7, 0.95]
SMOOTH: tuple[MapKind, ...] = ("shift", "platt", "beta")


def rows(n: list[int], events: list[int]) -> tuple[np.ndarray, np.ndarray]:
    y = [np.repeat([1.0, 0.0], [came, count - came]) for count, came in zip(n, events, strict=True)]
    return np.repeat(P, n), np.concatenate(y)


FITTED = rows([40, 30, 20, 20, 10], [4, 9, 8, 11, 8])
TRIED = rows([20] * 5, [2, 5, 9, 10, 17])


def draw(n: int, *, seed: int = 1, power: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 2, n)
    return p, (rng.random(n) < p**power).astype(float)


@pytest.mark.parametrize(
    ("kind", "parameters", "brier"),
    [
        ("shift", {"a": -0.03071437}, 0.1910733754),
        ("platt", {"a": -0.25449277, "b": 0.58835341}, 0.1819372340),
        ("beta", {"c": -0.00700106, "a": 0.70011525, "b": 0.44228902}, 0.1825183595),
        ("isotonic", {}, 0.1825),
    ],
)
def test_worked_numbers(kind: MapKind, parameters: dict[str, float], brier: float) -> None:
    fitted = fit_map(*FITTED, kind=kind)
    assert dict(fitted.parameters) == pytest.approx(parameters, abs=1e-8)
    assert np.mean((fitted.apply(TRIED[0]) - TRIED[1]) ** 2) == pytest.approx(brier, abs=5e-11)


def test_blocks_are_those_of_scikit_learn() -> None:
    assert (
        pytest.approx(np.array([P, [0.1, 0.3, 0.4, 0.55, 0.8]])) == np.array(fit_map(*FITTED, kind="isotonic").knots).T
    )
    p, y = draw(3000)
    steps = IsotonicRegression().fit(p, y)
    fitted = fit_map(p, y, kind="isotonic")
    means, rates = np.array(fitted.knots).T
    # each block's rate is the step that its rows lie on
    assert steps.predict(means) == pytest.approx(rates, abs=0.02)
    assert fitted.apply(p).mean() == pytest.approx(y.mean(), abs=0.01)


def test_smooth_maps_are_the_maximum_of_the_likelihood() -> None:
    p, y = draw(4000)
    platt = fit_map(p, y, kind="platt").parameters
    line = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert (platt["a"], platt["b"]) == pytest.approx((line.intercept_[0], line.coef_[0, 0]), abs=1e-5)
    cox = cox_fit(tally_distinct(p, y))
    assert (platt["a"], platt["b"]) == (cox.intercept, cox.slope)

    def loss(of: np.ndarray) -> float:
        eta = of[0] + of[1] * np.log(p) - of[2] * np.log1p(-p)
        return float(np.sum(np.logaddexp(0, eta) - y * eta))

    found = minimize(loss, [0, 1, 1], bounds=[(None, None), (0, None), (0, None)], tol=1e-12)
    beta = fit_map(p, y, kind="beta").parameters
    assert loss(np.array([beta["c"], beta["a"], beta["b"]])) <= found.fun + 1e-6
    shifted = fit_map(p, y, kind="shift").apply(p)
    assert shifted.mean() == pytest.approx(y.mean(), abs=1e-12)  # what its maximum says


def test_a_beta_map_that_would_fall_lies_on_the_boundary() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(0.3, 0.999, 6000)
    y = rng.random(6000) < expit(-2.0 - 0.9 * np.log(p) + 1.0 * -np.log1p(-p))
    beta = fit_map(p, y, kind="beta").parameters
    assert beta["a"] == 0.0
    assert beta["b"] > 0


@pytest.mark.parametrize("kind", SMOOTH)
def test_cells_give_what_rows_give(kind: MapKind) -> None:
    p, y = draw(20_000)
    exact, cells = fit_map(p, y, kind=kind), fit_map_to_cells(tally_rows(p, y), kind=kind)
    assert dict(cells.parameters) == pytest.approx(dict(exact.parameters), abs=1e-8)


@pytest.mark.parametrize("kind", MAP_KINDS)
def test_a_map_keeps_what_it_must(kind: MapKind) -> None:
    p, y = draw(5000)
    fitted = fit_map(p, y, kind=kind)
    at = np.concatenate(([0.0, 1e-300, 1.0, 1 - 1e-16], np.linspace(0, 1, 2001)))
    mapped = fitted.apply(at)
    assert np.all((mapped >= 0) & (mapped <= 1))
    assert np.all(np.diff(fitted.apply(np.sort(at))) >= 0)
    assert np.isnan(fitted.apply([np.nan, 0.5])).tolist() == [True, False]
    assert fitted.apply([[0.1, 0.2]]).shape == (1, 2)
    assert fitted.apply([]).shape == (0,)
    again = CalibrationMap.from_json(fitted.to_json())
    assert again == fitted
    assert np.array_equal(again.apply(at), mapped)


@pytest.mark.parametrize("kind", SMOOTH)
def test_a_rising_map_leaves_discrimination_as_it_is(kind: MapKind) -> None:
    p, y = draw(3000)
    mapped = fit_map(p, y, kind=kind).apply(p)
    before, after = (tally_distinct(each, y) for each in (p, mapped))
    one, other = corp_terms(before), corp_terms(after)
    assert one is not None
    assert other is not None
    assert other.discrimination == pytest.approx(one.discrimination, abs=1e-12)
    assert other.miscalibration < one.miscalibration
    assert diagnostics(mapped, y).brier == pytest.approx(np.mean((mapped - y) ** 2), abs=1e-6)


@pytest.mark.parametrize("kind", SMOOTH)
def test_exact_ends_stay_unless_outcomes_contradict_them(kind: MapKind) -> None:
    p, y = draw(2000)
    agreeing = fit_map(np.r_[p, np.zeros(50), np.ones(50)], np.r_[y, np.zeros(50), np.ones(50)], kind=kind)
    assert agreeing.apply([0.0, 1.0]).tolist() == [0.0, 1.0]
    assert dict(agreeing.parameters) == pytest.approx(dict(fit_map(p, y, kind=kind).parameters), abs=1e-9)
    against = fit_map(np.r_[p, np.zeros(50), np.ones(50)], np.r_[y, np.ones(5), np.zeros(45), np.ones(50)], kind=kind)
    assert against.apply([0.0, 1.0]).tolist() == [0.1, 1.0]


@pytest.mark.parametrize(
    ("p", "y", "status"),
    [
        ([], [], dict.fromkeys(MAP_KINDS, "no_labels")),
        ([0.2] * 40, [np.nan] * 40, dict.fromkeys(MAP_KINDS, "no_labels")),
        ([0.2, 0.4] * 20, [0.0] * 40, dict.fromkeys(MAP_KINDS, "one_class")),
        ([0.2, 0.4] * 20, [1.0] * 9 + [0.0] * 31, dict.fromkeys(MAP_KINDS, "few_events")),
        (
            [0.3] * 40,
            [1.0] * 20 + [0.0] * 20,
            {"shift": "ok", "platt": "constant_probability", "beta": "constant_probability", "isotonic": "ok"},
        ),
        (
            [0.1, 0.2] * 10 + [0.6, 0.7] * 10,
            [0.0] * 20 + [1.0] * 20,
            {"shift": "ok", "platt": "separation", "beta": "separation", "isotonic": "ok"},
        ),
        (
            [0.8, 0.8, 0.8, 0.3] * 8 + [0.2, 0.2, 0.2, 0.7] * 8,
            [0.0] * 32 + [1.0] * 32,
            {"shift": "ok", "platt": "decreasing", "beta": "decreasing", "isotonic": "ok"},
        ),
    ],
)
def test_what_has_no_map_has_a_status(p: list[float], y: list[float], status: dict[MapKind, str]) -> None:
    for kind in get_args(MapKind):
        fitted = fit_map(p, y, kind=kind)
        assert fitted.status == status[kind], kind
        if fitted.status != "ok":
            assert not fitted.parameters
            with pytest.raises(ValueError, match=f"no {kind} map to apply: {fitted.status}"):
                fitted.apply([0.5])


def test_bad_input_is_refused() -> None:
    fitted = fit_map(*FITTED, kind="platt")
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        fitted.apply([0.5, 1.01])
    with pytest.raises(ValueError, match="kind must be one of"):
        fit_map(*FITTED, kind="spline")  # type: ignore[arg-type]
    for text in ("{}", "[]", '{"format": 99, "kind": "platt"}', '{"format": 1, "kind": "spline"}', "no json"):
        with pytest.raises(ValueError, match=r"calibration map|newer|Expecting"):
            CalibrationMap.from_json(text)
