"""Whether a scikit-learn model was trained with NaN or None for missing text, which its encoders tell apart."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np


def missing_text(model: Any) -> float | None:
    """Return what the encoders and imputers inside a model know as missing text; None unless all agree on NaN.

    Spark hands over None. An encoder that learned NaN takes None for an unknown category, and an imputer for NaN
    leaves None as it is, both without a word.
    """
    markers = [_is_nan(marker) for part in parts(model) for marker in _markers(part)]
    return math.nan if markers and all(markers) else None


def _markers(part: Any) -> Iterator[Any]:
    for categories in getattr(part, "categories_", None) or ():
        if _holds_objects(categories):
            yield from (each for each in categories if each is None or _is_nan(each))
    if hasattr(part, "missing_values") and _holds_objects(getattr(part, "statistics_", None)):
        yield part.missing_values


def parts(model: Any) -> Iterator[Any]:
    """Walk through the estimators of a pipeline, column transformer or meta-estimator."""
    waiting, seen = [model], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, (list, tuple)):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif hasattr(each, "get_params") and not isinstance(each, type):
            yield each
            waiting.extend(vars(each).values())


def _holds_objects(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "O"


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)
