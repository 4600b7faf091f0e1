"""Ways to fill one registry and to look at it through `connect`."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow_server import Server
from packaging.version import Version
from sklearn.linear_model import LogisticRegression

from brierlake.config import MlflowConfig
from brierlake.registry import connect

IS_SKOPS_USUAL = Version(mlflow.__version__) >= Version("3.14")
"""What MLflow makes of a scikit-learn model when nobody says; before it is a pickle."""


needs_linked_values = pytest.mark.skipif(
    Version("3.1") <= Version(mlflow.__version__) < Version("3.9"),
    reason="MLflow 3.8 ties no value to a model unless the model is named",
)


@dataclass(frozen=True)
class Registry:
    """One registry to be filled, seen through `connect`."""

    client: MlflowClient
    server: Server
    experiment_id: str
    model: LogisticRegression
    signature: ModelSignature

    def log_model(self, name: str = "model", **settings: Any) -> str:
        """Logs the model to the active run and returns its id."""
        options = {"signature": self.signature, "pip_requirements": ["scikit-learn"], **settings}
        return str(mlflow.sklearn.log_model(self.model, name=name, **options).model_id)

    def log_run(self, *points: tuple[float, int, int], metric: str = "brier", **settings: Any) -> tuple[str, str]:
        """Logs a run with one model and, after it, values with their step and time; returns both ids."""
        with mlflow.start_run(experiment_id=self.experiment_id) as run:
            model_id = self.log_model(**settings)
            for value, step, timestamp in points:
                self.client.log_metric(run.info.run_id, metric, value, timestamp, step)
        return run.info.run_id, model_id

    def register(self, name: str, model_id: str) -> int:
        return int(mlflow.register_model(f"models:/{model_id}", name).version)

    def log_version(self, name: str, *points: tuple[float, int, int], **settings: Any) -> tuple[str, int]:
        """Logs a run with one model, registers it and returns the run's id and the version."""
        run_id, model_id = self.log_run(*points, **settings)
        return run_id, self.register(name, model_id)


def open_registry(where: Server, model: LogisticRegression, signature: ModelSignature) -> Registry:
    client = connect(MlflowConfig(tracking_uri=where.uri))
    location = None if where.uri.startswith("http") else str(where.folder / "artifacts")
    experiment_id = client.create_experiment(f"tests-{uuid.uuid4().hex}", artifact_location=location)
    return Registry(client, where, experiment_id, model, signature)


def log_plain_artifact(registry: Registry, folder: Path) -> str:
    mlflow.sklearn.save_model(
        registry.model, str(folder / "model"), signature=registry.signature, pip_requirements=["scikit-learn"]
    )
    with mlflow.start_run(experiment_id=registry.experiment_id) as run:
        mlflow.log_artifacts(str(folder / "model"), "model")
        registry.client.log_metric(run.info.run_id, "brier", 0.2, 1000, 0)
    return str(run.info.run_id)
