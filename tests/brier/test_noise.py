"""What is left of figures that can't be negative once chance is taken off."""

from typing import Any

import numpy as np
import pytest

from brierlake.brier import diagnostics, tally_metrics, tally_rows


def judged(n: int, *, power: float = 1.0, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 4, n)
    return diagnostics(p, (rng.random(n) < p**power).astype(float)).model_dump()


@pytest.mark.parametrize("n", [100, 300, 3000])
def test_of_a_calibrated_model_nothing_is_left(n: int) -> None:
    found = [judged(n, seed=seed) for seed in range(200)]
    for name in ("ece", "mce", "reliability"):
        assert np.mean([each[f"{name}_low"] > 0 for each in found]) <= 0.055, name
        assert all(0 <= each[f"{name}_low"] <= each[name] for each in found)


@pytest.mark.parametrize("name", ["ece", "mce", "reliability"])
def test_of_a_miscalibrated_one_most_is_left_where_rows_are_many(name: str) -> None:
    found = judged(50_000, power=1.6)
    assert found[f"{name}_low"] > 0.7 * found[name]


def test_windows_that_differ_beside_chance_take_more_off() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(1.5, 4, 2000)
    tally = tally_rows(p, (rng.random(2000) < np.clip(p * 1.25, 0, 1)).astype(float))
    alone, among = tally_metrics(tally), tally_metrics(tally, between={"s": 0.02**2, "r": 0.05**2})
    assert alone.ece_low > among.ece_low
    assert (among.brier_between_sd, among.gap_between_sd) == (pytest.approx(0.02), pytest.approx(0.05))
    assert (alone.brier_low, alone.gap_low) == (among.brier_low, among.gap_low), "the day's own"


def test_an_impossible_outcome_is_counted() -> None:
    p, y = np.array([0.0, 0.0, 1.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    assert diagnostics(p, y).n_impossible == 2
    assert diagnostics([0.2, 0.4], [None, None]).n_impossible is None
