"""How many calls and seconds it takes to choose among many versions: both rules, and the naive way.

Run with `python -m tests.benchmarks.registry [names] [versions]`. All ways run on one server, one after the other, so
the ratios mean more than the seconds.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from brierlake.config import MlflowConfig, ModelConfig
from brierlake.registry import connect, resolve_model
from tests.registry.mlflow_server import counted_requests, fill_names, running_server


def resolve_naively(client: MlflowClient, names: tuple[str, ...]) -> float:
    """Two calls a version, one after the other: the version's run, and its metric's history."""
    values = []
    for name in names:
        for version in client.search_model_versions(f"name = '{name}'"):
            run = client.get_run(version.run_id)
            values.append(client.get_metric_history(run.info.run_id, "brier")[-1].value)
    return min(values)


def measure(label: str, choose: Callable[[], float | None]) -> tuple[str, float | None, int, float]:
    with counted_requests() as calls:
        start = time.perf_counter()
        value = choose()
        seconds = time.perf_counter() - start
    return label, value, len(calls), seconds


@contextmanager
def filled_registry(names: tuple[str, ...], *, versions: int) -> Iterator[MlflowConfig]:
    """A server of its own, with so many versions under each name; one of them has files."""
    inputs = np.random.default_rng(7).normal(size=(50, 2))
    model = LogisticRegression().fit(inputs, inputs[:, 0] > 0)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        config = MlflowConfig(tracking_uri=server.uri, timeout_seconds=60)
        files = Path(folder) / "model"
        signature = infer_signature(inputs, np.array([0.5]))
        mlflow.sklearn.save_model(model, str(files), signature=signature, pip_requirements=["scikit-learn"])
        fill_names(connect(config), server.database, names, versions=versions, files=files)
        yield config


def main(name_count: int, version_count: int) -> None:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    names = tuple(f"model-{place}" for place in range(name_count))
    with filled_registry(names, versions=version_count) as config:
        client = connect(config)
        rules = {rule: ModelConfig(names=names, rule=rule) for rule in ("last_step", "last_logged")}
        rows = [
            measure(rule, lambda chosen=chosen: resolve_model(client, chosen).metric_value)
            for rule, chosen in rules.items()
        ]
        rows.append(measure("naive", lambda: resolve_naively(client, names)))
    slowest = rows[-1][3]
    print(f"{name_count} names x {version_count} versions")
    print(f"{'way':<12} {'best':>8} {'calls':>7} {'seconds':>9} {'of naive':>9}")
    for label, value, calls, seconds in rows:
        print(f"{label:<12} {value:>8.4f} {calls:>7} {seconds:>9.2f} {seconds / slowest:>9.1%}")


if __name__ == "__main__":
    main(*(int(each) for each in (*sys.argv[1:3], *("5", "200")[len(sys.argv) - 1 :])))
