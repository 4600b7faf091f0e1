"""Labels that land in part: an outcome that delays its own label makes early labels a biased sample."""

from collections.abc import Sequence

import numpy as np
import pytest

from brierlake.brier import Arrivals, estimate_arriving, miss_of_arriving

HOUR = 3600.0


def window(seed: int, *, rows: int = 3000) -> Arrivals:
    """A day of flights: late ones (a fifth) are known an hour or more after the others."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.2, 4, rows)
    outcome = (rng.random(rows) < p).astype(float)
    event = rng.integers(0, 20, rows) * HOUR
    age = HOUR * (1 + rng.exponential(0.5, rows) + outcome * (1 + rng.exponential(2, rows)))
    return Arrivals(outcome, event, age, np.ones(rows), (p - outcome) ** 2)


def naive(of: Arrivals, elapsed: float) -> tuple[float, float]:
    known = of.age <= elapsed - of.event
    return float(of.squared_errors[known].mean()), float(of.outcome[known].mean())


@pytest.fixture(scope="module")
def complete() -> Sequence[Arrivals]:
    return [window(seed) for seed in range(28)]


@pytest.mark.parametrize("hours", [8, 12, 16, 20])
def test_early_labels_mislead_and_are_put_right(complete: Sequence[Arrivals], hours: int) -> None:
    misses, bare = [], []
    for seed in range(100, 120):
        today = window(seed)
        told = estimate_arriving(today, complete, elapsed=hours * HOUR)
        assert told is not None
        misses.append((told.brier - today.brier, told.base_rate - today.base_rate))
        brier, rate = naive(today, hours * HOUR)
        bare.append((brier - today.brier, rate - today.base_rate))
    assert np.mean(bare, axis=0)[1] < -0.02  # early labels say that it happens less
    assert np.all(np.abs(np.mean(misses, axis=0)) < np.abs(np.mean(bare, axis=0)) / 3)


def test_once_all_are_known_it_is_the_score_itself(complete: Sequence[Arrivals]) -> None:
    today = window(7)
    told = estimate_arriving(today, complete, elapsed=1000 * HOUR)
    assert told is not None
    assert (told.brier, told.base_rate) == pytest.approx((today.brier, today.base_rate), rel=1e-9)


def test_by_hand() -> None:
    # half of the events are known after an hour, all others at once
    earlier = Arrivals(
        np.array([0.0, 1, 1]), np.zeros(3), np.array([1.0, 1, 7200]), np.array([60.0, 20, 20]), np.zeros(3)
    )
    today = Arrivals(np.array([0.0, 1]), np.zeros(2), np.array([1.0, 1]), np.array([30.0, 10]), np.array([3.0, 5.0]))
    told = estimate_arriving(today, [earlier], elapsed=HOUR)
    assert told is not None
    # 30 non-events of .1 each, and 10 / .5 = 20 events of .5 each
    assert told.base_rate == pytest.approx(20 / 50)
    assert told.brier == pytest.approx((30 * 0.1 + 20 * 0.5) / 50)


def test_it_says_how_far_off_such_estimates_are(complete: Sequence[Arrivals]) -> None:
    early, late = (miss_of_arriving(complete, elapsed=hours * HOUR) for hours in (6, 18))
    assert early is not None
    assert late is not None
    assert 0 < late < early < 0.03
    assert miss_of_arriving(complete[:1], elapsed=HOUR) is None


def test_too_little_tells_nothing(complete: Sequence[Arrivals]) -> None:
    assert estimate_arriving(window(3), complete, elapsed=60.0) is None
    assert estimate_arriving(window(3), [], elapsed=20 * HOUR) is None
