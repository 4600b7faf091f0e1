from itertools import pairwise

import numpy as np
import pytest

from brierlake.brier import consistency_bands, corp_blocks, corp_terms, tally_distinct, tally_rows, tally_values


def drawn(n: int, *, power: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    p = rng.beta(1.0, 3.0, n)
    return p, (rng.random(n) < p**power).astype(float)


def test_terms_by_hand() -> None:
    # rates 1/2, 0, 1 at .2, .4, .6 (2, 2, 2 rows): .2 and .4 pool to 1/4
    # (p - rate)^2 is .09, .16, .16, and (fit - rate)^2 is .0625, .0625, 0; the fit is 1/4 and 1/2 from the base rate
    terms = corp_terms(tally_values([0.2, 0.4, 0.6], [2, 2, 2], [1, 0, 2]))
    assert terms.miscalibration == pytest.approx(2 * (0.09 - 0.0625 + 0.16 - 0.0625 + 0.16) / 6)
    assert terms.discrimination == pytest.approx(4 / 6 / 16 + 2 / 6 / 4)
    assert terms.error == 0.0


@pytest.mark.parametrize("power", [1.0, 1.2, 2.0])
def test_the_error_estimate_covers_what_cells_lose(power: float) -> None:
    p, y = drawn(400_000, power=power)
    cells, exact = corp_terms(tally_rows(p, y)), corp_terms(tally_distinct(p, y))
    lost = exact.discrimination - cells.discrimination
    assert 0 < lost <= max(cells.error, 0.03 * exact.miscalibration)
    assert cells.error < 0.2 * exact.miscalibration + 1e-5


def test_blocks_are_the_steps_of_the_fit() -> None:
    p, y = drawn(5_000)
    blocks = corp_blocks(tally_rows(p, y))
    rates = [block.event_rate for block in blocks]
    assert rates == sorted(set(rates))
    assert [block.position for block in blocks] == list(range(len(blocks)))
    assert sum(block.n_labelled for block in blocks) == 5_000
    assert sum(block.n_events for block in blocks) == y.sum()
    assert all(one.upper < other.lower for one, other in pairwise(blocks))
    assert {block.band_low for block in blocks} == {None}


def test_blocks_count_scored_rows_of_their_cells() -> None:
    (block,) = corp_blocks(tally_rows([0.3, 0.3, 0.3, 0.8], [1, 0, np.nan, np.nan]))
    assert (block.n_scored, block.n_labelled, block.n_events, block.event_rate) == (3, 2, 1, 0.5)


def test_bands_are_seeded() -> None:
    tally = tally_rows(*drawn(5_000))
    one, other = consistency_bands(tally), consistency_bands(tally)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, consistency_bands(tally, seed=1))


def test_bands_hold_a_calibrated_fit_and_not_another() -> None:
    def share_within(power: float) -> float:
        blocks = corp_blocks(tally_rows(*drawn(20_000, power=power)), has_bands=True)
        rows = sum(block.n_labelled for block in blocks)
        within = (block for block in blocks if block.band_low <= block.event_rate <= block.band_high)
        return sum(block.n_labelled for block in within) / rows

    assert share_within(1.0) > 0.8
    assert share_within(1.5) < 0.3


def test_bands_grow_with_the_level() -> None:
    tally = tally_rows(*drawn(2_000))
    (low, high), (lower, higher) = consistency_bands(tally, level=0.5), consistency_bands(tally, level=0.99)
    assert (lower <= low).all()
    assert (low <= high).all()
    assert (high <= higher).all()


def test_nothing_labelled() -> None:
    tally = tally_rows([0.3], [np.nan])
    assert corp_terms(tally) is None
    assert corp_blocks(tally, has_bands=True) == []
    assert [len(band) for band in consistency_bands(tally)] == [0, 0]
