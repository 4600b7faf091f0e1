"""Published, hand-made and exactly computed cases; the data file names the source and the oracle of each number."""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brierlake.brier import (
    Tally,
    calibration_in_the_large,
    corp_terms,
    correct_bias,
    cox_fit,
    cumulative_calibration_error,
    debiased_l2_error,
    debiased_squared_error,
    decompose,
    diagnostics,
    expected_calibration_error,
    kernel_calibration_error,
    labelled_bins,
    maximum_calibration_error,
    multiclass_brier,
    smooth_calibration_error,
    tally_distinct,
    tally_metrics,
    tally_rows,
    weighted_brier,
)
from brierlake.brier.grid import cell_of, display_bin

CASES = {
    case["name"]: case for case in json.loads((Path(__file__).parent / "reference_cases.json").read_text())["cases"]
}

COLUMNS = {
    "brier": "brier",
    "base_rate": "base_rate",
    "mean_p": "mean_probability_labelled",
    "unc": "uncertainty",
    "e0": "expected_brier",
    "bss": "skill",
    "brier_se": "brier_se",
    "spieg_z": "spiegelhalter_z",
    "bss_se": "skill_se",
    "rel_10": "reliability",
    "res_10": "resolution",
    "wbv_10": "within_bin_variance",
    "wbc_10": "within_bin_covariance",
    "ece_10": "ece",
    "mce_10": "mce",
}

# Each takes the tally of the road that the suffix names, and a number of bins (None: one for each distinct p).
FUNCTIONS: dict[str, Callable[[Tally, int | None], float | None]] = {
    "rel": lambda tally, bins: decompose(labelled_bins(tally, bins)).reliability,
    "res": lambda tally, bins: decompose(labelled_bins(tally, bins)).resolution,
    "wbv": lambda tally, bins: decompose(labelled_bins(tally, bins)).within_bin_variance,
    "wbc": lambda tally, bins: decompose(labelled_bins(tally, bins)).within_bin_covariance,
    "ff_s": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).s,
    "ff_t": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).t,
    "ff_a": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).a,
    "rel_bc": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).reliability,
    "res_bc": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).resolution,
    "unc_bc": lambda tally, bins: correct_bias(labelled_bins(tally, bins)).uncertainty,
    "ece": lambda tally, bins: expected_calibration_error(labelled_bins(tally, bins)),
    "mce": lambda tally, bins: maximum_calibration_error(labelled_bins(tally, bins)),
    "l2": lambda tally, bins: math.sqrt(decompose(labelled_bins(tally, bins)).reliability),
    "l2_debiased": lambda tally, bins: debiased_l2_error(labelled_bins(tally, bins)),
    "l2_debiased_sq": lambda tally, bins: debiased_squared_error(labelled_bins(tally, bins)),
    "n_bins_nonempty": lambda tally, bins: len(labelled_bins(tally, bins).n),
    "mcb": lambda tally, _: getattr(corp_terms(tally), "miscalibration", None),
    "dsc": lambda tally, _: getattr(corp_terms(tally), "discrimination", None),
    "cox_a": lambda tally, _: cox_fit(tally).intercept,
    "cox_b": lambda tally, _: cox_fit(tally).slope,
    "citl": lambda tally, _: calibration_in_the_large(tally),
    "ecce_mad": lambda tally, _: getattr(cumulative_calibration_error(tally), "maximum", None),
    "ecce_r": lambda tally, _: getattr(cumulative_calibration_error(tally), "extent", None),
    "smece": lambda tally, _: smooth_calibration_error(tally),
    "skce": lambda tally, _: kernel_calibration_error(tally),
}


@cache
def rows_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    case = CASES[name]
    if "generator" not in case:
        return np.array(case["p"], np.float64), np.array(case["y"], np.float64)
    # generator.code of the data file
    i = np.arange(1, 100_001)
    u, v = (i * 0.6180339887498949) % 1, (i * 0.7548776662466927) % 1
    p = 10 ** (-6.0 + (-2.0 - (-6.0)) * u)
    return p, (v < p * 1.3 + 0.0).astype(np.float64)


@cache
def tally_of(name: str, road: str) -> Tally:
    return (tally_distinct if road == "exact" else tally_rows)(*rows_of(name))


def split(metric: str) -> tuple[str, str, int | None]:
    """'rel_bc_by_value' -> ('rel_bc', 'exact', None); 'ece_20__sklearn' -> ('ece', 'cells', 20)."""
    name = metric.split("__", maxsplit=1)[0]
    for suffix in ("_by_value", "_exact"):
        if name.endswith(suffix):
            return name.removesuffix(suffix), "exact", None
    stem, _, last = name.rpartition("_")
    return (stem, "cells", int(last)) if last.isdigit() and stem in FUNCTIONS else (name, "cells", None)


def computed(case: str, metric: str) -> float | None:
    name, road, bins = split(metric)
    if metric.split("__", maxsplit=1)[0] in COLUMNS:
        column = COLUMNS[metric.split("__", maxsplit=1)[0]]
        if (case, metric) == ("T1_tight_cluster", "spieg_z"):
            # Beyond what cells carry, see test_a_tight_cluster_is_as_good_as_its_sums; by distinct p it is met.
            return getattr(tally_metrics(tally_of(case, "exact")), column)
        return getattr(diagnostics(*rows_of(case)), column)
    return FUNCTIONS[name](tally_of(case, road), bins)


SPECIAL = {"brier_scale2", "brier_weighted_1234", "bss_weighted_1234"}
EXPECTED = [
    pytest.param(name, metric, expected, id=f"{name}-{metric}")
    for name, case in CASES.items()
    for metric, expected in case["expected"].items()
    if "p_multiclass" not in case and metric not in SPECIAL
]


@pytest.mark.parametrize(("case", "metric", "expected"), EXPECTED)
def test_reference_value(case: str, metric: str, expected: dict[str, Any]) -> None:
    value = computed(case, metric)
    if expected["value"] is None:
        assert value is None
    else:
        kind = {"abs": "abs", "rel": "rel"}[expected["tol_kind"]]
        other = {"abs": "rel", "rel": "abs"}[kind]
        assert value == pytest.approx(expected["value"], **{kind: expected["tol"], other: 0.0})


def test_every_reference_value_is_looked_at() -> None:
    assert len(EXPECTED) + len(SPECIAL) + len(CASES["C4m_multiclass"]["expected"]) == sum(
        len(case["expected"]) for case in CASES.values()
    )


def test_generated_case_is_the_one_described() -> None:
    generator = CASES["R1_rare_1e-6..1e-2"]["generator"]
    p, y = rows_of("R1_rare_1e-6..1e-2")
    assert p[:3] == pytest.approx(generator["first_p"], rel=1e-12)
    assert p.sum() == pytest.approx(generator["sum_p"], rel=1e-12)
    assert y.sum() == generator["sum_y"]


def test_multiclass() -> None:
    case = CASES["C4m_multiclass"]
    scores = multiclass_brier(case["p_multiclass"], case["labels"])
    values = {"brier_sum": scores.total, "bss": scores.skill}
    values |= {f"brier_class_{label}": score for label, score in enumerate(scores.by_class)}
    for metric, expected in case["expected"].items():
        assert values[metric] == pytest.approx(expected["value"], abs=expected["tol"])


def test_weights_and_scale() -> None:
    case = CASES["C4_sklearn_doctest"]
    weighted = weighted_brier(case["p"], case["y"], weight=[1, 2, 3, 4])
    assert weighted.brier == pytest.approx(case["expected"]["brier_weighted_1234"]["value"], abs=1e-12)
    assert weighted.skill == pytest.approx(case["expected"]["bss_weighted_1234"]["value"], abs=1e-12)
    # the two-class sum, scale_by_half=False in scikit-learn, is twice the binary score
    both = multiclass_brier(np.stack((1 - np.array(case["p"]), case["p"]), axis=1), case["y"])
    assert both.total == pytest.approx(case["expected"]["brier_scale2"]["value"], abs=1e-12)


def test_bin_of_edges_and_their_neighbours() -> None:
    case = CASES["E9_edges_pm_ulp"]
    cell_id, _ = cell_of(np.array(case["p"]))
    assert display_bin(cell_id, 10).tolist() == case["expected_bin_index"]["10"]


def test_calibration_curve() -> None:
    case = CASES["C5_calibration_curve"]
    bins = labelled_bins(tally_of("C5_calibration_curve", "cells"), 10)
    assert bins.event_rate == pytest.approx(case["curve_10"]["prob_true"], abs=1e-15)
    assert bins.mean_probability == pytest.approx(case["curve_10"]["prob_pred"], abs=1e-15)


def test_a_tight_cluster_is_as_good_as_its_sums() -> None:
    # T1 asks for Z to 1e-10. Its null variance is sum (p-1/2)^2, about 2e-15, and comes from sums of d^2 of about 1e-5:
    # a double there steps by 3.4e-21, so the sums themselves know Z to a few 1e-6 only. Moving one of them by one step
    # moves Z by more than the tolerance asked for: no function of the sums can meet it.
    tally = tally_of("T1_tight_cluster", "cells")
    z = CASES["T1_tight_cluster"]["expected"]["spieg_z"]["value"]
    assert tally_metrics(tally).spiegelhalter_z == pytest.approx(z, rel=1e-5)

    sums = tally.sums.copy()
    sums[0, 1, 0] += np.spacing(tally.sums[:2, 1, 0].sum())
    moved = tally_metrics(Tally(tally.cell_id, tally.centre, tally.n, sums))
    assert abs(moved.spiegelhalter_z - tally_metrics(tally).spiegelhalter_z) > 1e-7


# Made so that outcomes follow the order of p within a cell: the isotonic fit needs the exact road there.
ORDER_WITHIN_CELLS = ("E9_edges_pm_ulp", "T1_tight_cluster")
ROWS = [name for name, case in CASES.items() if case["n"] and "p_multiclass" not in case]


@pytest.mark.parametrize("case", ROWS)
def test_cells_are_near_the_exact_road(case: str) -> None:
    cells, exact = tally_of(case, "cells"), tally_of(case, "exact")
    if case not in ORDER_WITHIN_CELLS:
        on_cells, by_value = corp_terms(cells), corp_terms(exact)
        within = max(3 * on_cells.error, 0.03 * by_value.miscalibration) + 1e-15
        assert 0 <= by_value.miscalibration - on_cells.miscalibration + 1e-15 <= within
        assert 0 <= by_value.discrimination - on_cells.discrimination + 1e-15 <= within

    fit, exact_fit = cox_fit(cells), cox_fit(exact)
    assert fit.status == exact_fit.status
    if fit.slope is not None:
        assert abs(fit.slope - exact_fit.slope) <= 0.05 * exact_fit.slope_se
        assert abs(fit.intercept - exact_fit.intercept) <= 0.05 * exact_fit.intercept_se

    assert smooth_calibration_error(cells) == pytest.approx(smooth_calibration_error(exact), abs=2e-5)
    mass = cells.labelled.n.max() / cells.labelled_count
    assert abs(cumulative_calibration_error(cells).maximum - cumulative_calibration_error(exact).maximum) <= mass
    if cells.labelled_count > 1:
        assert kernel_calibration_error(cells) == pytest.approx(kernel_calibration_error(exact), rel=1e-3, abs=1e-12)
