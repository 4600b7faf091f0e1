"""Nulls of whole numbers travel as bits of one more column: with a null in it, pandas makes a column of doubles.

That is, with a null anywhere in a batch, all its other rows would lose what is beyond 2^53.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from brierlake.names import internal

Flags = NDArray[np.bool_]

_BITS = 62


def mask_names(count: int) -> list[str]:
    """Return the names of the columns that hold the bits of so many features."""
    return [internal(f"nulls_{k}") for k in range(-(-count // _BITS))]


def without_nulls(arriving: Mapping[str, Column], masked: Sequence[str]) -> dict[str, Column]:
    """Return columns with 0 for the nulls of masked ones, and after them those that say where the nulls were."""
    filled = {
        name: F.coalesce(column, F.lit(0).cast("bigint")) if name in masked else column
        for name, column in arriving.items()
    }
    masks = {
        name: reduce(add, (F.when(arriving[each].isNull(), 1 << k).otherwise(0).cast("bigint") for k, each in bits))
        for name, bits in _dealt(masked)
    }
    return filled | masks


def masks_of(absent: Mapping[str, Flags]) -> dict[str, NDArray[np.int64]]:
    """Return the columns of bits (rows,) for features of which it is known where they are null."""
    return {
        name: reduce(add, (absent[each].astype(np.int64) << k for k, each in bits))
        for name, bits in _dealt(list(absent))
    }


def absent_in(masks: pd.DataFrame, masked: Sequence[str]) -> dict[str, Flags]:
    """Return for each masked feature that is null anywhere in these columns of bits, in which rows."""
    found: dict[str, Flags] = {}
    for at, (_, bits) in enumerate(_dealt(masked)):
        values = masks.iloc[:, at].to_numpy(dtype=np.int64)
        if values.any():
            found |= {each: (values >> k & 1).astype(np.bool_) for k, each in bits}
    return {name: flags for name, flags in found.items() if flags.any()}


def _dealt(masked: Sequence[str]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Return each column of bits with its features and their bits."""
    return [
        (name, list(enumerate(masked[k * _BITS : (k + 1) * _BITS]))) for k, name in enumerate(mask_names(len(masked)))
    ]
