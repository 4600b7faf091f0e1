"""Windows that stand out by their scores alone: by their own size, their weekday and what is usual."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from brierlake.brier.outliers import find_outliers


def windows_of(samples: list[np.ndarray]) -> list[dict[str, Any]]:
    return [
        {
            "window_start": date(2024, 1, 1) + timedelta(days=place),
            "n_scored": len(p),
            "mean_probability": float(p.mean()),
            "expected_brier": float((p * (1 - p)).mean()),
            "drift_js": 0.1,
            "drift_js_low": 0.0,
        }
        for place, p in enumerate(samples)
    ]


def quiet(seed: int, *, nights: int = 150) -> list[np.ndarray]:
    """Small weekends, and a level of their own on Mondays."""
    rng = np.random.default_rng(seed)
    sizes = [2000 if night % 7 < 5 else 40 for night in range(nights)]
    return [rng.beta(3 if night % 7 == 0 else 1.5, 4, n) for night, n in enumerate(sizes)]


def test_in_a_world_where_nothing_happens_nothing_stands_out() -> None:
    counts = [len(find_outliers(windows_of(quiet(seed)), drift_alert=0.5)) for seed in range(40)]
    assert sum(count > 0 for count in counts) <= 4


@pytest.mark.parametrize("night", [149, 70, 0])
def test_a_night_of_other_scores_stands_out_wherever_it_is(night: int) -> None:
    samples = quiet(1)
    samples[night] = np.minimum(samples[night] * 2, 1.0)
    found = find_outliers(windows_of(samples), drift_alert=0.5)
    assert [each.row["window_start"] for each in found] == [date(2024, 1, 1) + timedelta(days=night)]
    assert found[0].is_grave
    assert found[0].usual["mean_probability"] < found[0].row["mean_probability"]


def test_rare_events_that_are_all_said_to_be_nineteen_times_as_likely_stand_out() -> None:
    rng = np.random.default_rng(2)
    samples = [rng.beta(0.5, 500, 900) * (19 if night == 40 else 1) for night in range(60)]
    assert [each.row["window_start"].day for each in find_outliers(windows_of(samples), drift_alert=0.5)] == [10]


def test_a_trifle_does_not_matter_however_certain_it_is() -> None:
    rng = np.random.default_rng(3)
    samples = [rng.beta(1.5, 4, 50_000) for _ in range(30)]
    samples[20] = samples[20] * 1.05
    assert find_outliers(windows_of(samples), drift_alert=0.5) == []


def test_of_few_windows_only_the_divergence_tells() -> None:
    windows = windows_of(quiet(4, nights=5))
    windows[-1] |= {"drift_js": 0.8, "drift_js_low": 0.7, "mean_probability": 0.9}
    (found,) = find_outliers(windows, drift_alert=0.5)
    assert (found.has_drifted, found.is_grave) == (True, False)
    assert find_outliers([{**windows[-1], "n_scored": 29}], drift_alert=0.5) == []
    assert find_outliers([{**windows[-1], "window_start": None}], drift_alert=0.5) != []
