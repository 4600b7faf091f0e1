"""Where a loaded model keeps P(positive class), whatever flavor it was logged with. Runs on driver and executors."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from brierlake.config import Label
from brierlake.errors import listed
from brierlake.model.missing import missing_text

Floats = NDArray[np.float64]

_KERAS_BATCH = 1024


class NotAProbabilityError(ValueError):
    """What the model gives can't be read as the probability of the positive class; the message says why."""


@dataclass(frozen=True)
class Source:
    """How the probability of the positive class is had from a model."""

    score: Callable[[Any], Floats]
    """Model input -> one value a row, not yet checked."""
    described: str
    has_classes: bool
    """True: the model names its classes and gives a probability for each, so values can't be labels or logits."""
    missing_text: float | None = None
    """What the model knows as missing text: None or NaN."""
    is_read_by_row: bool = False
    """The model walks through each row: a tenth faster where a row lies together in memory."""
    at_work: Callable[[], AbstractContextManager[None]] = nullcontext
    """To be entered around whatever runs the model's code."""


def probability_source(model: Any, *, positive_class: Label) -> Source:
    """Returns where the probability of the positive class is in a loaded pyfunc model.

    Raises:
        NotAProbabilityError: The positive class isn't among those that the model names, or it gives labels only.
    """
    raw = _raw_model(model)
    classes = getattr(raw, "classes_", None)
    if hasattr(raw, "predict_proba") and classes is not None:
        k = _class_index(list(classes), positive_class)

        def by_class(data: Any) -> Floats:
            return _by_class(raw.predict_proba(data), k, count=len(classes))

        described = f"predict_proba, class {positive_class!r} ({k + 1} of {len(classes)})"
        is_read_by_row = type(raw).__name__ == "HistGradientBoostingClassifier"
        return Source(
            by_class, described, has_classes=True, missing_text=missing_text(raw), is_read_by_row=is_read_by_row
        )
    if classes is not None:
        message = (
            f"{type(raw).__name__} gives labels only: log a model with predict_proba "
            "(for example wrapped in sklearn's CalibratedClassifierCV)"
        )
        raise NotAProbabilityError(message)

    predict = _quiet_predict(raw) if _is_keras(raw) else model.predict

    def by_output(data: Any) -> Floats:
        return read_output(predict(data), positive_class=positive_class)

    described = f"the model's output, as the probability of {positive_class!r}"
    return Source(by_output, described, has_classes=False, missing_text=missing_text(raw))


def _raw_model(model: Any) -> Any:
    try:
        return model.get_raw_model()
    except NotImplementedError:
        return None


def _is_keras(raw: Any) -> bool:
    return any(each.__name__ == "Model" and each.__module__.startswith("keras.") for each in type(raw).__mro__)


def _quiet_predict(raw: Any) -> Callable[[Any], Any]:
    """Keras draws a progress bar a batch, from threads of its own that its logging switch doesn't reach."""
    return lambda data: raw.predict(np.asarray(data), verbose=0, batch_size=_KERAS_BATCH)


def _class_index(classes: list[Any], positive_class: Label) -> int:
    known = [each.item() if isinstance(each, np.generic) else each for each in classes]
    if positive_class in known:
        return known.index(positive_class)
    alike = [each for each in known if str(each) == str(positive_class)]
    hint = f" Did you mean {alike[0]!r}, of type {type(alike[0]).__name__}?" if alike else ""
    message = (
        f"the model's classes are {listed(repr(each) for each in known)}, and the positive class {positive_class!r} "
        f"is none of them: set model.positive_class to one.{hint}"
    )
    raise NotAProbabilityError(message)


def _by_class(output: Any, k: int, *, count: int) -> Floats:
    if not isinstance(output, np.ndarray):
        output = np.asarray(output)
    if output.ndim != 2 or output.shape[1] != count:
        message = f"predict_proba gives an array of shape {output.shape} for {count} classes"
        raise NotAProbabilityError(message)
    column: Floats = output[:, k].astype(np.float64, copy=False)
    return column


def read_output(output: Any, *, positive_class: Label) -> Floats:
    """Returns the positive class's values out of what a model that names no classes has predicted.

    One value a row is the probability of class 1 (so that 0 or False means one minus it); of several columns, the one
    that has the class's name, or its number from 0.

    Raises:
        NotAProbabilityError: Labels, or a class that can't be told among the columns.
    """
    if isinstance(output, Mapping):
        output = pd.DataFrame(dict(output))
    names = list(output.columns) if isinstance(output, pd.DataFrame) else None
    if names is not None and len(names) > 1:
        return _numbers(output.iloc[:, _column_index(names, len(names), positive_class)])
    values = _numbers(output)
    if values.ndim == 2 and values.shape[1] > 1:
        return values[:, _column_index(None, values.shape[1], positive_class)]
    if values.ndim > 2 or values.ndim == 0:
        message = f"the model gives an array of shape {values.shape}, not a probability a row"
        raise NotAProbabilityError(message)
    single = values.reshape(-1)
    if positive_class in (0, False):
        return 1.0 - single
    if positive_class in (1, True) or (names is not None and positive_class in names):
        return single
    message = (
        "the model gives one value a row and doesn't name its classes, so it is taken as the probability of 1: set "
        f"model.positive_class to 1 (or 0 for the opposite) instead of {positive_class!r}"
    )
    raise NotAProbabilityError(message)


def _numbers(output: Any) -> Floats:
    array = np.asarray(output)
    if array.dtype == object:
        array = _unboxed(array)
    if array.dtype.kind in "iubSU":
        message = (
            "the model gives labels, not probabilities: log one that gives the probability "
            "(sklearn: any classifier with predict_proba; a PythonModel: return it as float)"
        )
        raise NotAProbabilityError(message)
    return array.astype(np.float64, copy=False)


def _unboxed(array: NDArray[Any]) -> NDArray[Any]:
    filled = [np.nan if each is None else each for each in array.reshape(-1).tolist()]
    if any(isinstance(each, str) for each in filled):
        return array.astype(str)
    return np.asarray(filled, dtype=None).reshape(array.shape)


def _column_index(names: list[Any] | None, count: int, positive_class: Label) -> int:
    if names is not None and positive_class in names:
        return names.index(positive_class)
    is_numbered = names is None or names == list(range(count))
    if is_numbered and not isinstance(positive_class, str) and float(positive_class).is_integer():
        k = int(positive_class)
        if 0 <= k < count:
            return k
    known = (
        f"columns numbered 0 to {count - 1}" if is_numbered else f"columns {listed(repr(each) for each in names or [])}"
    )
    message = (
        f"the model gives {known}, and the positive class {positive_class!r} is none of them: "
        "set model.positive_class to the one that holds the wanted probability"
    )
    raise NotAProbabilityError(message)
