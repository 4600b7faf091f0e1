"""How far the scores of some rows have moved from those of a reference. No label is used."""

import numpy as np

from brierlake.brier.grid import FloatArray, display_bin
from brierlake.brier.tally import Tally

DRIFT_BINS = 20


def _shares(tally: Tally) -> FloatArray:
    counts = np.bincount(display_bin(tally.cell_id, DRIFT_BINS), tally.scored.n, DRIFT_BINS) + 0.5
    return np.asarray(counts / counts.sum(), np.float64)


def population_stability_index(tally: Tally, reference: Tally) -> float | None:
    """Sum of (a-b) ln(a/b) over 20 bins, half a count added to each: 0 or more; None where either has no score."""
    if not tally.scored_count or not reference.scored_count:
        return None
    a, b = _shares(tally), _shares(reference)
    return float((a - b) @ np.log(a / b))


def jensen_shannon_divergence(tally: Tally, reference: Tally) -> float | None:
    """Base 2, over 20 bins, half a count added to each: 0 (same) to 1; None where either has no score."""
    if not tally.scored_count or not reference.scored_count:
        return None
    a, b = _shares(tally), _shares(reference)
    middle = (a + b) / 2
    return float(a @ np.log2(a / middle) + b @ np.log2(b / middle)) / 2
