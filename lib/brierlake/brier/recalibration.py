"""Choosing a map: fitted on earlier windows, tried on later ones by evidence that may be looked at every night."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from brierlake.brier.evidence import Weighed, is_evident, weigh_windows
from brierlake.brier.grid import FloatArray
from brierlake.brier.maps import MAP_KINDS, CalibrationMap, MapKind, fit_map_to_cells
from brierlake.brier.nodes import Nodes, place_nodes
from brierlake.brier.scores import brier_sums
from brierlake.brier.tally import Tally


@dataclass(frozen=True, eq=False)
class TriedMap:
    """A map and what it does on the windows that it is tried on.

    `differences` (T,) are sums of d = (map(p)-y)^2 - (p-y)^2 over the labelled rows of each window: below 0, the map is
    better. `error` is by how much their total can be off because rows are known by their cells only.
    """

    map: CalibrationMap
    brier: float | None = None
    difference: float | None = None
    """Mean of d over all rows."""
    log_e_value: float = 0.0
    n_windows: int = 0
    """Windows, merged where they are small, that the evidence is from."""
    evidence_status: str = "no_windows"
    error: float = 0.0
    differences: FloatArray | None = None

    @property
    def kind(self) -> MapKind:
        return self.map.kind

    @property
    def is_proven(self) -> bool:
        """Whether it is better, and the evidence reaches 20 : 1."""
        return self.difference is not None and self.difference < 0 and is_evident(self.log_e_value)


@dataclass(frozen=True, eq=False)
class Trial:
    """All maps, in the order of `MAP_KINDS`, on the same windows; `chosen` is None where there is nothing to win."""

    maps: tuple[TriedMap, ...]
    n: int
    """Labelled rows that they are tried on."""
    brier: float | None
    """Without a map."""
    chosen: TriedMap | None


def try_maps(fitted_on: Tally, tried_on: Sequence[Tally]) -> Trial:
    """Fit each kind of map on one tally, and try it on windows (T,) in order of time.

    Chosen is the map of the smallest mean difference among those that are better with evidence of 20 : 1; of two that
    are within one standard error (of their difference by window) the one with fewer parameters.
    """
    windows = [each.only_labelled for each in tried_on if each.labelled_count]
    n = np.array([each.labelled_count for each in windows], float)
    raw = np.array([brier_sums(each).squared_errors for each in windows])
    expected = np.array([float(each.labelled.n @ each.labelled.probability) for each in windows])
    tried = tuple(
        _try(fit_map_to_cells(fitted_on, kind=kind), windows, n=n, raw=raw, expected=expected) for kind in MAP_KINDS
    )
    brier = float(raw.sum() / n.sum()) if windows else None
    return Trial(tried, int(n.sum()), brier, _choose(tried, n))


def _try(
    fitted: CalibrationMap, windows: Sequence[Tally], *, n: FloatArray, raw: FloatArray, expected: FloatArray
) -> TriedMap:
    if fitted.status != "ok" or not len(windows):
        return TriedMap(fitted)
    parts = [_squared_errors(each, fitted) for each in windows]
    differences = np.array([total for total, _ in parts]) - raw
    weighed: Weighed = weigh_windows(differences, n, expected)
    total = float(n.sum())
    return TriedMap(
        fitted,
        brier=float((differences + raw).sum()) / total,
        difference=float(differences.sum()) / total,
        log_e_value=weighed.log_e_value,
        n_windows=len(weighed.lasts),
        evidence_status=weighed.status,
        error=sum(error for _, error in parts) / total,
        differences=differences,
    )


def _squared_errors(tally: Tally, fitted: CalibrationMap) -> tuple[float, float]:
    """Sum of (map(p)-y)^2 over labelled rows, and how far off it can be: what the spread within cells changes it by."""
    total = 0.0
    for end in (0.0, 1.0):
        at = tally.centre == end
        mapped = float(fitted.apply([end])[0]) if at.any() else 0.0
        total += float(tally.nonevents.n[at].sum()) * mapped**2 + float(tally.events.n[at].sum()) * (1 - mapped) ** 2
    nodes = place_nodes(tally)
    spread = _sum_at(nodes, nodes.probability, fitted)
    # the same with each class's rows of a cell at their mean
    code = nodes.cell * 2 + nodes.outcome
    rows = np.bincount(code, nodes.n)
    means = np.bincount(code, nodes.n * nodes.probability) / np.maximum(rows, 1)
    together = _sum_at(nodes, means[code], fitted)
    return total + spread, abs(spread - together)


def _sum_at(nodes: Nodes, probability: FloatArray, fitted: CalibrationMap) -> float:
    return float(nodes.n @ (fitted.apply(probability) - nodes.outcome) ** 2) if len(nodes.n) else 0.0


def _choose(tried: Sequence[TriedMap], n: FloatArray) -> TriedMap | None:
    proven = [each for each in tried if each.is_proven]
    best = min(proven, key=lambda each: each.difference or 0.0, default=None)
    if best is None:
        return None
    return next((each for each in proven if each is best or _is_tied(each, best, n)), best)


def _is_tied(one: TriedMap, best: TriedMap, n: FloatArray) -> bool:
    if one.differences is None or best.differences is None or len(n) < _FEWEST:
        return False
    gap = one.differences - best.differences
    mean = float(gap.sum() / n.sum())
    residual = gap - n * mean
    se = float(np.sqrt(len(n) / (len(n) - 1) * (residual @ residual))) / float(n.sum())
    return mean <= se


_FEWEST: Final = 5
"""Windows from which a standard error is used."""
