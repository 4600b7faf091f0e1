"""Which map is chosen: proved on later windows, the simpler one of two that are as good, and none where none helps."""

import numpy as np
import pytest
from scipy.special import expit, logit

from brierlake.brier import MAP_KINDS, Tally, fit_map_to_cells, tally_rows, try_maps

WINDOWS, PER_WINDOW = 60, 400


def windows(*, shift: float = 0.0, slope: float = 1.0, seed: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of each window, whose true logit is shift + slope times what the model says."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(WINDOWS):
        p = rng.beta(1.5, 3, PER_WINDOW)
        made.append((p, (rng.random(PER_WINDOW) < expit(shift + slope * logit(p))).astype(float)))
    return made


def split(made: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Tally, list[Tally]]:
    first = made[: WINDOWS // 2]
    fitted_on = tally_rows(np.concatenate([p for p, _ in first]), np.concatenate([y for _, y in first]))
    return fitted_on, [tally_rows(p, y) for p, y in made[WINDOWS // 2 :]]


def test_the_simplest_of_equals_is_chosen() -> None:
    made = windows(shift=-0.6)
    trial = try_maps(*split(made))
    assert [each.kind for each in trial.maps] == list(MAP_KINDS)
    assert trial.chosen is trial.maps[0]
    assert trial.chosen.is_proven
    later = made[WINDOWS // 2 :]
    p, y = (np.concatenate(each) for each in zip(*later, strict=True))
    assert trial.n == len(p)
    assert trial.brier == pytest.approx(np.mean((p - y) ** 2), abs=1e-9)
    for each in trial.maps:
        assert each.brier == pytest.approx(np.mean((each.map.apply(p) - y) ** 2), abs=1e-6)
        assert each.difference == pytest.approx(each.brier - trial.brier, abs=1e-12)
        assert each.error < 1e-5


def test_a_map_that_fits_better_is_chosen_over_a_simpler_one() -> None:
    trial = try_maps(*split(windows(shift=-0.3, slope=0.4)))
    assert trial.chosen is not None
    assert trial.chosen.kind == "platt"
    assert trial.chosen.map.parameters == pytest.approx({"a": -0.3, "b": 0.4}, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_model_has_nothing_to_win(seed: int) -> None:
    trial = try_maps(*split(windows(seed=seed)))
    assert trial.chosen is None
    assert not any(each.is_proven for each in trial.maps)


def test_a_map_of_another_time_is_not_chosen() -> None:
    fitted_on, _ = split(windows(shift=-0.8))
    _, tried_on = split(windows(shift=0.8))
    trial = try_maps(fitted_on, tried_on)
    assert trial.chosen is None
    assert all(each.difference is None or each.difference > 0 for each in trial.maps)


def test_exact_ends_count_too() -> None:
    p = np.r_[np.zeros(30), np.full(40, 0.3), np.full(40, 0.6), np.ones(30)]
    y = np.r_[np.ones(6), np.zeros(24), np.tile([1.0, 0, 0, 0], 10), np.tile([1.0, 0], 20), np.ones(30)]
    tally = tally_rows(p, y)
    trial = try_maps(tally, [tally] * 6)
    for each in trial.maps:
        fitted = fit_map_to_cells(tally, kind=each.kind)
        assert each.brier == pytest.approx(np.mean((fitted.apply(p) - y) ** 2), abs=1e-12)


@pytest.mark.parametrize("tried_on", [[], [tally_rows([0.2, 0.4], [np.nan, np.nan])]])
def test_without_later_labels_nothing_is_chosen(tried_on: list[Tally]) -> None:
    fitted_on, _ = split(windows(shift=-0.6))
    trial = try_maps(fitted_on, tried_on)
    assert (trial.chosen, trial.n, trial.brier) == (None, 0, None)
    assert {each.map.status for each in trial.maps} == {"ok"}
    assert {each.evidence_status for each in trial.maps} == {"no_windows"}
