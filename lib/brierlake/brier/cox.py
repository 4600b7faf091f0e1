"""Cox's recalibration: logit P(y=1) = intercept + slope * logit p, fitted by Newton's method on cells."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from brierlake.brier.grid import FloatArray
from brierlake.brier.meaning import events_status
from brierlake.brier.nodes import Nodes, place_nodes
from brierlake.brier.scores import surprise
from brierlake.brier.tally import Tally

_NO_INTERCEPT: Final = ("no_labels", "one_class", "impossible_outcome", "unresolved_tail", "no_interior_probability")


@dataclass(frozen=True)
class CoxFit:
    """Ideal: intercept 0 and slope 1. All numbers are None unless `status` is `ok` or `few_events`."""

    intercept: float | None
    slope: float | None
    intercept_se: float | None
    slope_se: float | None
    status: str


def cox_fit(tally: Tally) -> CoxFit:
    """Fit intercept and slope (Cox 1958); rows with p of exactly 0 or 1 that agree with their outcome carry no weight.

    Events and non-events of a cell enter as two points each, so that a slope is right to third order within cells.
    No number is given, but a status, where the maximum of the likelihood doesn't exist or can't be told from cells:
    one class, an event at p = 0 or below 1e-9 (or the mirror of it), constant p, classes that a threshold separates.
    """
    status = find_obstacle(tally)
    if status is not None:
        return CoxFit(None, None, None, None, status)
    points = place_nodes(tally)
    result = _newton(points)
    if result is None:
        return CoxFit(None, None, None, None, "not_converged")
    return CoxFit(*result, events_status(tally.labelled_count, tally.event_count))


def calibration_in_the_large(tally: Tally) -> float | None:
    """Cox's intercept with the slope held at 1, ideally 0; None where it doesn't exist."""
    if find_obstacle(tally) in _NO_INTERCEPT:
        return None
    points = place_nodes(tally)
    shift = 0.0
    for _ in range(50):
        fitted = expit(points.logit + shift)
        step = float(points.n @ (points.outcome - fitted)) / float(points.n @ (fitted * (1 - fitted)))
        shift += np.clip(step, -2.0, 2.0)
        if abs(step) < 1e-12:
            break
    return float(shift)


def find_obstacle(tally: Tally) -> str | None:
    """Why no line can be fitted; None: it can."""
    if not tally.labelled_count:
        return "no_labels"
    if not 0 < tally.event_count < tally.labelled_count:
        return "one_class"
    unlikely = surprise(tally)
    if unlikely is not None:
        return unlikely
    points = place_nodes(tally)
    if not len(points.n):
        return "no_interior_probability"
    if points.outcome.min() == points.outcome.max():
        return "one_class"
    if points.cell.min() == points.cell.max():
        return "constant_probability"
    zeros, ones = points.cell[points.outcome == 0], points.cell[points.outcome == 1]
    if zeros.max() <= ones.min() or ones.max() <= zeros.min():
        return "separation"
    return None


def _newton(points: Nodes) -> tuple[float, float, float, float] | None:
    n, y = points.n, points.outcome
    middle = float(n @ points.logit) / float(n.sum())
    scale = float(np.sqrt(n @ (points.logit - middle) ** 2 / n.sum()))
    design = np.stack((np.ones_like(points.logit), (points.logit - middle) / scale))

    def loss(beta: FloatArray) -> float:
        eta = beta @ design
        return float(n @ (np.logaddexp(0.0, eta) - y * eta))

    rate = float(n @ y) / float(n.sum())
    beta = min((np.array([middle, scale]), np.array([np.log(rate / (1 - rate)), 0.0])), key=loss)
    current = loss(beta)
    for _ in range(100):
        fitted = expit(beta @ design)
        information = (design * (n * fitted * (1 - fitted))) @ design.T
        if np.linalg.det(information) <= 0:
            return None
        step = np.linalg.solve(information, design @ (n * (y - fitted)))
        size = 1.0
        while loss(beta + size * step) > current + 1e-12 * abs(current) and size > 1e-6:
            size /= 2
        beta = beta + size * step
        current = loss(beta)
        if float(np.max(np.abs(step))) < 1e-10:
            break
    else:
        return None
    covariance = np.linalg.inv(information)
    slope = beta[1] / scale
    to_intercept = np.array([1.0, -middle / scale])
    intercept_se = float(np.sqrt(to_intercept @ covariance @ to_intercept))
    return float(beta[0] - slope * middle), float(slope), intercept_se, float(np.sqrt(covariance[1, 1])) / scale
