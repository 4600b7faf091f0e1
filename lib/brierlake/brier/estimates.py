"""Estimates before labels: what the Brier score and the base rate will be, if what held until now still holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from brierlake.brier.maps import CalibrationMap, fit_map_to_cells
from brierlake.brier.nodes import place_scored_nodes
from brierlake.brier.scores import brier_sums
from brierlake.brier.tally import Tally, add_tallies


@dataclass(frozen=True)
class Foretold:
    """Estimates for rows whose outcomes aren't known."""

    brier: float
    base_rate: float


def foretell(tally: Tally, fitted: CalibrationMap) -> Foretold | None:
    """Estimate the Brier score and the base rate of scored rows by a map c fitted on earlier ones; None for no row.

    Base rate: mean c(p). Brier: mean c(p)(1-p)^2 + (1-c(p))p^2.

    Raises:
        ValueError: The map could not be fitted.
    """
    nodes = place_scored_nodes(tally)
    n = float(nodes.n.sum())
    if not n:
        return None
    p, c = nodes.probability, fitted.apply(nodes.probability)
    return Foretold(brier=float(nodes.n @ (c * (1 - p) ** 2 + (1 - c) * p**2)) / n, base_rate=float(nodes.n @ c) / n)


def foretell_by(earlier: Sequence[Tally], tally: Tally) -> Foretold | None:
    """Estimate by the isotonic map of earlier windows; None where it can't be fitted, or there is no row."""
    fitted = fit_map_to_cells(add_tallies(earlier), kind="isotonic")
    return foretell(tally, fitted) if fitted.status == "ok" else None


def miss_of(foretold: Foretold, tally: Tally) -> float | None:
    """By how much the estimate of the Brier score was off once labels came; None: none came."""
    n = tally.labelled_count
    return abs(foretold.brier - brier_sums(tally).squared_errors / n) if n else None
