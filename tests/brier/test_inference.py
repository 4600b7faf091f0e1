import numpy as np
import pytest
from scipy.stats import t as student

from brierlake.brier import (
    ClusterProducts,
    Estimate,
    add_products,
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
def test_status_by_the_rarer_class_as_it_was_foretold(events: int, nonevents: int, status: str) -> None:
    n = events + nonevents
    p = np.full(n, events / n)
    for y in (np.arange(n) < events, np.zeros(n)):  # whatever comes: else what is shown would be a biased choice
        metrics = diagnostics(p, y.astype(float))
        assert metrics.interval_status == status
        assert (metrics.brier_low is None) == (metrics.brier_high is None) == (status == "withheld")


@pytest.mark.parametrize(("doubtful", "status"), [(9, "withheld"), (12, "rough"), (29, "rough"), (30, "shown")])
def test_status_by_the_rows_that_carry_the_score(doubtful: int, status: str) -> None:
    # 1,000 rows at p = 1 and 1,000 at 0 score nothing if the model is right; only those at 1/2 do
    p = np.repeat([1.0, 0.0, 0.5], [1_000, 1_000, doubtful])
    y = np.concatenate((p[:2_000], np.arange(doubtful) % 2))
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
    # at p of .03 and .97, 720 of 722 rows as wrong as can be, and two that are right
    p = np.repeat([0.03, 0.97], 361)
    y = 1 - np.round(p)
    y[:2] = 0
    metrics = diagnostics(p, y)
    assert metrics.brier_se > 0
    wide = diagnostics(np.repeat([0.1, 0.9], 61), np.append(1 - np.round(np.repeat([0.1, 0.9], 61))[:-1], 1.0))
    assert wide.interval_status != "withheld"
    assert wide.brier_high <= 1.0


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
        tally = tally_rows(p, y)
        interval = brier_interval(brier_sums(tally), tally.labelled, level=0.95)
        if interval.status == "shown":
            hits.append(interval.low <= truth <= interval.high)
    assert len(hits) > 250
    # 95 % within about three standard errors of 300 tries
    assert 0.91 <= np.mean(hits) <= 0.99


def products_of(cluster: np.ndarray, p: np.ndarray, y: np.ndarray) -> ClusterProducts:
    values = (np.ones(len(p)), (p - y) ** 2, y, y - p, (1 - 2 * p) * (y - p))
    return add_products(np.stack([np.bincount(cluster, each) for each in values], axis=1))


def clusters_of(cluster: np.ndarray, value: np.ndarray) -> ClusterProducts:
    nothing = np.zeros(cluster.max() + 1)
    return add_products(np.stack([np.bincount(cluster), np.bincount(cluster, value), *[nothing] * 3], axis=1))


def robust(cluster: np.ndarray, value: np.ndarray) -> Estimate:
    return clusters_of(cluster, value).estimate({"s": 1.0})


def test_clusters_of_one_row_give_the_plain_error() -> None:
    value = np.random.default_rng(1).random(500)
    estimate = robust(np.arange(500), value)
    assert estimate.se == pytest.approx(value.std(ddof=1) / np.sqrt(500), rel=1e-10)


def test_alike_rows_widen_the_error() -> None:
    value = np.repeat(np.random.default_rng(1).random(50), 10)
    estimate = robust(np.repeat(np.arange(50), 10), value)
    assert estimate.se == pytest.approx(np.sqrt(10) * value.std() / np.sqrt(500) * np.sqrt(50 / 49), rel=1e-9)


def test_one_cluster_has_no_error() -> None:
    estimate = robust(np.zeros(9, int), np.arange(9.0))
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
    one = clusters_of(np.zeros(2_000, int), d)
    assert paired_difference(2_000, d.sum(), d @ d, n_events=500, clusters=one).verdict == "too_few_labels"
    nine = clusters_of(np.arange(2_000) // 230, d)
    assert paired_difference(2_000, d.sum(), d @ d, n_events=500, clusters=nine).verdict == "too_few_labels"
    many = clusters_of(np.arange(2_000) // 50, d)
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
        found = robust(cluster, value)
        hits.append(found.low <= 0.2 <= found.high)
        plain.append(abs(value.mean() - 0.2) <= 1.96 * value.std(ddof=1) / np.sqrt(len(value)))
    assert 0.92 <= np.mean(hits) <= 0.98
    assert np.mean(plain) < 0.8


def test_few_clusters_withhold_the_interval() -> None:
    rng = np.random.default_rng(9)
    p = rng.random(600)
    y = (rng.random(600) < p).astype(float)
    tally = tally_rows(p, y)
    for groups, status in ((5, "withheld"), (20, "rough"), (100, "shown")):
        clusters = products_of(np.arange(600) % groups, p, y)
        metrics = tally_metrics(tally, clusters=clusters)
        assert (metrics.interval_status, metrics.n_clusters) == (status, groups)
        assert metrics.brier_se == pytest.approx(clusters.estimate({"s": 1.0}).se)
