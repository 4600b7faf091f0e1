"""A person registers a version in MLflow's web page; it is resolved and fetched like any other."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from tests.browser.chromium import CHROMIUM, NO_CHROMIUM, open_browser

from brierlake.config import MlflowConfig, ModelConfig
from brierlake.registry import connect, fetch_model, resolve_model
from brierlake.training import log_brier

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))
from mlflow_server import Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def logged(server: Server) -> Iterator[tuple[str, str, float]]:
    """Experiment, logged model and its Brier."""
    before = dict(os.environ)
    client = connect(MlflowConfig(tracking_uri=server.uri))
    experiment_id = client.create_experiment(uuid.uuid4().hex)
    inputs = np.random.default_rng(7).normal(size=(50, 2))
    outcome = inputs[:, 0] > 0
    model = LogisticRegression().fit(inputs, outcome)
    with mlflow.start_run(experiment_id=experiment_id):
        signature = infer_signature(inputs, np.array([0.5]))
        info = mlflow.sklearn.log_model(model, name="model", signature=signature, pip_requirements=["scikit-learn"])
        value = log_brier(model.predict_proba(inputs)[:, 1], outcome, model_id=info.model_id)
    yield experiment_id, info.model_id, value
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    os.environ.clear()
    os.environ.update(before)


def register_by_hand(page_address: str, name: str) -> None:
    with open_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(page_address)
        page.get_by_role("button", name="Register model").click()
        page.get_by_role("combobox").click()
        page.locator("[class*=select-item-option]", has_text="Create New Model").first.click()
        page.get_by_placeholder("model name").fill(name)
        with page.expect_response(lambda answer: "model-versions/create" in answer.url) as caught:
            page.get_by_role("button", name="Register", exact=True).click()
        assert caught.value.ok, caught.value.text()


def test_version_registered_in_the_web_page(server: Server, logged: tuple[str, str, float], tmp_path: Path) -> None:
    experiment_id, model_id, value = logged
    name = f"by-hand-{uuid.uuid4().hex[:8]}"
    register_by_hand(f"{server.uri}/#/experiments/{experiment_id}/models/{model_id}", name)
    client = connect(MlflowConfig(tracking_uri=server.uri))
    config = ModelConfig(names=(name,))
    resolution = resolve_model(client, config)
    assert (resolution.uri, resolution.metric_value) == (f"models:/{name}/1", value)
    assert resolution.run_id is not None
    fetched = fetch_model(client, resolution, config, folder=tmp_path)
    scores = mlflow.sklearn.load_model(str(fetched.path)).predict_proba(np.array([[2.0, 0.0], [-2.0, 0.0]]))[:, 1]
    assert scores[0] > 0.5 > scores[1]
