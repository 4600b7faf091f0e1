import numpy as np
import pytest

from brierlake.brier import (
    cumulative_calibration_error,
    debiased_l2_error,
    debiased_squared_error,
    kernel_calibration_error,
    labelled_bins,
    murphy_curve,
    smooth_calibration_error,
    tally_distinct,
    tally_rows,
)

NOTHING = tally_rows([], [])


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.0, 2.0, n)
    return p, (rng.random(n) < p**1.3).astype(float)


def test_smooth_error_by_quadrature_of_its_definition() -> None:
    p, y = drawn(300)
    mesh = (np.arange(2001) + 0.5) / 2001

    def smoothed(width: float) -> float:
        images = np.concatenate([sign * p + shift for sign in (1, -1) for shift in (-2, 0, 2)])
        kernel = np.exp(-(((mesh[:, None] - images) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
        return float(np.abs(kernel @ np.tile(p - y, 6)).mean() / len(p))

    value = smooth_calibration_error(tally_distinct(p, y))
    assert smoothed(value) == pytest.approx(value, abs=1e-5)
    assert smooth_calibration_error(tally_rows(p, y)) == pytest.approx(value, abs=2e-5)


def test_kernel_error_by_all_pairs() -> None:
    p, y = drawn(200)
    residual = y - p
    kernel = np.exp(-np.abs(p[:, None] - p) / 0.2)
    np.fill_diagonal(kernel, 0.0)
    oracle = residual @ kernel @ residual / (200 * 199)
    assert kernel_calibration_error(tally_distinct(p, y), bandwidth=0.2) == pytest.approx(oracle, rel=1e-9)


def test_kernel_error_on_cells() -> None:
    p, y = drawn(50_000)
    exact = kernel_calibration_error(tally_distinct(p, y))
    assert kernel_calibration_error(tally_rows(p, y)) == pytest.approx(exact, rel=1e-3)


def test_kernel_error_is_unbiased() -> None:
    values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        p = rng.beta(1.0, 2.0, 100)
        values.append(kernel_calibration_error(tally_rows(p, rng.random(100) < p)))
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)
    assert min(values) < 0 < max(values)


def test_a_bandwidth_finer_than_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than the cells"):
        kernel_calibration_error(NOTHING, bandwidth=1e-3)


def test_cumulative_error_by_hand() -> None:
    # in order of p: residuals -.1, -.3, +.6 over 3 rows; path -.1/3, -.4/3, +.2/3
    error = cumulative_calibration_error(tally_rows([0.4, 0.1, 0.3], [1, 0, 0]))
    assert error.maximum == pytest.approx(0.4 / 3)
    assert error.extent == pytest.approx(0.6 / 3)
    assert error.sigma == pytest.approx(np.sqrt(0.09 + 0.21 + 0.24) / 3)


def test_cumulative_error_on_cells_is_within_the_largest_cell() -> None:
    p, y = drawn(20_000)
    tally = tally_rows(p, y)
    exact, cells = cumulative_calibration_error(tally_distinct(p, y)), cumulative_calibration_error(tally)
    assert -1e-12 <= exact.maximum - cells.maximum <= tally.labelled.n.max() / 20_000
    assert -1e-12 <= exact.extent - cells.extent <= 2 * tally.labelled.n.max() / 20_000


def test_debiased_error_by_hand() -> None:
    # one bin, mean p .25, rate 1/2 of 4 rows: .0625 - .25/3, and a bin of one row that counts nothing
    bins = labelled_bins(tally_rows([0.25, 0.25, 0.25, 0.25, 0.9], [1, 1, 0, 0, 0]), 10)
    assert debiased_squared_error(bins) == pytest.approx(4 / 5 * (0.0625 - 0.25 / 3))
    assert debiased_l2_error(bins) == 0.0
    wrong = labelled_bins(tally_rows([0.9] * 50, [0] * 50), 10)
    assert debiased_l2_error(wrong) == pytest.approx(0.9)


def test_murphy_curve_by_its_definition() -> None:
    p, y = drawn(2_000)
    curve = murphy_curve(tally_rows(p, y))
    for threshold, score in zip(curve.threshold, curve.score, strict=True):
        loss = threshold * ((y == 0) & (p > threshold)) + (1 - threshold) * ((y == 1) & (p <= threshold))
        assert score == pytest.approx(loss.mean(), abs=1e-15)


def test_brier_is_twice_the_area_under_murphys_curve() -> None:
    p, y = drawn(2_000)
    curve = murphy_curve(tally_rows(p, y), thresholds=np.arange(1001) / 1000)
    assert 2 * np.trapezoid(curve.score, curve.threshold) == pytest.approx(np.mean((p - y) ** 2), abs=1e-5)


def test_thresholds_within_cells_are_refused() -> None:
    with pytest.raises(ValueError, match=r"edges of the grid, such as k/1000: \[0.1234\]"):
        murphy_curve(NOTHING, thresholds=[0.1, 0.1234])


def test_nothing_labelled_is_none() -> None:
    for tally in (NOTHING, tally_rows([0.3, 0.4], [np.nan, np.nan])):
        assert smooth_calibration_error(tally) is None
        assert kernel_calibration_error(tally) is None
        assert cumulative_calibration_error(tally) is None
        assert murphy_curve(tally) is None
        assert debiased_l2_error(labelled_bins(tally, 10)) is None
