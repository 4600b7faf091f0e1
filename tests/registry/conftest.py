"""Registries that the tests of this folder fill: a real server, and a database that is opened directly."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature, infer_signature
from mlflow_server import Server, running_server
from registries import Registry, open_registry
from sklearn.linear_model import LogisticRegression


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A database without a server; its experiments keep artifacts beside it."""
    folder = tmp_path_factory.mktemp("store")
    made = Server(f"sqlite:///{folder / 'mlflow.db'}", folder)
    MlflowClient(made.uri).search_experiments(max_results=1)
    return made


@pytest.fixture(autouse=True)
def _untouched_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undoes what `connect` sets for the process, and shows what a test leaves in the current folder."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def trained() -> LogisticRegression:
    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(60, 2)), columns=["distance", "delay"])
    return LogisticRegression().fit(frame, (frame["distance"] + frame["delay"] > 0).astype(int))


@pytest.fixture(scope="session")
def signature() -> ModelSignature:
    return infer_signature(pd.DataFrame({"distance": [0.5], "delay": [1.5]}), np.array([0.5]))


@pytest.fixture(params=["server", "store"])
def registry(request: pytest.FixtureRequest, trained: LogisticRegression, signature: ModelSignature) -> Registry:
    """Each of the two: a test that takes it runs once for each."""
    return open_registry(request.getfixturevalue(request.param), trained, signature)


@pytest.fixture
def quick(store: Server, trained: LogisticRegression, signature: ModelSignature) -> Registry:
    """The database only, for what doesn't depend on the way there."""
    return open_registry(store, trained, signature)


@pytest.fixture
def remote(server: Server, trained: LogisticRegression, signature: ModelSignature) -> Registry:
    """The server only."""
    return open_registry(server, trained, signature)


@pytest.fixture
def name() -> str:
    return f"model-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def names() -> Callable[[int], list[str]]:
    """Names that sort in the order given."""
    prefix = uuid.uuid4().hex[:12]
    return lambda count: [f"{prefix}-{place}" for place in range(count)]
