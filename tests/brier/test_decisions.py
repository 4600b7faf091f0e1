"""Net benefit: by hand, from cells as from rows, and what Murphy's curve says of it."""

import numpy as np
import pytest

from brierlake.brier import (
    benefit_from_score,
    diagnostics,
    murphy_curve,
    net_benefit,
    tally_net_benefit,
    tally_rows,
)


def draw(n: int = 4000, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    return p, (rng.random(n) < p).astype(float)


def test_by_hand() -> None:
    p, y = [0.1, 0.2, 0.3, 0.8], [0, 0, 1, 1]
    # act on three: two true, one false at odds 1 to 4
    assert net_benefit(p, y, 0.2) == pytest.approx((2 - 1 * 0.25) / 4)
    assert net_benefit(p, y, 0.85) == 0.0
    assert net_benefit([*p, np.nan, 0.9], [*y, 1, np.nan], 0.2) == pytest.approx((2 - 0.25) / 4)
    assert np.isnan(net_benefit([0.3], [np.nan], 0.2))


@pytest.mark.parametrize("threshold", [0.0005, 0.05, 0.2, 0.5, 0.77, 0.995])
def test_cells_are_exact_at_edges(threshold: float) -> None:
    p, y = draw()
    found = tally_net_benefit(tally_rows(p, y), threshold)
    assert found is not None
    assert found.value == pytest.approx(net_benefit(p, y, threshold), abs=1e-12)
    assert found.treat_all == pytest.approx(net_benefit(np.ones_like(p), y, threshold), abs=1e-12)
    assert found.error == 0.0


@pytest.mark.parametrize("threshold", [1 / 3, 1 / 6, 0.12345, 2 / 7])
def test_between_edges_it_says_how_far_off_it_can_be(threshold: float) -> None:
    p, y = draw(200_000)
    found = tally_net_benefit(tally_rows(p, y), threshold)
    assert found is not None
    assert 0 < found.error < 1e-3
    assert abs(found.value - net_benefit(p, y, threshold)) <= found.error + 1e-12


def test_it_is_murphys_curve_in_other_units() -> None:
    p, y = draw()
    curve = murphy_curve(tally_rows(p, y))
    assert curve is not None
    benefits = benefit_from_score(curve.score, curve.threshold, float(y.mean()))
    expected = [net_benefit(p, y, t) for t in curve.threshold[1:-1]]
    assert benefits[1:-1] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(benefits[-1])


def test_the_figures_have_it_where_a_threshold_is_given() -> None:
    p, y = draw()
    told = diagnostics(p, y, threshold=0.2)
    assert told.net_benefit == pytest.approx(net_benefit(p, y, 0.2), abs=1e-12)
    assert told.net_benefit_all == pytest.approx(y.mean() - (1 - y.mean()) / 4, abs=1e-12)
    assert told.net_benefit_error == 0.0
    assert diagnostics(p, y).net_benefit is None
    assert diagnostics(p, np.full(len(p), np.nan), threshold=0.2).net_benefit is None


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, np.nan])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        net_benefit([0.5], [1], threshold)
    with pytest.raises(ValueError, match="between 0 and 1"):
        tally_net_benefit(tally_rows([0.5], [1]), threshold)


def test_bad_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        net_benefit([1.5], [1], 0.2)
    with pytest.raises(ValueError, match="outcome"):
        net_benefit([0.5], [2], 0.2)
