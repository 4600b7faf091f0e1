"""Estimates before labels: the formula by hand, and that they come true while the world stays as it was."""

import numpy as np
import pytest

from brierlake.brier import (
    CalibrationMap,
    add_tallies,
    fit_map,
    foretell,
    foretell_by,
    miss_of,
    tally_metrics,
    tally_rows,
)

HALF = CalibrationMap("isotonic", knots=((0.0, 0.0), (1.0, 0.5)))


def test_by_hand() -> None:
    told = foretell(tally_rows([0.2, 0.6, 1.0, 0.0], [np.nan] * 4), HALF)
    assert told is not None
    assert told.base_rate == pytest.approx((0.1 + 0.3 + 0.5 + 0.0) / 4)
    brier = [0.1 * 0.64 + 0.9 * 0.04, 0.3 * 0.16 + 0.7 * 0.36, 0.5 * 0 + 0.5 * 1, 0.0]
    assert told.brier == pytest.approx(np.mean(brier))
    assert foretell(tally_rows([np.nan], [np.nan]), HALF) is None


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.2, 2.5, n)
    return p, (rng.random(n) < p**1.4).astype(float)


def test_it_comes_true_while_the_world_stays() -> None:
    earlier = [tally_rows(*draw(2000, seed)) for seed in range(10)]
    p, y = draw(50_000, 99)
    told = foretell_by(earlier, tally_rows(p, np.full(len(p), np.nan)))
    assert told is not None
    assert told.brier == pytest.approx(np.mean((p - y) ** 2), abs=0.004)
    assert told.base_rate == pytest.approx(y.mean(), abs=0.01)
    expected = tally_metrics(tally_rows(p, y)).expected_brier
    assert expected is not None
    assert abs(told.brier - np.mean((p - y) ** 2)) < abs(expected - np.mean((p - y) ** 2)) / 3
    assert miss_of(told, tally_rows(p, y)) == pytest.approx(abs(told.brier - np.mean((p - y) ** 2)), abs=1e-9)
    assert miss_of(told, tally_rows(p, np.full(len(p), np.nan))) is None


def test_cells_give_what_rows_give() -> None:
    p, y = draw(20_000, 5)
    fitted = fit_map(p, y, kind="platt")
    c = fitted.apply(p)
    told = foretell(tally_rows(p, y), fitted)
    assert told is not None
    assert told.base_rate == pytest.approx(c.mean(), abs=1e-9)
    assert told.brier == pytest.approx(np.mean(c * (1 - p) ** 2 + (1 - c) * p**2), abs=1e-9)


def test_without_a_map_there_is_no_estimate() -> None:
    p, _ = draw(100, 1)
    assert foretell_by([tally_rows(p, np.zeros(100))], tally_rows(p, np.full(100, np.nan))) is None
    assert foretell_by([], tally_rows(p, np.full(100, np.nan))) is None


def test_tallies_add_up() -> None:
    (p, y), (q, z) = draw(300, 1), draw(400, 2)
    y[:50], q[:7] = np.nan, np.nan
    whole = tally_metrics(tally_rows(np.r_[p, q], np.r_[y, z]))
    added = tally_metrics(add_tallies([tally_rows(p, y), tally_rows(q, z)]))
    for name, value in vars(whole).items():
        there = getattr(added, name)
        assert there == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name
