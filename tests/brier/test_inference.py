import numpy as np
import pytest
from scipy.stats import t as student

from brierlake.brier import (
    ClusterSums,
    cluster_robust_se,
    diagnostics,
    paired_difference,
    tally_metrics,
    tally_rows,
)
from brierlake.brier.inference import brier_interval
from brierlake.brier.scores import brier_sums


def rows_with(events: int, nonevents: int, p: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    return np.full(events + nonevents, p), np.repeat([1.0, 0.0], [events, nonevents])


@pytest.mark.parametrize(
    ("events", "nonevents", "status"),
    [
        (20, 20, "shown"),
        (19, 200, "rough"),
        (200, 19, "rough"),
        (10, 10, "rough"),
        (9, 200, "withheld"),
        (0, 500, "withheld"),
        (1, 0, "withheld"),
    ],
)
def test_status_by_the_rarer_class(events: int, nonevents: int, status: str) -> None:
    # at p = 1/2 every row scores 1/4, so that n_eff = n
    metrics = diagnostics(*rows_with(events, nonevents))
    assert metrics.interval_status == status
    assert (metrics.brier_low is None) == (metrics.brier_high is None) == (status == "withheld")
    assert metrics.brier == pytest.approx(0.25, rel=1e-15)


@pytest.mark.parametrize(("surprises", "status"), [(9, "withheld"), (12, "rough"), (29, "rough"), (30, "shown")])
def test_status_by_the_rows_that_carry_the_score(surprises: int, status: str) -> None:
    # 1,000 events foreseen at p = 1 score 0, and so do 1,000 non-events at 0; only events at p = 0 score: n_eff of them
    p = np.repeat([1.0, 0.0, 0.0], [1_000, 1_000, surprises])
    y = np.repeat([1.0, 0.0, 1.0], [1_000, 1_000, surprises])
    assert diagnostics(p, y).interval_status == status


def test_the_interval_is_students() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(200)
    y = (rng.random(200) < p).astype(float)
    metrics = diagnostics(p, y, level=0.9)
    s = (p - y) ** 2
    low, high = student.interval(0.9, 199, loc=s.mean(), scale=s.std(ddof=1) / np.sqrt(200))
    assert [metrics.brier_low, metrics.brier_high] == pytest.approx([low, high], rel=1e-9)


def test_the_interval_stays_within_0_and_1() -> None:
    # 21 of 22 rows as wrong as can be: 21/22, and an error of 1/22
    p = np.repeat([0.0, 1.0], 11)
    metrics = diagnostics(p, np.repeat([1.0, 0.0], 11) + (np.arange(22) == 21))
    assert metrics.brier_se == pytest.approx(1 / 22)
    assert (metrics.interval_status, metrics.brier_high) == ("rough", 1.0)


@pytest.mark.parametrize(
    ("name", "n", "a", "b", "power"),
    [
        ("even", 300, 1.0, 1.0, 1.0),
        ("skewed", 800, 1.0, 5.0, 1.0),
        ("miscalibrated", 800, 2.0, 3.0, 2.0),
        ("sharp", 1_500, 0.2, 0.2, 1.0),
        ("rare", 12_000, 1.0, 150.0, 1.0),
    ],
)
def test_shown_intervals_cover_at_their_level(name: str, n: int, a: float, b: float, power: float) -> None:
    rng = np.random.default_rng(5)
    big = np.random.default_rng(6).beta(a, b, 2_000_000)
    truth = np.mean(big**power * (1 - big) ** 2 + (1 - big**power) * big**2)
    hits = []
    for _ in range(300):
        p = rng.beta(a, b, n)
        y = rng.random(n) < p**power
        interval = brier_interval(brier_sums(tally_rows(p, y)), n, int(y.sum()), level=0.95)
        if interval.status == "shown":
            hits.append(interval.low <= truth <= interval.high)
    assert len(hits) > 250
    # 95 % within about three standard errors of 300 tries
    assert 0.91 <= np.mean(hits) <= 0.99


def cluster_sums(cluster: np.ndarray, value: np.ndarray) -> ClusterSums:
    total, size = np.bincount(cluster, value), np.bincount(cluster)
    return ClusterSums(len(size), total @ total, total @ size, size @ size, len(value), value.mean())


def test_clusters_of_one_row_give_the_plain_error() -> None:
    value = np.random.default_rng(1).random(500)
    estimate = cluster_robust_se(cluster_sums(np.arange(500), value))
    assert estimate.se == pytest.approx(value.std(ddof=1) / np.sqrt(500), rel=1e-10)


def test_alike_rows_widen_the_error() -> None:
    value = np.repeat(np.random.default_rng(1).random(50), 10)
    estimate = cluster_robust_se(cluster_sums(np.repeat(np.arange(50), 10), value))
    assert estimate.se == pytest.approx(np.sqrt(10) * value.std() / np.sqrt(500) * np.sqrt(50 / 49), rel=1e-9)


def test_one_cluster_has_no_error() -> None:
    estimate = cluster_robust_se(cluster_sums(np.zeros(9, int), np.arange(9.0)))
    assert (estimate.mean, estimate.se, estimate.low, estimate.degrees_of_freedom) == (4.0, None, None, None)


def judged(shift: float, *, n: int = 2_000, events: int = 500, level: float = 0.95) -> str:
    d = np.random.default_rng(2).normal(0.0, 0.1, n)
    d += shift - d.mean()
    return paired_difference(n, d.sum(), d @ d, n_events=events, level=level).verdict


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(-0.01, "better"), (0.01, "worse"), (0.001, "not_distinguishable"), (0.0, "not_distinguishable")],
)
def test_verdict_on_the_challenger(shift: float, verdict: str) -> None:
    assert judged(shift) == verdict


@pytest.mark.parametrize(("n", "events"), [(2_000, 19), (2_000, 1_981), (29, 14), (0, 0), (1, 1)])
def test_too_few_labels_for_a_verdict(n: int, events: int) -> None:
    assert paired_difference(n, -0.5 * n, 0.25 * n, n_events=events).verdict == "too_few_labels"


def test_a_verdict_waits_for_clusters() -> None:
    d = np.full(2_000, -0.01) + np.random.default_rng(3).normal(0, 1e-3, 2_000)
    one = cluster_sums(np.zeros(2_000, int), d)
    assert paired_difference(2_000, d.sum(), d @ d, n_events=500, clusters=one).verdict == "too_few_labels"
    nine = cluster_sums(np.arange(2_000) // 230, d)
    assert paired_difference(2_000, d.sum(), d @ d, n_events=500, clusters=nine).verdict == "too_few_labels"
    many = cluster_sums(np.arange(2_000) // 50, d)
    assert paired_difference(2_000, d.sum(), d @ d, n_events=500, clusters=many).verdict == "better"


def test_the_same_model_twice_is_not_distinguishable() -> None:
    result = paired_difference(1_000, 0.0, 0.0, n_events=400)
    assert (result.verdict, result.estimate.se) == ("not_distinguishable", 0.0)


def test_clustered_intervals_cover_at_their_level_where_plain_ones_do_not() -> None:
    rng = np.random.default_rng(8)
    days, rows, hits, plain = 60, 30, [], []
    cluster = np.repeat(np.arange(days), rows)
    for _ in range(400):
        value = 0.2 + rng.normal(0, 0.05, days)[cluster] + rng.normal(0, 0.1, days * rows)
        robust = cluster_robust_se(cluster_sums(cluster, value))
        hits.append(robust.low <= 0.2 <= robust.high)
        plain.append(abs(value.mean() - 0.2) <= 1.96 * value.std(ddof=1) / np.sqrt(len(value)))
    assert 0.92 <= np.mean(hits) <= 0.98
    assert np.mean(plain) < 0.8


def test_few_clusters_withhold_the_interval() -> None:
    rng = np.random.default_rng(9)
    p = rng.random(600)
    y = (rng.random(600) < p).astype(float)
    tally = tally_rows(p, y)
    for groups, status in ((5, "withheld"), (20, "rough"), (100, "shown")):
        sums = cluster_sums(np.arange(600) % groups, (p - y) ** 2)
        metrics = tally_metrics(tally, clusters=sums)
        assert (metrics.interval_status, metrics.n_clusters) == (status, groups)
        assert metrics.brier_se == pytest.approx(cluster_robust_se(sums).se)
