"""What must hold for any data."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brierlake.brier import (
    Metrics,
    Tally,
    corp_terms,
    correct_bias,
    decompose,
    diagnostics,
    labelled_bins,
    smooth_calibration_error,
    tally_cells,
    tally_distinct,
    tally_metrics,
    tally_rows,
)

examples = settings(deadline=None, derandomize=True, max_examples=80, database=None)

# p anywhere, in the far tails, on edges of the grid, and a step beside them
PROBABILITY = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, 1.0, 0.3, 0.1 + 0.2, 0.5, 0.99, np.nextafter(0.99, 1), 1e-9, 1 - 1e-9, 5e-324]),
    st.integers(0, 1000).map(lambda k: k / 1000),
    st.floats(-12, -1).map(lambda exponent: 10**exponent),
    st.floats(-12, -1).map(lambda exponent: 1 - 10**exponent),
)
Rows = tuple[np.ndarray, np.ndarray]


@st.composite
def labelled_rows(draw: st.DrawFn, *, min_size: int = 1) -> Rows:
    pairs = draw(st.lists(st.tuples(PROBABILITY, st.integers(0, 1)), min_size=min_size, max_size=60))
    return np.array([p for p, _ in pairs], float), np.array([y for _, y in pairs], float)


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    probability = st.one_of(PROBABILITY, st.just(np.nan))
    outcome = st.sampled_from([0.0, 1.0, np.nan])
    pairs = draw(st.lists(st.tuples(probability, outcome), max_size=60))
    return np.array([p for p, _ in pairs], float), np.array([y for _, y in pairs], float)


@examples
@given(labelled_rows(), st.sampled_from([10, 20, 100, None]), st.booleans())
def test_decomposition_adds_up(rows: Rows, bins: int | None, is_exact: bool) -> None:  # noqa: FBT001
    p, y = rows
    terms = decompose(labelled_bins((tally_distinct if is_exact else tally_rows)(p, y), bins))
    total = terms.reliability - terms.resolution + terms.uncertainty
    total += terms.within_bin_variance - terms.within_bin_covariance
    assert total == pytest.approx(np.mean((p - y) ** 2), abs=1e-14)
    assert min(terms.reliability, terms.resolution, terms.within_bin_variance) >= 0


@examples
@given(labelled_rows(min_size=2))
def test_bias_correction_keeps_the_sum_and_the_ranges(rows: Rows) -> None:
    bins = labelled_bins(tally_rows(*rows), 10)
    raw, corrected = decompose(bins), correct_bias(bins)
    assert corrected.reliability - corrected.resolution + corrected.uncertainty == pytest.approx(
        raw.reliability - raw.resolution + raw.uncertainty, abs=1e-14
    )
    assert corrected.a <= 1
    assert corrected.reliability >= -1e-12
    assert corrected.uncertainty <= 0.25 + 1e-12


@examples
@given(labelled_rows())
def test_corp_adds_up_and_its_terms_are_never_negative(rows: Rows) -> None:
    p, y = rows
    for tally in (tally_rows(p, y), tally_distinct(p, y)):
        terms, cells = corp_terms(tally), decompose(labelled_bins(tally, None))
        within = cells.within_bin_variance - cells.within_bin_covariance
        score = terms.miscalibration - terms.discrimination + cells.uncertainty + within
        assert score == pytest.approx(np.mean((p - y) ** 2), abs=1e-14)
        assert min(terms.miscalibration, terms.discrimination, terms.error) >= 0


@examples
@given(labelled_rows())
def test_exact_corp_is_at_least_that_of_cells(rows: Rows) -> None:
    # finer is never smaller; what p within a cell says about a mean over it makes both terms differ alike
    cells, exact = corp_terms(tally_rows(*rows)), corp_terms(tally_distinct(*rows))
    assert exact.discrimination >= cells.discrimination - 1e-14


@examples
@given(labelled_rows())
def test_complement_symmetry(rows: Rows) -> None:
    p, y = rows
    # 1 - p rounds; p then is the exact complement of what is left
    q = 1 - p
    p = 1 - q
    metrics, mirrored = diagnostics(p, y), diagnostics(q, 1 - y)
    assert mirrored.brier == pytest.approx(metrics.brier, abs=1e-15)
    assert mirrored.uncertainty == pytest.approx(metrics.uncertainty, abs=1e-15)
    corp, mirrored_corp = corp_terms(tally_distinct(p, y)), corp_terms(tally_distinct(q, 1 - y))
    assert mirrored_corp.miscalibration == pytest.approx(corp.miscalibration, abs=1e-14)
    assert mirrored_corp.discrimination == pytest.approx(corp.discrimination, abs=1e-14)


@examples
@given(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 1)))
def test_perfect_is_zero(outcome: np.ndarray) -> None:
    metrics = diagnostics(outcome.astype(float), outcome)
    for name in ("brier", "reliability", "miscalibration", "ece", "mce", "log_loss", "expected_brier", "corp_error"):
        assert getattr(metrics, name) == 0.0
    assert metrics.skill == (1.0 if 0 < outcome.mean() < 1 else None)
    assert smooth_calibration_error(tally_rows(outcome, outcome)) == 0.0


def same(one: Metrics, other: Metrics) -> None:
    for name, value in one.model_dump().items():
        found = getattr(other, name)
        if isinstance(value, float):
            assert found == pytest.approx(value, rel=1e-9, abs=1e-12), name
        else:
            assert found == value, name


@examples
@given(any_rows(), st.randoms(use_true_random=False))
def test_order_does_not_matter(rows: Rows, random: Any) -> None:
    p, y = rows
    order = list(range(len(p)))
    random.shuffle(order)
    one, other = diagnostics(p, y), diagnostics(p[order], y[order])
    same(one, other) if one.calibration_status == other.calibration_status else pytest.fail("status differs")


@examples
@given(any_rows())
def test_undefined_is_none_and_never_nan(rows: Rows) -> None:
    p, y = rows
    metrics = diagnostics(p, y)
    for name, field in Metrics.model_fields.items():
        value = getattr(metrics, name)
        assert value is None or isinstance(value, str) or np.isfinite(value), name
        assert type(value).__name__ in str(field.annotation) or value is None, name
    if not metrics.n_labelled:
        labelled = ("brier", "base_rate", "skill", "reliability", "miscalibration", "ece", "log_loss", "brier_se")
        assert {getattr(metrics, name) for name in labelled} == {None}
    assert metrics.label_status == (
        "none" if not metrics.n_labelled else "complete" if metrics.n_labelled == metrics.n_scored else "preliminary"
    )


def added_up(parts: list[Tally]) -> Tally:
    cells: list[np.ndarray] = []
    for part in parts:
        for slot, outcome in enumerate((0.0, 1.0, np.nan)):
            block = np.column_stack(
                (part.cell_id, np.full(len(part.cell_id), outcome), part.n[slot], part.sums[slot].T)
            )
            cells.append(block[part.n[slot] > 0])
    table = np.concatenate(cells)
    return tally_cells(table[:, 0], table[:, 1], table[:, 2].astype(int), table[:, 3:])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thirty_random_parts_added_up_equal_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.concatenate((rng.beta(0.5, 2.0, 40_000), 10 ** rng.uniform(-8, 0, 10_000)))
    y = (rng.random(50_000) < p**1.1).astype(float)
    y[rng.random(50_000) < 0.1] = np.nan
    part = rng.integers(0, 30, 50_000)
    whole = tally_metrics(tally_rows(p, y))
    merged = tally_metrics(added_up([tally_rows(p[part == each], y[part == each]) for each in range(30)]))
    for name, value in whole.model_dump().items():
        found = getattr(merged, name)
        if isinstance(value, float):
            # terms that are small differences of larger ones are held to the size of those
            scale = 1e-12 * max(abs(value), 1e-3 if "within_bin" in name or "corp" in name else 0.0)
            assert abs(found - value) <= scale, name
        else:
            assert found == value, name


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_forecaster_scores_what_it_expects(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.0, 3.0, 50_000)
    metrics = diagnostics(p, rng.random(50_000) < p)
    assert abs(metrics.brier - metrics.expected_brier) < 4 * metrics.expected_brier_sd
    assert abs(metrics.spiegelhalter_z) < 4
    assert metrics.spiegelhalter_z == pytest.approx(
        (metrics.brier - metrics.expected_brier) / metrics.expected_brier_sd, rel=1e-6
    )
    assert abs(metrics.calibration_slope - 1) < 0.1
    assert metrics.miscalibration < 1e-3
