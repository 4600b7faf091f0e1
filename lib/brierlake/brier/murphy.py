"""Murphy's diagram: the mean elementary score at each threshold (Ehm, Gneiting, Jordan & Krueger, JRSS B 2016)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brierlake.brier.grid import FloatArray, cell_of, is_edge
from brierlake.brier.tally import Tally


@dataclass(frozen=True, eq=False)
class MurphyCurve:
    """Mean score (T,), 0 to 1, smaller is better, at each threshold (T,). Brier is twice the area under it.

    Where one model's curve lies below another's throughout, it is better under every proper score.
    """

    threshold: FloatArray
    score: FloatArray


def murphy_curve(tally: Tally, *, thresholds: npt.ArrayLike | None = None) -> MurphyCurve | None:
    """Mean of t 1{y=0, p>t} + (1-t) 1{y=1, p<=t} at 0, .01, ... 1, or at other edges of the grid; None for no label.

    Raises:
        ValueError: for a threshold that is no edge of the grid: cells can't tell the score there.
    """
    at = np.arange(101) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if not np.all(is_edge(at)):
        raise ValueError(f"Thresholds must be edges of the grid, such as k/1000: {at[~is_edge(at)][:5].tolist()}.")
    if not tally.labelled_count:
        return None
    reach = np.searchsorted(tally.cell_id, cell_of(at)[0], side="right")
    zeros_above = tally.n[0].sum() - np.concatenate(([0], np.cumsum(tally.n[0])))[reach]
    ones_below = np.concatenate(([0], np.cumsum(tally.n[1])))[reach]
    return MurphyCurve(at, (at * zeros_above + (1 - at) * ones_below) / tally.labelled_count)
