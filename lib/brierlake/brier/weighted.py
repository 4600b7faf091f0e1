"""Brier scores of rows in memory that cells don't carry: weighted, and of several classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brierlake.brier.grid import FloatArray


@dataclass(frozen=True)
class WeightedBrier:
    """`brier` is 0 to 1, smaller is better; `skill` up to 1, against the weighted base rate, None for one class."""

    brier: float
    skill: float | None


def weighted_brier(probability: npt.ArrayLike, outcome: npt.ArrayLike, *, weight: npt.ArrayLike) -> WeightedBrier:
    """Brier score sum w (p-y)^2 / sum w and its skill; all arrays (N,), outcome 0 or 1.

    Raises:
        ValueError: for a negative weight, or none above 0.
    """
    p, y, w = (np.asarray(values, np.float64) for values in (probability, outcome, weight))
    if np.any(w < 0) or not w.sum() > 0:
        raise ValueError("Weights must be 0 or more, and not all 0.")
    brier, rate = float(w @ (p - y) ** 2 / w.sum()), float(w @ y / w.sum())
    reference = rate * (1 - rate)
    return WeightedBrier(brier, 1 - brier / reference if reference > 0 else None)


@dataclass(frozen=True, eq=False)
class MulticlassBrier:
    """`total` is 0 to 2 (Brier's own scale), smaller is better, and the sum of `by_class` (C,), 0 to 1 each."""

    total: float
    by_class: FloatArray
    skill: float | None


def multiclass_brier(probability: npt.ArrayLike, label: npt.ArrayLike) -> MulticlassBrier:
    """Brier 1950: mean over rows of sum over classes of (p_c - y_c)^2; `probability` (N, C), `label` (N,) in 0..C-1.

    Raises:
        ValueError: for no rows, shapes that don't fit, or a label that names no class.
    """
    p, labels = np.asarray(probability, np.float64), np.asarray(label, np.int64)
    if p.ndim != 2 or labels.shape != p.shape[:1] or not len(labels):
        raise ValueError(f"probability must be (N, C) and label (N,) with N > 0, found {p.shape} and {labels.shape}.")
    if labels.min() < 0 or labels.max() >= p.shape[1]:
        raise ValueError(f"Labels must name classes 0 to {p.shape[1] - 1}, found {labels.min()} to {labels.max()}.")
    y = np.eye(p.shape[1])[labels]
    by_class = np.mean((p - y) ** 2, axis=0)
    rate = y.mean(axis=0)
    reference = float(rate @ (1 - rate))
    total = float(by_class.sum())
    return MulticlassBrier(total, by_class, 1 - total / reference if reference > 0 else None)
