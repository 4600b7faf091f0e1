"""Cox's recalibration: logit P(y=1) = intercept + slope * logit p, fitted by Newton's method on cells."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from brierlake.brier.logistic import fit_logistic
from brierlake.brier.meaning import events_status
from brierlake.brier.nodes import place_nodes
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
    found = fit_logistic(points.logit[None, :], points)
    if found is None:
        return CoxFit(None, None, None, None, "not_converged")
    intercept, slope = found.coefficients.tolist()
    intercept_se, slope_se = np.sqrt(np.diag(found.covariance)).tolist()
    status = events_status(tally.labelled_count, tally.event_count)
    return CoxFit(intercept, slope, intercept_se, slope_se, status)


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
