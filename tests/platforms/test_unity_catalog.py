"""A registry in Unity Catalog, as far as a stand-in shows it (`unity_catalog.py` says how far)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from brierlake.config import MlflowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import connect, read_alias, resolve_model, set_alias
from tests.platforms.unity_catalog import TOKEN, unity_catalog
from tests.registry.mlflow_server import running_server
from tests.world import log_version

FIRST, SECOND = "main.ml.first", "main.ml.second"
CONFIG = MlflowConfig(tracking_uri="databricks", registry_uri="databricks-uc")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    folder: Path = tmp_path_factory.mktemp("uc")
    with running_server(folder) as server, unity_catalog(server) as found:
        log_version(folder, FIRST, brier=[0.1, 0.24], strength=0.2, uri=server.uri)
        log_version(folder, FIRST, brier=[0.3, 0.23], strength=0.5, uri=server.uri)
        log_version(folder, SECOND, brier=[0.5, 0.21], strength=1.0, uri=server.uri)
        log_version(folder, SECOND, brier=[], strength=2.0, uri=server.uri)
        MlflowClient(server.uri).set_model_version_tag(SECOND, "2", "brier", "0.3")
        yield found


@pytest.fixture
def client(catalog: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("DATABRICKS_HOST", catalog[0])
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    monkeypatch.setenv("MLFLOW_USE_DATABRICKS_SDK_MODEL_ARTIFACTS_REPO_FOR_UC", "true")
    return connect(CONFIG)


def test_the_best_of_several_three_part_names_is_found(client: MlflowClient) -> None:
    found = resolve_model(client, ModelConfig(names=(FIRST, SECOND)))
    assert (found.model_name, found.model_version, found.metric_value) == (SECOND, 1, 0.21)
    assert [(each.model_name, each.model_version, each.value, each.value_source) for each in found.candidates] == [
        (SECOND, 1, 0.21, "run"),
        (FIRST, 2, 0.23, "run"),
        (FIRST, 1, 0.24, "run"),
        (SECOND, 2, 0.3, "tag"),
    ]


def test_an_alias_is_read_set_and_pinned_and_no_stage_is_asked_for(
    client: MlflowClient, catalog: tuple[str, list[str]]
) -> None:
    assert read_alias(client, FIRST, "live") is None
    set_alias(client, FIRST, "live", version=1)
    assert read_alias(client, FIRST, "live") == 1
    assert resolve_model(client, ModelConfig(pin=f"{FIRST}@live")).model_version == 1
    assert resolve_model(client, ModelConfig(pin=f"{FIRST}/2")).model_version == 2
    assert not [call for call in catalog[1] if "stage" in call or "/mlflow/registered-models" in call]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ModelConfig(names=("main.ml.absent",)), "absent"),
        (ModelConfig(pin=f"{FIRST}/9"), "There is no version 9"),
        (ModelConfig(pin=f"{FIRST}@gone"), "no alias 'gone'"),
    ],
)
def test_what_is_not_there_is_named(client: MlflowClient, config: ModelConfig, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        resolve_model(client, config)


def test_a_wrong_token_is_one_sentence(catalog: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", catalog[0])
    monkeypatch.setenv("DATABRICKS_TOKEN", "wrong")
    with pytest.raises(ModelError, match=r"credentials \(401\)"):
        connect(CONFIG)
