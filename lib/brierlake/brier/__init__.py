"""Brier score and calibration, from mergeable cells: Spark counts, numpy computes. No MLflow, no Delta."""

from brierlake.brier.calibration import (
    CumulativeError,
    cumulative_calibration_error,
    debiased_l2_error,
    debiased_squared_error,
    expected_calibration_error,
    kernel_calibration_error,
    maximum_calibration_error,
    smooth_calibration_error,
)
from brierlake.brier.cells import compute_cells, compute_values, merge_cells
from brierlake.brier.clustered import ClusterProducts, add_in_order, add_products, choose_lags, read_products
from brierlake.brier.clusters import compute_cluster_sums, merge_cluster_sums
from brierlake.brier.comparison import PairedDifference, paired_difference
from brierlake.brier.corp import Corp, consistency_bands, corp_terms
from brierlake.brier.cox import CoxFit, calibration_in_the_large, cox_fit
from brierlake.brier.decisions import NetBenefit, benefit_from_score, net_benefit, tally_net_benefit
from brierlake.brier.decomposition import (
    BiasCorrection,
    Bins,
    Decomposition,
    correct_bias,
    decompose,
    labelled_bins,
)
from brierlake.brier.delays import Arrivals, estimate_arriving, miss_of_arriving
from brierlake.brier.drift import Drift, compute_drift, jensen_shannon_divergence, population_stability_index
from brierlake.brier.estimates import Foretold, foretell, foretell_by, miss_of
from brierlake.brier.evidence import (
    Change,
    EProcess,
    Weighed,
    change_statistic,
    detect_change,
    detect_departure,
    e_process,
    weigh_windows,
)
from brierlake.brier.inference import Estimate
from brierlake.brier.keyed import KeyFacts, compute_metrics, compute_records, metrics_schema
from brierlake.brier.maps import MAP_KINDS, CalibrationMap, MapKind, fit_map, fit_map_to_cells
from brierlake.brier.meaning import FEWEST, count_rarer, events_status, is_meaningful
from brierlake.brier.metrics import diagnostics, tally_metrics
from brierlake.brier.murphy import MurphyCurve, murphy_curve
from brierlake.brier.recalibration import Trial, TriedMap, try_maps
from brierlake.brier.reliability import ReliabilityRow, corp_blocks, display_bins
from brierlake.brier.tally import (
    MOMENTS,
    Tally,
    add_tallies,
    tally_cells,
    tally_distinct,
    tally_frame,
    tally_rows,
    tally_values,
)
from brierlake.brier.weighted import MulticlassBrier, WeightedBrier, multiclass_brier, weighted_brier
from brierlake.figures import Metrics

__all__ = [
    "FEWEST",
    "MAP_KINDS",
    "MOMENTS",
    "Arrivals",
    "BiasCorrection",
    "Bins",
    "CalibrationMap",
    "Change",
    "ClusterProducts",
    "Corp",
    "CoxFit",
    "CumulativeError",
    "Decomposition",
    "Drift",
    "EProcess",
    "Estimate",
    "Foretold",
    "KeyFacts",
    "MapKind",
    "Metrics",
    "MulticlassBrier",
    "MurphyCurve",
    "NetBenefit",
    "PairedDifference",
    "ReliabilityRow",
    "Tally",
    "Trial",
    "TriedMap",
    "Weighed",
    "WeightedBrier",
    "add_in_order",
    "add_products",
    "add_tallies",
    "benefit_from_score",
    "calibration_in_the_large",
    "change_statistic",
    "choose_lags",
    "compute_cells",
    "compute_cluster_sums",
    "compute_drift",
    "compute_metrics",
    "compute_records",
    "compute_values",
    "consistency_bands",
    "corp_blocks",
    "corp_terms",
    "correct_bias",
    "count_rarer",
    "cox_fit",
    "cumulative_calibration_error",
    "debiased_l2_error",
    "debiased_squared_error",
    "decompose",
    "detect_change",
    "detect_departure",
    "diagnostics",
    "display_bins",
    "e_process",
    "estimate_arriving",
    "events_status",
    "expected_calibration_error",
    "fit_map",
    "fit_map_to_cells",
    "foretell",
    "foretell_by",
    "is_meaningful",
    "jensen_shannon_divergence",
    "kernel_calibration_error",
    "labelled_bins",
    "maximum_calibration_error",
    "merge_cells",
    "merge_cluster_sums",
    "metrics_schema",
    "miss_of",
    "miss_of_arriving",
    "multiclass_brier",
    "murphy_curve",
    "net_benefit",
    "paired_difference",
    "population_stability_index",
    "read_products",
    "smooth_calibration_error",
    "tally_cells",
    "tally_distinct",
    "tally_frame",
    "tally_metrics",
    "tally_net_benefit",
    "tally_rows",
    "tally_values",
    "try_maps",
    "weigh_windows",
    "weighted_brier",
]
