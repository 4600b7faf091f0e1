"""The demo's training, in plain MLflow calls: three architectures at three learning rates, nine registered versions."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.tracking._model_registry import utils as registry_addresses
from mlflow.tracking._tracking_service import utils as tracking_addresses
from mlflow.utils.autologging_utils.logging_and_warnings import MlflowEventsAndWarningsBehaviorGlobally as _Silence
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from brierlake.commands.demo.flights import CATEGORIES, FEATURES
from brierlake.errors import SetupError
from brierlake.training import TRAINED_UNTIL_TAG, log_brier

EXPERIMENT = "flights"
LEARNING_RATES: dict[str, tuple[float, ...]] = {
    "flights_sgd": (0.0001, 0.001, 0.01),
    "flights_mlp": (0.0001, 0.001, 0.01),
    "flights_hgb": (0.02, 0.1, 0.5),
}

_VALIDATE_FROM, _VALIDATE_TO = date(2013, 7, 1), date(2013, 8, 1)
_TRAIN_ROWS, _SAMPLE_SEED, _MODEL_SEED = 20_000, 2013, 0
_SGD_EPOCHS, _MLP_EPOCHS, _HGB_ITERATIONS, _HGB_LOG_EVERY = 10, 12, 150, 10
NUMBERS = [name for name in FEATURES if name not in CATEGORIES]
_REQUIRED = ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")
SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
_ADAM = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"
_TREE = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
_TRUSTED: dict[str, list[str]] = {  # what skops holds that it would not load unasked
    "flights_sgd": ["numpy.dtype"],
    "flights_mlp": ["numpy.dtype", _ADAM],
    "flights_hgb": ["numpy.dtype", "functools.partial", "sklearn.utils.validation.check_array", _TREE],
}


@dataclass(frozen=True)
class _Split:
    """Raw rows to learn from (a sample of January to June) and to validate on (July), in the same columns."""

    train: pd.DataFrame
    train_late: NDArray[np.int64]
    july: pd.DataFrame
    july_late: NDArray[np.int64]


def train_versions(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    tracking_uri: str,
    artifact_root: Path,
    say: Callable[[str], None],
) -> None:
    """Train and register nine versions, each from a run of its own whose metric `brier` is July's, epoch by epoch.

    Later months are never looked at. On one thread: these fits are small, and on several they mostly wait.

    Args:
        features: `Flights.features`.
        labels: `Flights.labels`, in any order.
        tracking_uri: Store that gets the experiment `flights` (made if need be) and the registered models.
        artifact_root: Folder for the experiment's artifacts.
        say: Gets one line when a run is done.
    """
    if find_spec("skops") is None:
        raise SetupError.missing_extra("demo", "skops")
    split = split_months(features, labels)
    with mlflow_at(tracking_uri), threadpool_limits(limits=1):
        experiment_id = _ensure_experiment(artifact_root)
        for name, rates in LEARNING_RATES.items():
            for rate in rates:
                brier = _run(name, rate, split, experiment_id=experiment_id)
                say(f"{name}  learning rate {rate:<7g} July Brier {brier:.4f}")


def split_months(features: pd.DataFrame, labels: pd.DataFrame) -> _Split:
    """Sample the training rows with a fixed seed (all of them where there are no more) and take all of July."""
    rows = features.merge(labels[["flight_id", "is_late"]], on="flight_id", validate="1:1")
    past = rows[rows["dep_date"] < _VALIDATE_FROM]
    train = past.sample(min(_TRAIN_ROWS, len(past)), random_state=_SAMPLE_SEED)
    july = rows[(rows["dep_date"] >= _VALIDATE_FROM) & (rows["dep_date"] < _VALIDATE_TO)]
    columns = list(FEATURES)
    return _Split(train[columns], train["is_late"].to_numpy(), july[columns], july["is_late"].to_numpy())


def _run(name: str, rate: float, split: _Split, *, experiment_id: str) -> float:
    """Train, log and register one version; return July's Brier as last logged."""
    with mlflow.start_run(experiment_id=experiment_id, run_name=f"{name} {rate:g}") as run:
        mlflow.log_params({"learning_rate": rate, "train_rows": len(split.train), "seed": _MODEL_SEED})
        mlflow.set_tag(TRAINED_UNTIL_TAG, str(_VALIDATE_TO))  # July chose among them
        if name == "flights_hgb":
            pipeline, brier = _fit_stages(rate, split)
        else:
            pipeline, brier = _fit_epochs(_make_sgd(rate) if name == "flights_sgd" else _make_mlp(rate), split)
        _log_version(name, pipeline, split.july, run_id=run.info.run_id)
    return brier


def _log_version(name: str, pipeline: Pipeline, july: pd.DataFrame, *, run_id: str) -> None:
    """Log the model with its signature and register it, each architecture in another of the usual ways."""
    logged = mlflow.sklearn.log_model(
        pipeline,
        name="model",
        signature=mlflow.models.infer_signature(july, pipeline.predict(july.head(100))),
        **_serialization(name),
        pip_requirements=[f"{package}=={version(package)}" for package in _REQUIRED],  # inferring them takes long
        registered_model_name=name if name == "flights_sgd" else None,
    )
    if name == "flights_mlp":
        mlflow.register_model(f"runs:/{run_id}/model", name)
    elif name == "flights_hgb":
        mlflow.register_model(logged.model_uri, name)


def _serialization(name: str) -> dict[str, Any]:
    """Skops, or the pickle that MLflow makes of itself where it can't be told (before 3.9) what skops holds."""
    if "skops_trusted_types" not in signature(mlflow.sklearn.log_model).parameters:
        return {}
    return {"serialization_format": "skops", "skops_trusted_types": _TRUSTED[name]}


def _make_sgd(rate: float) -> tuple[SGDClassifier, int]:
    model = SGDClassifier(loss="log_loss", alpha=1e-5, learning_rate="constant", eta0=rate, random_state=_MODEL_SEED)
    return model, _SGD_EPOCHS


def _make_mlp(rate: float) -> tuple[MLPClassifier, int]:
    return MLPClassifier((32,), batch_size=256, learning_rate_init=rate, random_state=_MODEL_SEED), _MLP_EPOCHS


def _fit_epochs(model_and_epochs: tuple[Any, int], split: _Split) -> tuple[Pipeline, float]:
    """Fit epoch by epoch and logs July's Brier after each; step is the number of epochs learned from.

    Null numbers become the median beside an indicator column, and the indicators are scaled too: nulls are rare, so
    one can stand for ten or more standard deviations. Where the weather feed fails as a whole, their sum decides: an
    answer near 0 or 1 for every flight, and which of the two is an accident of the seed.
    """
    model, epochs = model_and_epochs
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer([("categories", encoder, list(CATEGORIES)), ("numbers", numbers, NUMBERS)])
    train, july = prepare.fit_transform(split.train), prepare.transform(split.july)
    brier = float("nan")
    for epoch in range(1, epochs + 1):
        model.partial_fit(train, split.train_late, classes=[0, 1])
        brier = log_brier(model.predict_proba(july)[:, 1], split.july_late, step=epoch)
    return Pipeline([("prepare", prepare), ("classify", model)]), brier


def _fit_stages(rate: float, split: _Split) -> tuple[Pipeline, float]:
    """Fit the trees and logs July's Brier after every tenth; step is the number of trees. Nulls stay as they are."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = ColumnTransformer([("categories", encoder, list(CATEGORIES)), ("numbers", "passthrough", NUMBERS)])
    model = HistGradientBoostingClassifier(
        learning_rate=rate,
        max_iter=_HGB_ITERATIONS,
        max_leaf_nodes=31,
        early_stopping=False,
        categorical_features=list(range(len(CATEGORIES))),
        random_state=_MODEL_SEED,
    )
    pipeline = Pipeline([("prepare", prepare), ("classify", model)]).fit(split.train, split.train_late)
    brier = float("nan")
    for trees, probability in enumerate(model.staged_predict_proba(prepare.transform(split.july)), start=1):
        if trees % _HGB_LOG_EVERY == 0:
            brier = log_brier(probability[:, 1], split.july_late, step=trees)
    return pipeline, brier


def _ensure_experiment(artifact_root: Path) -> str:
    if known := mlflow.get_experiment_by_name(EXPERIMENT):
        return str(known.experiment_id)
    location = (artifact_root.resolve() / EXPERIMENT).as_uri()
    return str(mlflow.create_experiment(EXPERIMENT, artifact_location=location))


@contextmanager
def mlflow_at(tracking_uri: str) -> Iterator[None]:
    """Point MLflow at the store and silence its messages and progress bars; put all of it back afterwards."""
    tracking, registry = tracking_addresses._tracking_uri, registry_addresses._registry_uri  # noqa: SLF001 - None: not set
    before = {name: os.environ.get(name) for name in SETTINGS}  # setting an address sets its variable too
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    try:
        with _Silence(disable_event_logs=True, disable_warnings=True, reroute_warnings=False):  # type: ignore[no-untyped-call]
            yield
    finally:
        mlflow.set_tracking_uri(tracking)  # type: ignore[arg-type] # None is how it forgets
        mlflow.set_registry_uri(registry)  # type: ignore[arg-type]
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
