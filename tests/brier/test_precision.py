"""Digits that are easily lost: tight clusters, tails, skewed cells, against exact fractions."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from brierlake.brier import decompose, diagnostics, labelled_bins, tally_rows
from brierlake.brier.grid import cell_of, display_bin


def exact(values: Sequence[float] | np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]


def drawn(name: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    return {
        # many rows in few cells, near one end of each; around 1/2; in the tails
        "lopsided": lambda: rng.choice([0.30005, 0.3009, 0.70105], 400, p=[0.8, 0.1, 0.1]),
        "middle": lambda: rng.choice([0.49905, 0.4999, 0.50002, 0.5009], 400, p=[0.7, 0.1, 0.1, 0.1]),
        "near_zero": lambda: 10 ** rng.uniform(-8.9, -8, 400),
        "near_one": lambda: 1 - 10 ** rng.uniform(-8.9, -8, 400),
    }[name]()


@pytest.mark.parametrize("name", ["lopsided", "middle", "near_zero", "near_one"])
def test_expected_score_and_its_spread(name: str) -> None:
    p = drawn(name)
    metrics, rows = diagnostics(p, np.full(400, np.nan)), exact(p)
    mean = sum(q * (1 - q) for q in rows) / 400
    null = sum(q * (1 - q) * (1 - 2 * q) ** 2 for q in rows)
    assert metrics.expected_brier == pytest.approx(float(mean), rel=1e-14, abs=0)
    assert metrics.expected_brier_sd == pytest.approx(math.sqrt(null) / 400, rel=1e-13, abs=0)


@pytest.mark.parametrize("name", ["lopsided", "middle", "near_zero", "near_one"])
def test_score_and_its_error(name: str) -> None:
    p = drawn(name)
    y = np.arange(400) % 3 == 0 if name in ("lopsided", "middle") else p > 0.5
    metrics = diagnostics(p, y)
    scores = [(q - int(label)) ** 2 for q, label in zip(exact(p), y, strict=True)]
    mean = sum(scores) / 400
    assert metrics.brier == pytest.approx(float(mean), rel=1e-14, abs=0)
    spread = sum((score - mean) ** 2 for score in scores) / 399 / 400
    assert metrics.brier_se == pytest.approx(math.sqrt(spread), rel=1e-11, abs=0)


@pytest.mark.parametrize("name", ["near_zero", "near_one"])
@pytest.mark.parametrize("outcome", [0, 1])
def test_log_loss_in_the_tails(name: str, outcome: int) -> None:
    p = drawn(name)
    near = [float(q if name == "near_zero" else 1 - q) for q in exact(p)]
    is_surprise = outcome == (name == "near_zero")
    losses = [-math.log(each) if is_surprise else -math.log1p(-each) for each in near]
    assert diagnostics(p, np.full(400, outcome)).log_loss == pytest.approx(math.fsum(losses) / 400, rel=2e-9, abs=0)


@pytest.mark.parametrize("seed", range(8))
def test_terms_within_a_tight_bin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 0.9) + rng.normal(0, 1e-9, 220)
    y = rng.integers(0, 2, 220)
    bins = display_bin(cell_of(p)[0], 10)
    covariance, variance = Fraction(0), Fraction(0)
    for each in set(bins.tolist()):
        rows, labels = exact(p[bins == each]), y[bins == each]
        mean = sum(rows) / len(rows)
        covariance += 2 * sum(q - mean for q, label in zip(rows, labels, strict=True) if label) / 220
        variance += sum((q - mean) ** 2 for q in rows) / 220
    terms = decompose(labelled_bins(tally_rows(p, y), 10))
    assert terms.within_bin_covariance == pytest.approx(float(covariance), rel=0, abs=1e-24)
    assert terms.within_bin_variance == pytest.approx(float(variance), rel=0, abs=1e-21)
