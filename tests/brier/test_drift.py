"""Drift of the scores alone: rare events, and what two samples of one distribution show."""

import numpy as np
import pytest

from brierlake.brier import Tally, compute_drift, tally_rows


def scored(p: np.ndarray) -> Tally:
    return tally_rows(np.clip(p, 0, 1), np.full(len(p), np.nan))


def test_what_happens_to_rare_events_is_seen() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.beta(0.5, 500, 20_000), rng.beta(0.5, 500, 20_000)
    drift = compute_drift(scored(after * 19), scored(before))
    assert drift.js_low > 0.3
    same = compute_drift(scored(after), scored(before))
    assert same.js < 0.01


@pytest.mark.parametrize("n", [20, 100, 300])
def test_two_samples_of_one_distribution_show_nothing_for_sure(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [compute_drift(scored(rng.beta(1.5, 4, n)), scored(rng.beta(1.5, 4, n))) for _ in range(200)]
    assert np.mean([each.psi_low > 0 for each in found]) <= 0.05
    assert np.mean([each.js_low > 0 for each in found]) <= 0.05
    assert min(each.psi for each in found) > 0


def test_a_score_that_all_rows_share_is_a_bin_of_its_own() -> None:
    constant = scored(np.full(500, 0.3))
    assert compute_drift(constant, constant).js == 0.0
    assert compute_drift(scored(np.full(500, 0.2)), constant).js > 0.8
    assert compute_drift(scored(np.full(500, 0.4)), constant).js > 0.8
