"""Errors of rows that hang together, against brute force and in worlds where the truth is known."""

import numpy as np
import pytest

from brierlake.brier import (
    ClusterProducts,
    add_in_order,
    add_products,
    choose_lags,
    diagnostics,
    tally_metrics,
    tally_rows,
)


def drawn(seed: int, *, days: int = 60, shock: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The day, probability and outcome of rows whose days share a shock."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rng.integers(5, 80, days))
    p = rng.beta(2, 4, len(day))
    logit = np.log(p / (1 - p)) + rng.normal(0, shock, days)[day]
    return day, p, (rng.random(len(day)) < 1 / (1 + np.exp(-logit))).astype(float)


def totals_of(day: np.ndarray, p: np.ndarray, y: np.ndarray) -> np.ndarray:
    values = (np.ones(len(p)), (p - y) ** 2, y, y - p, (1 - 2 * p) * (y - p))
    return np.stack([np.bincount(day, each) for each in values], axis=1)


def left_out(day: np.ndarray, statistic: np.ndarray) -> float:
    """Standard error by leaving out one day after the other."""
    g = len(np.unique(day))
    return float(np.sqrt((g - 1) / g * ((statistic - statistic.mean()) ** 2).sum()))


def test_errors_of_gap_and_skill_are_those_of_leaving_out_one_day_after_the_other() -> None:
    day, p, y = drawn(1)
    metrics = tally_metrics(tally_rows(p, y), clusters=add_products(totals_of(day, p, y)))
    without = [diagnostics(p[day != each], y[day != each]) for each in range(60)]
    assert metrics.gap_se == pytest.approx(left_out(day, np.array([each.gap for each in without])), rel=0.03)
    assert metrics.skill_se == pytest.approx(left_out(day, np.array([each.skill for each in without])), rel=0.05)
    assert metrics.brier_se == pytest.approx(left_out(day, np.array([each.brier for each in without])), rel=0.03)
    plain = diagnostics(p, y)
    assert metrics.gap_se > 1.5 * plain.gap_se
    assert abs(metrics.spiegelhalter_z) < abs(plain.spiegelhalter_z)
    assert metrics.gap == pytest.approx(plain.gap)
    assert metrics.gap_low < metrics.gap < metrics.gap_high


def test_skill_against_a_rate_known_before_is_judged_with_it() -> None:
    day, p, y = drawn(2)
    clusters = add_products(totals_of(day, p, y))
    metrics = tally_metrics(tally_rows(p, y), clusters=clusters, reference_rate=0.2)
    assert (metrics.reference_kind, metrics.reference_rate) == ("earlier", 0.2)
    assert metrics.reference_brier == pytest.approx(np.mean((0.2 - y) ** 2))
    assert metrics.skill == pytest.approx(1 - np.mean((p - y) ** 2) / np.mean((0.2 - y) ** 2))

    def skill_without(each: int) -> float:
        keep = day != each
        return float(1 - ((p - y)[keep] ** 2).sum() / ((0.2 - y)[keep] ** 2).sum())

    expected = left_out(day, np.array([skill_without(each) for each in range(60)]))
    assert metrics.skill_se == pytest.approx(expected, rel=0.05)
    assert diagnostics(p, y).reference_kind == "hindsight"


def test_one_cluster_with_half_of_the_rows_counts_as_few() -> None:
    sizes = np.array([1000.0] + [50.0] * 20)
    clusters = add_products(np.stack([sizes, sizes * 0.2, sizes * 0.3, sizes * 0.0, sizes * 0.0], axis=1))
    assert clusters.clusters == 21
    assert clusters.effective == pytest.approx(2000**2 / (1000**2 + 20 * 50**2))
    assert clusters.estimate({"s": 1.0}).degrees_of_freedom == pytest.approx(clusters.effective - 1)


@pytest.mark.parametrize(("memory", "least"), [(0.0, 0.92), (0.3, 0.9), (0.6, 0.88)])
def test_intervals_of_days_that_hang_together_cover(memory: float, least: float) -> None:
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(300):
        noise = rng.normal(size=150)
        for night in range(1, 150):
            noise[night] = memory * noise[night - 1] + np.sqrt(1 - memory**2) * noise[night]
        totals = np.stack([np.full(150, 40.0), *[np.zeros(150)] * 2, 40 * noise, np.zeros(150)], axis=1)
        found = add_in_order(totals).estimate({"r": 1.0})
        hits.append(found.low <= 0 <= found.high)
    assert least <= np.mean(hits) <= 0.99


def test_lags_are_chosen_from_the_days_and_none_for_few() -> None:
    rng = np.random.default_rng(6)
    alone = np.stack([np.ones(200), rng.normal(size=200), *[np.zeros(200)] * 3], axis=1)
    smooth = alone.copy()
    smooth[:, 1] = np.convolve(rng.normal(size=209), np.ones(10), mode="valid")
    assert choose_lags(alone) <= 3 < choose_lags(smooth)
    assert choose_lags(smooth[:10]) == 0


def test_sums_add_up_over_disjoint_days() -> None:
    day, p, y = drawn(3)
    whole = add_products(totals_of(day, p, y))
    parts = [add_products(totals_of(day, p, y)[each]) for each in (slice(0, 25), slice(25, None))]
    assert isinstance(whole, ClusterProducts)
    assert sum(each.products for each in parts) == pytest.approx(whole.products)
    assert sum(each.clusters for each in parts) == whole.clusters
