"""The same numbers from libraries that know nothing of cells."""

import numpy as np
import pytest
from model_diagnostics.scoring import SquaredError
from model_diagnostics.scoring import decompose as decompose_by_library
from scipy.spatial.distance import jensenshannon
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, d2_brier_score, log_loss
from statsmodels.api import GLM, OLS, add_constant, families
from statsmodels.stats.proportion import proportion_confint

from brierlake.brier import (
    add_products,
    calibration_in_the_large,
    compute_drift,
    corp_terms,
    cox_fit,
    diagnostics,
    display_bins,
    labelled_bins,
    multiclass_brier,
    paired_difference,
    tally_distinct,
    tally_rows,
    weighted_brier,
)

Rows = tuple[np.ndarray, np.ndarray]


def drawn(name: str) -> Rows:
    rng = np.random.default_rng(11)
    n = 20_000
    p = {
        "even": lambda: rng.random(n),
        "rare": lambda: 10 ** rng.uniform(-5, -1, n),
        "sure": lambda: 1 - 10 ** rng.uniform(-6, -0.5, n),
        "few": lambda: rng.choice([0.05, 0.2, 0.35, 0.5, 0.8], n),
        "narrow": lambda: rng.uniform(0.3001, 0.3029, n),
    }[name]()
    shifted = 1 / (1 + np.exp(-(0.3 + 0.8 * np.log(p / (1 - p)))))
    return p, (rng.random(n) < shifted).astype(float)


@pytest.fixture(params=["even", "rare", "sure", "few", "narrow"])
def rows(request: pytest.FixtureRequest) -> Rows:
    return drawn(request.param)


def test_scores_of_scikit_learn(rows: Rows) -> None:
    p, y = rows
    metrics = diagnostics(p, y)
    assert metrics.brier == pytest.approx(brier_score_loss(y, p), rel=1e-12)
    assert metrics.skill == pytest.approx(d2_brier_score(y, p), abs=1e-11)
    # Taylor within a cell: see mean_log for what is cut off
    assert metrics.log_loss == pytest.approx(log_loss(y, p), rel=1e-9)


def test_bins_of_scikit_learn(rows: Rows) -> None:
    p, y = rows
    rate, mean = calibration_curve(y, p, n_bins=10)
    bins = labelled_bins(tally_rows(p, y), 10)
    assert bins.event_rate == pytest.approx(rate, abs=1e-12)
    assert bins.mean_probability == pytest.approx(mean, rel=1e-12)


def test_moments_by_numpy(rows: Rows) -> None:
    p, y = rows
    metrics = diagnostics(p, y)
    s, null = (p - y) ** 2, p * (1 - p) * (1 - 2 * p) ** 2
    assert metrics.mean_probability == pytest.approx(p.mean(), rel=1e-12)
    assert metrics.expected_brier == pytest.approx((p * (1 - p)).mean(), rel=1e-12)
    assert metrics.expected_brier_sd == pytest.approx(np.sqrt(null.sum()) / len(p), rel=1e-11)
    assert metrics.brier_se == pytest.approx(s.std(ddof=1) / np.sqrt(len(p)), rel=1e-11)
    assert metrics.spiegelhalter_z == pytest.approx(((y - p) * (1 - 2 * p)).sum() / np.sqrt(null.sum()), rel=1e-9)


def test_skill_se_is_that_of_a_ratio(rows: Rows) -> None:
    p, y = rows
    s, rate = (p - y) ** 2, y.mean()
    u = rate * (1 - rate)
    influence = -(s - s.mean()) / u + s.mean() * (1 - 2 * rate) * (y - rate) / u**2
    assert diagnostics(p, y).skill_se == pytest.approx(np.sqrt((influence**2).sum()) / len(p), rel=1e-11)


def test_cox_of_statsmodels(rows: Rows) -> None:
    p, y = rows
    logit = np.log(p) - np.log1p(-p)
    oracle = GLM(y, add_constant(logit), family=families.Binomial()).fit(tol=1e-12)
    exact, cells = cox_fit(tally_distinct(p, y)), cox_fit(tally_rows(p, y))
    assert (exact.status, cells.status) == ("ok", "ok")
    assert [exact.intercept, exact.slope] == pytest.approx(oracle.params.tolist(), rel=1e-7, abs=1e-8)
    assert [exact.intercept_se, exact.slope_se] == pytest.approx(oracle.bse.tolist(), rel=1e-6)
    # what cells lose is far below what chance moves
    assert abs(cells.intercept - exact.intercept) < 0.01 * exact.intercept_se
    assert abs(cells.slope - exact.slope) < 0.01 * exact.slope_se
    large = GLM(y, np.ones_like(y), family=families.Binomial(), offset=logit).fit(tol=1e-12)
    assert calibration_in_the_large(tally_distinct(p, y)) == pytest.approx(large.params[0], abs=1e-8)


def test_corp_of_model_diagnostics(rows: Rows) -> None:
    p, y = rows
    oracle = decompose_by_library(y_obs=y, y_pred=p, scoring_function=SquaredError())
    miscalibration, discrimination, uncertainty, score = (
        oracle[name][0] for name in ("miscalibration", "discrimination", "uncertainty", "score")
    )
    exact, cells = corp_terms(tally_distinct(p, y)), corp_terms(tally_rows(p, y))
    metrics = diagnostics(p, y)
    assert exact.miscalibration == pytest.approx(miscalibration, abs=1e-12)
    assert exact.discrimination == pytest.approx(discrimination, abs=1e-12)
    assert metrics.uncertainty == pytest.approx(uncertainty, abs=1e-12)
    assert metrics.brier == pytest.approx(score, abs=1e-12)
    assert exact.error == 0.0
    assert abs(cells.miscalibration - miscalibration) <= max(3 * cells.error, 0.03 * miscalibration)


def test_intervals_of_statsmodels() -> None:
    p, y = drawn("even")
    for row in display_bins(tally_rows(p[:60], y[:60]), level=0.9):
        oracle = proportion_confint(row.n_events, row.n_labelled, alpha=0.1, method="wilson")
        assert (row.event_rate_low, row.event_rate_high) == pytest.approx(oracle, abs=1e-12)


def test_drift_of_scipy() -> None:
    rng = np.random.default_rng(6)
    p, q = rng.beta(2, 5, 3_000), rng.beta(2, 4, 5_000)
    edges = np.quantile(q, np.arange(1, 20) / 20, method="inverted_cdf")
    a, b = (np.bincount(np.searchsorted(edges, each), minlength=20) for each in (p, q))
    drift = compute_drift(tally_rows(p, p * np.nan), tally_rows(q, q * np.nan))
    # the edges are those of cells: of 8,000 scores a few change their bin
    assert drift.js == pytest.approx(jensenshannon(a / a.sum(), b / b.sum(), base=2) ** 2, rel=0.02)
    a, b = (a + 0.5) / (a + 0.5).sum(), (b + 0.5) / (b + 0.5).sum()
    assert drift.psi == pytest.approx(sum((x - w) * np.log(x / w) for x, w in zip(a, b, strict=True)), rel=0.02)


def test_clusters_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(37), rng.integers(1, 40, 37))
    value = rng.normal(0.2, 0.1, len(cluster)) + rng.normal(0, 0.1, 37)[cluster]
    oracle = OLS(value, np.ones_like(value)).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    total, size = np.bincount(cluster, value), np.bincount(cluster)
    clusters = add_products(np.stack([size, total, *[np.zeros(37)] * 3], axis=1))
    estimate, e = clusters.estimate({"s": 1.0}), len(value) ** 2 / (size @ size)
    assert clusters.effective == pytest.approx(e)
    # statsmodels goes by 37 clusters, we by those that carry the rows
    assert estimate.degrees_of_freedom == pytest.approx(e - 1)
    assert estimate.se * np.sqrt((e - 1) / e * 37 / 36) == pytest.approx(oracle.bse[0], rel=1e-9)


def test_lags_of_statsmodels() -> None:
    noise = np.random.default_rng(4).normal(0, 0.1, 80)
    value = 0.2 + noise + 0.5 * np.roll(noise, 1)
    oracle = OLS(value, np.ones(80)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    totals = np.stack([np.ones(80), value, *[np.zeros(80)] * 3], axis=1)
    estimate = add_products(totals, lags=5).estimate({"s": 1.0})
    assert estimate.se * np.sqrt(79 / 80) == pytest.approx(oracle.bse[0], rel=1e-9)


def test_paired_difference_of_statsmodels() -> None:
    p, y = drawn("even")
    d = (np.clip(p * 0.9, 0, 1) - y) ** 2 - (p - y) ** 2
    oracle = OLS(d, np.ones_like(d)).fit()
    result = paired_difference(len(d), d.sum(), d @ d, n_events=int(y.sum()))
    assert result.estimate.se == pytest.approx(oracle.bse[0], rel=1e-9)
    assert [result.estimate.low, result.estimate.high] == pytest.approx(oracle.conf_int()[0].tolist(), rel=1e-9)


def test_weights_of_scikit_learn() -> None:
    p, y = drawn("even")
    weight = np.random.default_rng(3).random(len(p))
    scores = weighted_brier(p, y, weight=weight)
    assert scores.brier == pytest.approx(brier_score_loss(y, p, sample_weight=weight), rel=1e-12)
    assert scores.skill == pytest.approx(d2_brier_score(y, p, sample_weight=weight), rel=1e-9)


def test_classes_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    p, label = rng.dirichlet([1, 2, 3, 1], 500), rng.integers(0, 4, 500)
    scores = multiclass_brier(p, label)
    assert scores.total == pytest.approx(brier_score_loss(label, p, labels=range(4)), rel=1e-12)
    assert scores.skill == pytest.approx(d2_brier_score(label, p, labels=range(4)), rel=1e-9)
    assert scores.by_class.sum() == pytest.approx(scores.total, rel=1e-15)
