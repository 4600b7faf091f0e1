"""Decisions at a threshold: what acting on the probabilities is worth (Vickers and Elkin 2006)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brierlake.brier.grid import cell_of, is_edge
from brierlake.brier.tally import Tally, tally_rows


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit of acting where p exceeds a threshold t: TP/n - FP/n t/(1-t), true positives a row; more is better.

    `treat_all` is that of acting always; acting never is 0. `error` is by how much the value can be off because rows
    are known by their cells only: 0 where t is an edge of the grid (k/1000, and finer near 0 and 1).
    """

    value: float
    treat_all: float
    error: float


def net_benefit(probability: npt.ArrayLike, outcome: npt.ArrayLike, threshold: float) -> float:
    """Compute the net benefit of acting where `probability` >= `threshold`; NaN without a labelled row.

    `probability` (N,) in [0, 1], NaN = not scored; `outcome` (N,) 0, 1, and NaN = no label yet.

    Raises:
        ValueError: For a threshold outside (0, 1), a probability outside [0, 1], another outcome, or other lengths.
    """
    _validate_threshold(threshold)
    tally_rows(probability, outcome)
    p, y = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    known = ~np.isnan(p) & ~np.isnan(y)
    if not known.any():
        return float("nan")
    acts = p[known] >= threshold
    value = np.where(y[known] == 1, 1.0, -threshold / (1 - threshold))
    return float(np.mean(np.where(acts, value, 0.0)))


def tally_net_benefit(tally: Tally, threshold: float) -> NetBenefit | None:
    """Compute it of cells, acting where p > `threshold`; None without a label.

    Between edges it is halfway between what the neighbouring edges give.

    Raises:
        ValueError: For a threshold outside (0, 1).
    """
    _validate_threshold(threshold)
    n = tally.labelled_count
    if not n:
        return None
    odds = threshold / (1 - threshold)
    at = np.array([threshold])
    reach = int(np.searchsorted(tally.cell_id, cell_of(at)[0], side="right")[0])
    above = float(tally.n[1][reach:].sum()) - odds * float(tally.n[0][reach:].sum())
    rate = tally.event_count / n
    treat_all = rate - (1 - rate) * odds
    if bool(is_edge(at)[0]) or not reach or tally.cell_id[reach - 1] != cell_of(at)[0][0]:
        return NetBenefit(above / n, treat_all, 0.0)
    # of the rows of the cell that t lies in, one acts on some
    gain, loss = float(tally.n[1][reach - 1]), odds * float(tally.n[0][reach - 1])
    return NetBenefit((above + (gain - loss) / 2) / n, treat_all, (gain + loss) / 2 / n)


def benefit_from_score(score: npt.ArrayLike, threshold: npt.ArrayLike, base_rate: float) -> npt.NDArray[np.float64]:
    """Turn Murphy's elementary scores at thresholds (T,) into net benefits: base rate - score / (1-t); NaN at 1."""
    t = np.asarray(threshold, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(t < 1, base_rate - np.asarray(score, np.float64) / (1 - t), np.nan)
    return np.asarray(found, np.float64)


def _validate_threshold(threshold: float) -> None:
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, not {threshold}.")
