"""Where a loaded model keeps P(positive class), whatever flavor it was logged with. Runs on driver and executors."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from brierlake.config import Label
from brierlake.errors import listed
from brierlake.model.categories import find_categories
from brierlake.model.missing import missing_text, parts
from brierlake.model.outputs import (
    Floats,
    NotAProbabilityError,
    gives_one_value,
    multi_label_error,
    read_class,
    read_output,
)

_KERAS_BATCH = 1024


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
    is_nameless: Callable[[Any], bool] = lambda _: False
    """Model input -> whether the model gives one value a row, and nothing says which class it belongs to."""
    at_work: Callable[[], AbstractContextManager[None]] = nullcontext
    """To be entered around whatever runs the model's code."""


def probability_source(model: Any, *, positive_class: Label) -> Source:
    """Return where the probability of the positive class is in a loaded pyfunc model.

    Raises:
        NotAProbabilityError: The positive class isn't among those that the model names, or it gives labels only.
    """
    raw = _raw_model(model)
    categories = find_categories(raw)
    coded = categories.coded if categories else _as_it_is
    classes = getattr(raw, "classes_", None)
    if hasattr(raw, "predict_proba") and classes is not None:
        known = _known_classes(raw, classes)
        k = _class_index(known, positive_class)

        def by_class(data: Any) -> Floats:
            return read_class(raw.predict_proba(coded(data)), k, classes=known, rows=len(data))

        described = f"predict_proba, class {positive_class!r} ({k + 1} of {len(known)})"
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

    run = _quiet_predict(raw) if _is_keras(raw) else model.predict
    if categories and categories.predict:
        run = categories.predict

    def predict(data: Any) -> Any:
        return run(coded(data))

    def by_output(data: Any) -> Floats:
        return read_output(predict(data), positive_class=positive_class, rows=len(data))

    def is_nameless(data: Any) -> bool:
        return gives_one_value(predict(data), positive_class=positive_class, rows=len(data))

    described = f"the model's output, as the probability of {positive_class!r}"
    return Source(by_output, described, has_classes=False, missing_text=missing_text(raw), is_nameless=is_nameless)


def _as_it_is(data: Any) -> Any:
    return data


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


def _known_classes(raw: Any, classes: Any) -> list[Any]:
    """Return the classes of a model that answers one question."""
    known = [each.item() if isinstance(each, np.generic) else each for each in classes]
    is_listed = any(isinstance(each, (list, tuple, np.ndarray)) for each in known)
    count = len(known) if is_listed else max((_label_count(part, len(known)) for part in parts(raw)), default=1)
    if count > 1 or is_listed:
        raise multi_label_error(count)
    return known


def _label_count(part: Any, count: int) -> int:
    """Return how many labels a row can have at once, where classes are the numbers of labels."""
    if type(part).__module__.startswith("xgboost.") and hasattr(part, "get_booster"):
        learner = json.loads(part.get_booster().save_config())["learner"]
        return int(learner["learner_model_param"].get("num_target", 1))
    kind = getattr(getattr(part, "_label_binarizer", None), "y_type_", "")
    return count if getattr(part, "multilabel_", False) is True or str(kind).startswith("multilabel") else 1


def _class_index(known: list[Any], positive_class: Label) -> int:
    if positive_class in known:
        return known.index(positive_class)
    alike = [each for each in known if str(each) == str(positive_class)]
    hint = f" Did you mean {alike[0]!r}, of type {type(alike[0]).__name__}?" if alike else ""
    message = (
        f"the model's classes are {listed(repr(each) for each in known)}, and the positive class {positive_class!r} "
        f"is none of them: set model.positive_class to one.{hint}"
    )
    raise NotAProbabilityError(message)
