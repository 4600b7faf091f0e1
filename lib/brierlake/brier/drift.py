"""How far the scores of some rows have moved from those of a reference. No label is used."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import rel_entr
from scipy.stats import chi2

from brierlake.brier.grid import FloatArray
from brierlake.brier.tally import Tally

DRIFT_BINS: Final = 20
"""Bins of equal count in the reference: rare events crowd near 0, where bins of equal width see nothing."""


@dataclass(frozen=True)
class Drift:
    """Both are 0 where nothing moved; `psi_low` and `js_low` are what is left above the noise of these two samples."""

    psi: float
    """Population stability index: sum of (a-b) ln(a/b), half a count added to each bin."""
    js: float
    """Jensen-Shannon divergence, base 2: 0 (same) to 1."""
    psi_low: float
    js_low: float


def compute_drift(tally: Tally, reference: Tally, *, level: float = 0.95) -> Drift | None:
    """Compare the scores of a tally with the reference's, in bins at the reference's quantiles; None without scores.

    If nothing moved, both measures are near chi^2 with k-1 degrees of freedom times (1/n + 1/m), the divergence over
    8 ln 2 (Lin 1991; Yurdakul 2018), k the bins: a quantile of theirs is
    taken off, a little above the level's, for small samples have heavier tails.
    """
    if not tally.scored_count or not reference.scored_count:
        return None
    edges = _edges(reference)
    counts, held = _counts(tally, edges), _counts(reference, edges)
    a, b = _as_shares(counts + 0.5), _as_shares(held + 0.5)
    psi = float((a - b) @ np.log(a / b))
    a, b = _as_shares(counts), _as_shares(held)
    middle = (a + b) / 2
    js = float(rel_entr(a, middle).sum() + rel_entr(b, middle).sum()) / 2 / math.log(2)
    scale = 1 / tally.scored_count + 1 / reference.scored_count
    noise = scale * float(chi2.ppf((3 + level) / 4, len(edges))) if len(edges) else 0.0
    return Drift(psi, js, max(0.0, psi - noise), max(0.0, js - noise / (8 * math.log(2))))


def population_stability_index(tally: Tally, reference: Tally) -> float | None:
    """Return the index alone; see `Drift`."""
    drift = compute_drift(tally, reference)
    return drift.psi if drift else None


def jensen_shannon_divergence(tally: Tally, reference: Tally) -> float | None:
    """Return the divergence alone; see `Drift`."""
    drift = compute_drift(tally, reference)
    return drift.js if drift else None


def _edges(reference: Tally) -> FloatArray:
    """Cells that a bin ends with; a cell that holds a bin's worth of rows by itself is a bin of its own."""
    n = reference.scored.n
    held = n > 0
    cells, counts = reference.cell_id[held].astype(np.float64), n[held]
    share = np.cumsum(counts) / counts.sum()
    at = np.searchsorted(share, np.arange(1, DRIFT_BINS) / DRIFT_BINS - 1e-12)
    alone = counts[at] >= counts.sum() / DRIFT_BINS
    return np.unique(np.concatenate((cells[at], cells[at][alone] - 0.5)))


def _counts(tally: Tally, edges: FloatArray) -> FloatArray:
    bins = np.searchsorted(edges, tally.cell_id)
    return np.asarray(np.bincount(bins, tally.scored.n, len(edges) + 1), np.float64)


def _as_shares(counts: FloatArray) -> FloatArray:
    return np.asarray(counts / counts.sum(), np.float64)
