"""What is concluded where the truth is known, in small: `python -m tests.benchmarks.honesty` has the whole table."""

import numpy as np
import pytest
from tests.benchmarks.honesty import (
    CALIBRATED,
    DRIFTING,
    NIGHTS,
    World,
    breaches,
    coverage,
    first_alarms,
    first_promotion,
    names_a_slice,
    truth_of,
    window_rows,
)

SHOCKS = CALIBRATED[2]
SEEDS = [[20_241_129, each] for each in range(30)]
STEP = 10


def draws(count: int = len(SEEDS)) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in SEEDS[:count]]


def test_an_equal_challenger_is_hardly_ever_promoted_and_a_better_one_is() -> None:
    equal = [first_promotion(SHOCKS, draw, step=STEP) for draw in draws()]
    assert sum(night is not None for night in equal) <= 2
    better = [first_promotion(SHOCKS, draw, gain=0.8, step=STEP) for draw in draws(10)]
    assert all(night is not None and night <= 70 for night in better)


def test_a_calibrated_model_hardly_ever_gives_an_alarm_and_a_changed_one_does() -> None:
    pairs = [first_alarms(SHOCKS, draw, step=STEP) for draw in draws()]
    assert sum(calibration is not None for calibration, _ in pairs) <= 3
    assert sum(change is not None for _, change in pairs) <= 4
    found = [first_alarms(DRIFTING, draw, step=STEP)[1] for draw in draws(10)]
    assert sum(night is not None and 60 < night <= NIGHTS for night in found) >= 7


@pytest.mark.parametrize("world", [SHOCKS, World("slope", slope=1 / 3, shock=0.3)])
def test_intervals_hold_the_truth_where_days_share_shocks(world: World) -> None:
    truth = truth_of(world)
    hits = [coverage(world, draw, truth=truth) for draw in draws(25)]
    for grain in ("window", "all"):
        for name in ("brier", "gap"):
            held = [hit for each in hits for hit in each.get(f"{grain} {name}", [])]
            assert np.mean(held) >= 0.84, f"{grain} {name}"


def test_example_gates_hardly_ever_stop_a_stable_calibrated_model() -> None:
    rows = window_rows(SHOCKS.live(draws(1)[0]))
    bound = truth_of(SHOCKS)["brier"] + 0.001
    sure, bare = (breaches(rows, judge=judge, brier=bound) for judge in ("sure", "value"))
    assert max(sure.values()) <= 10
    assert bare["ece"] > 50
    assert bare["brier"] > 30


def test_a_page_names_no_slice_of_a_calibrated_model() -> None:
    assert sum(names_a_slice(draw, slices=40, nights=40) for draw in draws(5)) <= 1
