"""The fixed probability grid: which cell a probability lies in, in numpy and as Spark columns.

Cells are right-closed, ``(k-1)/m < p <= k/m``, and their edges are the IEEE doubles ``k/m``. ``m`` is 1,000 on
(.01, .99]; each further decade towards 0 and 1 has 90 cells, down to 1e-9 and up to 1-1e-9. Exact 0 and exact 1 have
cells of their own. The grid depends on no data, so cells of any two runs can be added; and there is no logarithm in
it, so both roads agree to the last bit.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column
from pyspark.sql import functions as F

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

ONE_ID: Final = 10_000_000_001
_UNITS: Final = 10_000_000_000

_TOWARDS_ZERO: Final = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
_TOWARDS_ONE: Final = (0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999, 0.99999999, 0.999999999)
_THRESHOLDS: Final = (*_TOWARDS_ZERO, *_TOWARDS_ONE)
# m up to and including each threshold, and above the last
_SCALES: Final = (1e9, 1e10, 1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e9)
_MIDDLE: Final = _SCALES.index(1e3)
_NEAR_EDGE: Final = 1e-5


def cell_of(probability: FloatArray) -> tuple[IntArray, FloatArray]:
    """The cell's id and its centre for each probability in [0, 1].

    The id is the upper edge in units of 1e-10; 0 means p = 0 and 10^10+1 means p = 1. The centre is the cell's
    midpoint, or p itself for exact 0 and 1.
    """
    scale = np.asarray(_SCALES)[np.searchsorted(_THRESHOLDS, probability, side="left")]
    rough = np.ceil(probability * scale)
    step = rough - (probability <= (rough - 1) / scale) + (probability > rough / scale)
    is_one = probability == 1.0
    ids = np.where(is_one, ONE_ID, (step * (_UNITS / scale)).astype(np.int64))
    is_exact = is_one | (probability == 0.0)
    return ids, np.where(is_exact, probability, (step - 0.5) / scale)


def _all_cells() -> tuple[IntArray, FloatArray]:
    lower_edges = np.concatenate(([0.0], _THRESHOLDS))
    upper_edges = np.concatenate((_THRESHOLDS, [1.0]))
    ids, centres = [np.array([0])], [np.array([0.0])]
    for lower, upper, scale in zip(lower_edges, upper_edges, _SCALES, strict=True):
        steps = np.arange(round(lower * scale) + 1, round(upper * scale) + 1)
        ids.append((steps * (_UNITS / scale)).astype(np.int64))
        centres.append((steps - 0.5) / scale)
    ids.append(np.array([ONE_ID]))
    centres.append(np.array([1.0]))
    return np.concatenate(ids), np.concatenate(centres)


CELL_IDS, CELL_CENTRES = _all_cells()


def rank_of(cell_id: IntArray) -> IntArray:
    """Where in the grid each cell stands, counted from 0 (p = 0); neighbours differ by one.

    Raises:
        ValueError: if an id names no cell of this grid.
    """
    rank = np.minimum(np.searchsorted(CELL_IDS, cell_id), len(CELL_IDS) - 1)
    strangers = np.unique(cell_id[CELL_IDS[rank] != cell_id])
    if strangers.size:
        raise ValueError(f"Not cells of this grid: {strangers[:5].tolist()}; ids come from `compute_cells`.")
    return rank


def display_bin(cell_id: IntArray, bins: int) -> IntArray:
    """The 0-based display bin (10, 20 or 100 equal ones, right-closed, p = 0 in the first) that holds each cell."""
    if bins not in (10, 20, 100):
        raise ValueError(f"{bins} display bins cut through cells; choose 10, 20 or 100.")
    position: IntArray = (np.minimum(cell_id, _UNITS) * bins + _UNITS - 1) // _UNITS - 1
    return np.maximum(position, 0)


def is_edge(probability: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether each value is the upper edge of a cell, 0 and 1 among them."""
    ids, _ = cell_of(probability)
    return np.asarray(np.minimum(ids, _UNITS) / _UNITS == probability, np.bool_)


# The same grid as Spark columns. Chain them as projections (scale, rough step, step, then id and centre):
# nested into one expression each would be computed over and over.


def scale_column(probability: Column) -> Column:
    lower = F.lit(_SCALES[0])
    for threshold, scale in zip(_THRESHOLDS[:_MIDDLE], _SCALES[1:_MIDDLE], strict=False):
        lower = F.when(probability > threshold, scale).otherwise(lower)
    upper = F.lit(_SCALES[-1])
    for threshold, scale in reversed(list(zip(_THRESHOLDS[_MIDDLE + 1 :], _SCALES[_MIDDLE + 1 : -1], strict=True))):
        upper = F.when(probability <= threshold, scale).otherwise(upper)
    below, above = _THRESHOLDS[_MIDDLE - 1], _THRESHOLDS[_MIDDLE]
    is_middle = (probability > below) & (probability <= above)
    return F.when(is_middle, _SCALES[_MIDDLE]).when(probability <= below, lower).otherwise(upper)


def rough_step_column(probability: Column, scale: Column) -> Column:
    return F.ceil(probability * scale)


def step_column(probability: Column, scale: Column, rough: Column) -> Column:
    is_above = (probability > rough / scale).cast("int")
    exact = rough - (probability <= (rough - 1) / scale).cast("int") + is_above
    # a product is off by 1e-6 at the most (at p = 1): further from an edge than this, rounding can't have moved it
    return F.when(F.abs(rough - probability * scale - 0.5) < 0.5 - _NEAR_EDGE, rough).otherwise(exact)


def cell_id_column(probability: Column, scale: Column, step: Column) -> Column:
    inner = (step * (F.lit(float(_UNITS)) / scale)).cast("long")
    return F.when(probability == 1.0, F.lit(ONE_ID)).otherwise(inner)


def centre_of_column(cell_id: Column) -> Column:
    """The centre of a cell by its id; null for null."""
    scale = scale_column(cell_id / F.lit(float(_UNITS)))
    inner = (cell_id / (F.lit(float(_UNITS)) / scale) - 0.5) / scale
    return F.when(cell_id == 0, 0.0).when(cell_id == ONE_ID, 1.0).otherwise(inner)


def centre_column(probability: Column, scale: Column, step: Column) -> Column:
    is_exact = (probability == 0.0) | (probability == 1.0)
    return F.when(is_exact, probability).otherwise((step - 0.5) / scale)
