"""Logistic regression on the nodes of cells, by Newton's method."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from brierlake.brier.grid import FloatArray
from brierlake.brier.nodes import Nodes


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Intercept and slopes (k+1,) of the maximum of the likelihood, their covariance (k+1, k+1), and the loss there."""

    coefficients: FloatArray
    covariance: FloatArray
    loss: float


def fit_logistic(columns: FloatArray, nodes: Nodes) -> LogisticFit | None:
    """Regress the nodes' outcomes on columns (k, M); None where it doesn't converge, or a column is constant."""
    n, y = nodes.n, nodes.outcome
    middle = columns @ n / n.sum()
    scale = np.sqrt((columns - middle[:, None]) ** 2 @ n / n.sum())
    if np.any(scale == 0):
        return None
    design = np.vstack((np.ones(len(n)), (columns - middle[:, None]) / scale[:, None]))

    def loss(beta: FloatArray) -> float:
        eta = beta @ design
        return float(n @ (np.logaddexp(0.0, eta) - y * eta))

    rate = float(n @ y) / float(n.sum())
    constant = np.concatenate(([np.log(rate / (1 - rate))], np.zeros(len(scale))))
    as_it_is = np.concatenate(([middle.sum()], scale))  # slopes of 1
    beta = min((as_it_is, constant), key=loss)
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
    unscaled = np.diag(np.concatenate(([1.0], 1 / scale)))
    unscaled[0, 1:] = -middle / scale
    return LogisticFit(unscaled @ beta, unscaled @ np.linalg.inv(information) @ unscaled.T, current)
