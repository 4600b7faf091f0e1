"""For training code: log the true Brier of P(positive class), and the order of the features."""

import json
import warnings
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from mlflow.data.dataset import Dataset

FEATURES_TAG = "brierlake.features"
TRAINED_UNTIL_TAG = "brierlake.trained_until"
RECALIBRATES_TAG = "brierlake.recalibrates"
RECALIBRATED_LOADER = "brierlake.model.recalibrated"
"""Module that MLflow loads a recalibrated version with; `training.py` is where both sides of the registry look."""
INNER_FLAVORS = "brierlake_inner"
"""In a recalibrated version's MLmodel metadata: the flavors of the model inside."""
INNER_MODEL, CALIBRATION_FILE = "model", "calibration.json"
"""What its data folder holds."""
_LONGEST_TAG = 8000  # MLflow cuts longer run tags off without a word


def log_brier(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    step: int | None = None,
    model_id: str | None = None,
    dataset: "Dataset | str | None" = None,
    metric: str = "brier",
    trained_until: date | str | None = None,
) -> float:
    """Log mean (probability - outcome)^2 to the active run (0 is perfect, smaller is better) and return it.

    `mlflow.models.evaluate(model_type="classifier")` can't be used for it: it hands custom metrics the labels.

    Args:
        probability: Of the positive class, shape (n,) or (n, 1), within [0, 1]: `predict_proba(X)[:, 1]`.
        outcome: 1 or True where the positive class happened, else 0 or False; the same length.
        step: Epoch or checkpoint; 0 where there is only one.
        model_id: The logged model that the probabilities are from. Needed where one run logs several models.
        dataset: What it was measured on. A name makes an MLflow dataset of these probabilities and outcomes.
        metric: Name to log under.
        trained_until: See `log_features`.

    Raises:
        ValueError: Lengths differ, or a value is missing or out of range; nothing is logged.
    """
    p, y = _checked(probability, outcome)
    _log_trained_until(trained_until)
    value = float(np.mean((p - y) ** 2))
    measured_on = _as_dataset(dataset, p, y) if isinstance(dataset, str) else dataset
    mlflow.log_metric(metric, value, step=step, synchronous=True, model_id=model_id, dataset=measured_on)
    return value


def log_features(features: Sequence[str], *, trained_until: date | str | None = None) -> None:
    """Tag the active run with the order of the training columns, which a tensor signature doesn't keep.

    Args:
        features: Names of the columns.
        trained_until: First day (or moment, UTC) that neither training nor the choice of the model has seen. Only
            windows from then on count as evidence on the model; without it, those after the end of its run.

    Raises:
        ValueError: It isn't a list of different names, too long for a tag, or no time; nothing is logged.
    """
    if isinstance(features, str) or not all(isinstance(name, str) and name for name in features) or not features:
        raise ValueError(f"features must be a list of column names, not {features!r}")
    if len(set(features)) != len(features):
        raise ValueError("features holds a name twice")
    text = told_features(features)
    if len(text) > _LONGEST_TAG:
        raise ValueError(
            f"{len(features)} names take {len(text)} characters and a tag keeps {_LONGEST_TAG}: "
            "put the list into the job's config (features.columns) instead"
        )
    _log_trained_until(trained_until)
    mlflow.set_tag(FEATURES_TAG, text)


def told_features(features: Sequence[str]) -> str:
    """Return the order of training columns as the tag keeps it."""
    return json.dumps(list(features))


def _log_trained_until(moment: date | str | None) -> None:
    if moment is not None:
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        mlflow.set_tag(TRAINED_UNTIL_TAG, read.isoformat())


def _checked(probability: ArrayLike, outcome: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if p.ndim == 2 and p.shape[1] > 1:
        raise ValueError(
            f"probability has shape {p.shape}: give the positive class's column, for example predict_proba(X)[:, 1]"
        )
    p, y = p.reshape(-1), y.reshape(-1)
    if p.size != y.size or not p.size:
        raise ValueError(f"probability and outcome must have one and the same length, not {p.size} and {y.size}")
    if not np.all((p >= 0) & (p <= 1)):
        worst = p[~((p >= 0) & (p <= 1))][0]
        raise ValueError(f"probability holds {worst}: every value must lie in [0, 1] (not a logit, not missing)")
    if not np.all((y == 0) | (y == 1)):
        other = y[(y != 0) & (y != 1)][0]
        raise ValueError(f"outcome holds {other}: it must be 1 for the positive class and 0 for the rest")
    if np.all((p == 0) | (p == 1)):
        warnings.warn(
            "every probability is exactly 0 or 1: are these labels? Use predict_proba(X)[:, 1]",
            UserWarning,
            stacklevel=3,
        )
    return p, y


def _as_dataset(name: str, p: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    frame = pd.DataFrame({"probability": p, "outcome": y})
    return from_pandas(frame, name=name, targets="outcome", predictions="probability")
