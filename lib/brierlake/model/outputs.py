"""What a model has predicted, read as P(positive class) of each row: the forms that are known, and words on others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from brierlake.config import Label
from brierlake.errors import listed

Floats = NDArray[np.float64]

_READ = "Read are a probability for each row, or a column for each class, as an array, list, Series, DataFrame or dict"
_APART = 0.01
"""How far from 1 the probabilities of yes and no can add up by rounding."""


class NotAProbabilityError(ValueError):
    """What the model gives can't be read as the probability of the positive class; the message says why."""


def read_output(output: Any, *, positive_class: Label, rows: int | None = None) -> Floats:
    """Return the positive class's values out of what a model that names no classes has predicted.

    One value a row is the probability of class 1 (so that 0 or False means one minus it); of several columns, the one
    that has the class's name, or its number from 0. Values with an index are put into the order of the rows.

    Args:
        output: An array, list, Series, DataFrame, dict of columns, or list of dicts.
        positive_class: As in the config.
        rows: Count of the rows that the model was given, numbered from 0.

    Raises:
        NotAProbabilityError: Labels, a class that can't be told among the columns, or rows that can't be told apart.
    """
    names, columns = _columns(output, rows)
    if len(columns) > 1:
        return _numbers(_in_order(columns[_column_index(names, len(columns), positive_class)], rows))
    single = _numbers(_in_order(columns[0], rows))
    if positive_class in (0, False):
        return 1.0 - single
    if positive_class in (1, True) or (names is not None and positive_class in names):
        return single
    message = (
        "the model gives one value a row and doesn't name its classes, so it is taken as the probability of 1: set "
        f"model.positive_class to 1 (or 0 for the opposite) instead of {positive_class!r}"
    )
    raise NotAProbabilityError(message)


def gives_one_value(output: Any, *, positive_class: Label, rows: int) -> bool:
    """Whether there is one value a row, of which nothing says that it is the positive class's."""
    names, columns = _columns(output, rows)
    return len(columns) == 1 and (names is None or positive_class not in names)


def read_class(output: Any, k: int, *, classes: Sequence[Any], rows: int) -> Floats:
    """Return the values of the k-th class out of what `predict_proba` gives."""
    _refuse_tables(output)
    if isinstance(output, pd.DataFrame) and output.shape[1] == len(classes):
        known = list(output.columns)
        # by name where the columns have the names of the classes, in whatever order
        column = known.index(classes[k]) if set(known) == set(classes) else k
        return np.asarray(_in_order(output.iloc[:, column], rows), dtype=np.float64)
    if not isinstance(output, np.ndarray):
        output = np.asarray(output)
    if output.ndim != 2 or output.shape[1] != len(classes):
        message = f"predict_proba gives an array of shape {output.shape} for {len(classes)} classes"
        raise NotAProbabilityError(message)
    if len(classes) == 2 and (np.abs(output.sum(axis=1) - 1) > _APART).mean() > 0.5:
        raise multi_label_error(2)
    column_k: Floats = output[:, k].astype(np.float64, copy=False)
    return column_k


def multi_label_error(count: int) -> NotAProbabilityError:
    return NotAProbabilityError(
        f"the model answers {count} questions at once (a multi-label classifier, each label with probabilities of its "
        "own), and one probability a row is wanted: log the classifier of the wanted label by itself, or a "
        "PythonModel that returns this label's probability"
    )


def _columns(output: Any, rows: int | None) -> tuple[list[Any] | None, list[Any]]:
    """Return the columns of an output, and their names where it has any."""
    output = _refuse_tables(_from_records(output))
    if isinstance(output, pd.DataFrame):
        names, columns = list(output.columns), [output.iloc[:, k] for k in range(output.shape[1])]
    elif isinstance(output, Mapping):
        names, columns = list(output), list(output.values())
    else:
        return None, _of_array(_array(_in_order(output, rows)), rows)
    _refuse_chosen(names)
    if len(columns) == 1 and np.ndim(columns[0]) == 2:
        return _columns(columns[0], rows)
    if not columns:
        raise NotAProbabilityError(f"the model gives a table without columns. {_READ}")
    return names, columns


def _of_array(values: NDArray[Any], rows: int | None) -> list[Any]:
    if rows == 1 and (values.ndim == 0 or (values.ndim == 1 and len(values) > 1)):
        values = values.reshape(1, -1)  # a model that squeezes its output gives less for a single row
    if values.ndim == 1:
        return [values]
    if values.ndim == 2 and values.shape[1]:
        return list(values.T)
    message = f"the model gives an array of shape {values.shape}, not a probability a row. {_READ}"
    raise NotAProbabilityError(message)


def _from_records(output: Any) -> Any:
    """Return a table in place of a list of dicts, or of a Series, array or single column of dicts."""
    if isinstance(output, pd.DataFrame) and output.shape[1] == 1:
        inner = output.iloc[:, 0]
        return _from_records(inner) if _first(inner) is not None else output
    first = _first(output)
    if first is None:
        return output
    if not isinstance(first, Mapping):
        _refuse_chosen(list(first[0]))
        return output
    _refuse_chosen(list(first))
    index = output.index if isinstance(output, pd.Series) else None
    return pd.DataFrame([each if isinstance(each, Mapping) else {} for each in output], index=index)


def _first(output: Any) -> Any:
    """Return the first record, or list of records, where these are what an output consists of."""
    if not isinstance(output, (list, tuple)) and str(getattr(output, "dtype", "")) != "object":
        return None
    first = next((each for each in output if each is not None), None)
    is_list = isinstance(first, (list, tuple)) and len(first) > 0 and isinstance(first[0], Mapping)
    return first if is_list or isinstance(first, Mapping) else None


def _refuse_chosen(names: list[Any]) -> None:
    if {"label", "score"} <= {str(name).lower() for name in names}:
        message = (
            "the model gives {label, score} records: the score is that of the label which it chose, not the "
            "probability of the positive class in every row. Log one that returns that probability. "
            f"{_READ}; a score that is always the positive class's needs another name"
        )
        raise NotAProbabilityError(message)


def _refuse_tables(output: Any) -> Any:
    """Refuse a list with a table for each label; of a single table, the list falls away."""
    if not isinstance(output, (list, tuple)) or not output or any(_dimensions(each) != 2 for each in output):
        return output
    if len(output) > 1:
        raise multi_label_error(len(output))
    return output[0]


def _dimensions(value: Any) -> int:
    return value.ndim if isinstance(value, (np.ndarray, pd.DataFrame)) else 0


def _in_order(values: Any, rows: int | None) -> Any:
    """Return values with an index in the order of the rows; what has none is taken to be in it."""
    if not isinstance(values, pd.Series) or (rows is not None and len(values) != rows):
        return values  # that there are too many or too few is told of the rows
    count = len(values)
    if values.index.equals(pd.RangeIndex(count)):
        return values
    if values.index.is_unique and set(values.index) == set(range(count)):
        return values.iloc[np.argsort(values.index.to_numpy())]
    message = (
        "the model gives its values under an index of its own (it begins with "
        f"{listed(repr(each) for each in values.index[:3])}), so it can't be told whose each is: return them "
        "under the index of the rows that it was given, or as an array in their order"
    )
    raise NotAProbabilityError(message)


def _array(output: Any) -> NDArray[Any]:
    try:
        array = np.asarray(output)
        return _unboxed(array) if array.dtype == object else array
    except ValueError as error:
        raise NotAProbabilityError(f"the model gives rows of different lengths. {_READ}") from error


def _unboxed(array: NDArray[Any]) -> NDArray[Any]:
    filled = [np.nan if each is None or each is pd.NA else each for each in array.reshape(-1).tolist()]
    if any(isinstance(each, str) for each in filled):
        return array.astype(str)
    # each may be a list itself: a row's probabilities in one cell
    return np.asarray(filled, dtype=None).reshape(*array.shape, *np.shape(filled)[1:])


def _numbers(values: Any) -> Floats:
    array = _array(values)
    if array.dtype.kind in "iubSU":
        message = (
            "the model gives labels, not probabilities: log one that gives the probability "
            "(sklearn: any classifier with predict_proba; a PythonModel: return it as float)"
        )
        raise NotAProbabilityError(message)
    if array.ndim != 1:
        raise NotAProbabilityError(f"the model gives a column of shape {array.shape}. {_READ}")
    if array.dtype.kind not in "fO":
        raise NotAProbabilityError(f"the model gives values of type {array.dtype}, not numbers. {_READ}")
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        kind = type(array[0]).__name__
        raise NotAProbabilityError(f"the model gives values of type {kind}, not numbers. {_READ}") from error


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
