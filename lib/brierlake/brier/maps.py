"""Maps that mend a probability: shift, Platt's, beta and isotonic, fitted on labelled rows or on their cells."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from brierlake.brier.corp import fit_isotonic
from brierlake.brier.cox import calibration_in_the_large, cox_fit
from brierlake.brier.grid import FloatArray
from brierlake.brier.logistic import fit_logistic
from brierlake.brier.meaning import count_rarer
from brierlake.brier.nodes import place_nodes
from brierlake.brier.tally import Tally, tally_distinct

MapKind = Literal["shift", "platt", "beta", "isotonic"]
MAP_KINDS: Final[tuple[MapKind, ...]] = get_args(MapKind)
"""From the fewest parameters to the most."""
FEWEST_TO_FIT: Final = 10
_FORMAT: Final = 1


@dataclass(frozen=True)
class CalibrationMap:
    """A map from a model's probability to a better one.

    `status` is ok, or why there is none: no_labels, one_class, few_events (fewer than 10 of either outcome),
    constant_probability, separation, unresolved_tail, decreasing, not_converged.
    """

    kind: MapKind
    status: str = "ok"
    parameters: Mapping[str, float] = field(default_factory=dict)
    """shift: a; platt: a and b; beta: c, a and b; isotonic: none."""
    knots: tuple[tuple[float, float], ...] = ()
    """Of an isotonic map: mean probability and event rate of each block, in order; straight lines between them."""
    zero: float = 0.0
    """What a smooth map makes of exactly 0: itself, or the rate of such rows where events contradict it."""
    one: float = 1.0

    def apply(self, probability: npt.ArrayLike) -> FloatArray:
        """Map probabilities of any shape; NaN stays NaN.

        Raises:
            ValueError: The map could not be fitted, or a probability lies outside [0, 1].
        """
        if self.status != "ok":
            raise ValueError(f"There is no {self.kind} map to apply: {self.status}.")
        p = np.asarray(probability, np.float64)
        if np.any((p < 0) | (p > 1)):
            raise ValueError("probability must lie in [0, 1].")
        if self.kind == "isotonic":
            x, y = np.array(self.knots).T
            return np.asarray(np.interp(p, x, y), np.float64)
        is_inner = (p > 0) & (p < 1)
        inner = np.where(is_inner, p, 0.5)
        mapped = expit(self._score(np.log(inner), np.log1p(-inner)))
        return np.where(is_inner, mapped, np.where(p == 0, self.zero, np.where(p == 1, self.one, np.nan)))

    def _score(self, log_p: FloatArray, log_q: FloatArray) -> FloatArray:
        """The mapped probability's logit, from the logarithms of p and 1 - p."""
        of = self.parameters
        if self.kind == "beta":
            return of["c"] + of["a"] * log_p - of["b"] * log_q
        return of["a"] + of.get("b", 1.0) * (log_p - log_q)

    def to_json(self) -> str:
        """Return it as JSON text whose numbers keep all their digits."""
        content = {"format": _FORMAT, **vars(self), "parameters": dict(self.parameters)}
        return json.dumps(content, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "CalibrationMap":
        """Read what `to_json` wrote; fields that it doesn't know are left out.

        Raises:
            ValueError: It is no such text, or of a newer format.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            if content["format"] > _FORMAT or content["kind"] not in MAP_KINDS:
                raise ValueError(f"format {content['format']}, kind {content['kind']!r}: a newer brierlake wrote it.")
            knots = tuple((float(x), float(y)) for x, y in content["knots"])
            names = ("kind", "status", "parameters", "zero", "one")
            return cls(**{name: content[name] for name in names}, knots=knots)
        except (KeyError, TypeError) as error:
            raise ValueError(f"This is no calibration map: {text[:100]!r}.") from error


def fit_map(probability: npt.ArrayLike, outcome: npt.ArrayLike, *, kind: MapKind) -> CalibrationMap:
    """Fit a map on rows: `probability` (N,) in [0, 1], NaN = not scored; `outcome` (N,) 0, 1 or NaN = no label.

    shift: logit^-1(logit p + a). platt: logit^-1(a + b logit p), Cox's line. beta: logit^-1(c + a ln p - b ln(1-p))
    with a, b >= 0 (Kull, Silva Filho and Flach 2017). All three by maximum likelihood. isotonic: pooled adjacent
    violators, linear between the blocks' means, constant outside. Rows of exactly 0 or 1 carry no weight in the first
    three.

    Raises:
        ValueError: For an unknown kind, a probability outside [0, 1], another outcome, or arrays that differ in length.
    """
    return fit_map_to_cells(tally_distinct(probability, outcome), kind=kind)


def fit_map_to_cells(tally: Tally, *, kind: MapKind) -> CalibrationMap:
    """Fit the same on a tally of cells.

    Raises:
        ValueError: For an unknown kind.
    """
    if kind not in MAP_KINDS:
        raise ValueError(f"kind must be one of {', '.join(MAP_KINDS)}, not {kind!r}.")
    if not tally.labelled_count:
        return CalibrationMap(kind, "no_labels")
    if not 0 < tally.event_count < tally.labelled_count:
        return CalibrationMap(kind, "one_class")
    if count_rarer(tally.labelled_count, tally.event_count) < FEWEST_TO_FIT:
        return CalibrationMap(kind, "few_events")
    rows = tally.only_labelled
    return _fit_isotonic(rows) if kind == "isotonic" else _fit_smooth(rows, kind)


def _fit_isotonic(rows: Tally) -> CalibrationMap:
    n, total = rows.labelled.n, rows.labelled.n * rows.labelled.probability
    fit = fit_isotonic(n, rows.events.n)
    starts = fit.starts[:-1]
    means = np.add.reduceat(total, starts) / np.add.reduceat(n, starts)
    knots = tuple(zip(np.clip(means, 0.0, 1.0).tolist(), fit.fitted[starts].tolist(), strict=True))
    return CalibrationMap("isotonic", knots=knots)


def _fit_smooth(rows: Tally, kind: MapKind) -> CalibrationMap:
    inner = _without_ends(rows)
    status, parameters = _FITS[kind](inner)
    if status != "ok":
        return CalibrationMap(kind, status)
    zero, one = _rate_at(rows, 0.0), _rate_at(rows, 1.0)
    return CalibrationMap(kind, parameters=parameters, zero=zero or 0.0, one=1.0 if one is None else one)


def _without_ends(rows: Tally) -> Tally:
    keep = (rows.centre > 0) & (rows.centre < 1)
    return Tally(rows.cell_id[keep], rows.centre[keep], rows.n[:, keep], rows.sums[:, :, keep])


def _rate_at(rows: Tally, end: float) -> float | None:
    """Event rate of the rows of exactly 0 or 1; None: there are none."""
    at = rows.centre == end
    n = int(rows.labelled.n[at].sum())
    return float(rows.events.n[at].sum()) / n if n else None


def _fit_shift(rows: Tally) -> tuple[str, dict[str, float]]:
    shift = calibration_in_the_large(rows)
    return ("one_class", {}) if shift is None else ("ok", {"a": shift})


def _fit_platt(rows: Tally) -> tuple[str, dict[str, float]]:
    fit = cox_fit(rows)
    if fit.intercept is None or fit.slope is None:
        return fit.status, {}
    return ("ok", {"a": fit.intercept, "b": fit.slope}) if fit.slope > 0 else ("decreasing", {})


def _fit_beta(rows: Tally) -> tuple[str, dict[str, float]]:
    obstacle = cox_fit(rows).status
    if obstacle not in ("ok", "few_events"):
        return obstacle, {}
    nodes = place_nodes(rows)
    log_p, log_q = np.log(nodes.probability), -np.log(nodes.complement)
    columns = {"a": log_p, "b": log_q}
    best: tuple[float, dict[str, float]] | None = None
    for free in (("a", "b"), ("a",), ("b",), ()):
        found = fit_logistic(np.array([columns[name] for name in free]).reshape(len(free), len(log_p)), nodes)
        if found is None or np.any(found.coefficients[1:] < 0):
            continue
        fitted = dict(zip(("c", *free), found.coefficients.tolist(), strict=True))
        if best is None or found.loss < best[0]:
            best = found.loss, {"c": 0.0, "a": 0.0, "b": 0.0, **fitted}
        if free == ("a", "b"):
            break  # the maximum without bounds lies within them
    if best is None:
        return "not_converged", {}
    return ("ok", best[1]) if best[1]["a"] > 0 or best[1]["b"] > 0 else ("decreasing", {})


_FITS: Final = {"shift": _fit_shift, "platt": _fit_platt, "beta": _fit_beta}
