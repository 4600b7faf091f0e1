"""The pinned version and nothing else, whole, allowed, with its digest."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from registries import Registry
from sklearn.linear_model import LogisticRegression

from brierlake.config import AllowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import Resolution, fetch_model, resolve_model


def resolved(registry: Registry, name: str) -> tuple[Resolution, ModelConfig]:
    config = ModelConfig(names=(name,))
    return resolve_model(registry.client, config), config


def files_of(registry: Registry, model_id: str) -> Path:
    (found,) = (registry.server.folder / "artifacts").rglob(f"{model_id}/artifacts")
    return found


def test_digest_is_the_same_wherever_the_files_come_from(registry: Registry, name: str, tmp_path: Path) -> None:
    _, number = registry.log_version(name, (0.2, 0, 1000))
    registry.client.copy_model_version(f"models:/{name}/{number}", f"{name}-copy")
    digests = set()
    for each in (name, name, f"{name}-copy"):
        resolution, config = resolved(registry, each)
        digests.add(fetch_model(registry.client, resolution, config, folder=tmp_path).digest)
    assert len(digests) == 1


def test_digest_by_hand(quick: Registry, name: str, tmp_path: Path) -> None:
    quick.log_version(name, (0.2, 0, 1000))
    resolution, config = resolved(quick, name)
    fetched = fetch_model(quick.client, resolution, config, folder=tmp_path)
    lines = []
    for path in ("MLmodel", "conda.yaml", "model.skops", "python_env.yaml", "requirements.txt"):
        content = (fetched.path / path).read_bytes()
        lines.append(f"{path}\0{len(content)}\0{hashlib.sha256(content).hexdigest()}\n")
    assert fetched.digest == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (fetched.path / "registered_model_meta").exists()
    assert fetched.file_count == 6


@pytest.mark.parametrize("written", ["{}", "sha256:{}", "SHA256-UPPER"])
def test_digest_that_the_config_asks_for(quick: Registry, name: str, tmp_path: Path, written: str) -> None:
    quick.log_version(name, (0.2, 0, 1000))
    resolution, config = resolved(quick, name)
    digest = fetch_model(quick.client, resolution, config, folder=tmp_path).digest
    asked = digest.upper() if written == "SHA256-UPPER" else written.format(digest)
    strict = config.model_copy(update={"digest": asked})
    assert fetch_model(quick.client, resolution, strict, folder=tmp_path).digest == digest


def test_other_digest_is_refused_and_leaves_nothing(quick: Registry, name: str, tmp_path: Path) -> None:
    _, model_id = quick.log_run((0.2, 0, 1000))
    quick.register(name, model_id)
    resolution, config = resolved(quick, name)
    digest = fetch_model(quick.client, resolution, config, folder=tmp_path / "first").digest
    with (files_of(quick, model_id) / "model.skops").open("ab") as stream:
        stream.write(b"more")
    strict = config.model_copy(update={"digest": digest})
    with pytest.raises(ModelError, match=rf"has the digest [0-9a-f]{{64}}, and model\.digest asks for {digest}"):
        fetch_model(quick.client, resolution, strict, folder=tmp_path / "second")
    assert list((tmp_path / "second").iterdir()) == []


def remove_model(files: Path) -> None:
    (files / "model.skops").unlink()


def cut_model_off(files: Path) -> None:
    content = (files / "model.skops").read_bytes()
    (files / "model.skops").write_bytes(content[: len(content) // 2])


def remove_environment(files: Path) -> None:
    (files / "conda.yaml").unlink()


def remove_mlmodel(files: Path) -> None:
    (files / "MLmodel").unlink()


def remove_all(files: Path) -> None:
    shutil.rmtree(files)


def garble_mlmodel(files: Path) -> None:
    (files / "MLmodel").write_text("flavors: [")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (remove_model, "model.skops is missing"),
        (cut_model_off, r"its files hold \d+ bytes, and MLmodel says \d+"),
        (remove_environment, "conda.yaml is missing"),
        (remove_mlmodel, "MLmodel is missing or unreadable"),
        (garble_mlmodel, "MLmodel is missing or unreadable"),
        (remove_all, "MLmodel is missing or unreadable|could not download"),
    ],
)
def test_files_that_arent_whole_are_refused(registry: Registry, name: str, tmp_path: Path, harm, fault: str) -> None:
    _, model_id = registry.log_run((0.2, 0, 1000))
    registry.register(name, model_id)
    resolution, config = resolved(registry, name)
    harm(files_of(registry, model_id))
    with pytest.raises(ModelError, match=rf"{name}/1.*({fault})"):
        fetch_model(registry.client, resolution, config, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_best_with_its_files_gone_isnt_passed_over(registry: Registry, name: str) -> None:
    _, model_id = registry.log_run((0.1, 0, 1000))
    registry.register(name, model_id)
    registry.log_version(name, (0.2, 0, 1000))
    shutil.rmtree(files_of(registry, model_id))
    with pytest.raises(
        ModelError, match=rf"{name}/1.*(MLmodel is missing|could not download)|could not download.*{name}/1"
    ):
        resolve_model(registry.client, ModelConfig(names=(name,)))


def test_better_version_and_moved_alias_change_nothing(registry: Registry, name: str, tmp_path: Path) -> None:
    first, _ = registry.log_version(name, (0.2, 0, 1000))
    registry.client.set_registered_model_alias(name, "champion", "1")
    config = ModelConfig(pin=f"{name}@champion")
    resolution = resolve_model(registry.client, config)
    registry.log_version(name, (0.1, 0, 1000))
    registry.client.set_registered_model_alias(name, "champion", "2")
    fetched = fetch_model(registry.client, resolution, config, folder=tmp_path)
    assert f"run_id: {first}" in (fetched.path / "MLmodel").read_text()


def test_version_deleted_in_between(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.log_version(name, (0.2, 0, 1000))
    registry.log_version(name, (0.1, 0, 1000))
    resolution, config = resolved(registry, name)
    registry.client.delete_model_version(name, "2")
    with pytest.raises(
        ModelError, match=rf"There is no version 2 of model '{name}' \(deleted\?\)\. Its versions are: 1\."
    ):
        fetch_model(registry.client, resolution, config, folder=tmp_path)


def test_model_deleted_and_made_anew_in_between(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.log_version(name, (0.2, 0, 1000))
    resolution, config = resolved(registry, name)
    registry.client.delete_registered_model(name)
    registry.log_version(name, (0.5, 0, 1000))
    with pytest.raises(ModelError, match=rf"models:/{name}/1 isn't the version any more that was chosen"):
        fetch_model(registry.client, resolution, config, folder=tmp_path)


def test_model_renamed_in_between(registry: Registry, name: str, tmp_path: Path) -> None:
    registry.log_version(name, (0.2, 0, 1000))
    resolution, config = resolved(registry, name)
    registry.client.rename_registered_model(name, f"{name}-new")
    with pytest.raises(ModelError, match=f"There is no registered model '{name}'. Did you mean '{name}-new'"):
        fetch_model(registry.client, resolution, config, folder=tmp_path)


class Tattler(LogisticRegression):
    """Writes a file where it is unpickled."""

    mark: Path

    def __setstate__(self, state: dict[str, Any]) -> None:
        state["mark"].write_text("unpickled")


def test_nothing_is_unpickled(registry: Registry, name: str, tmp_path: Path) -> None:
    tattler = Tattler()
    tattler.mark = tmp_path / "mark"
    with mlflow.start_run(experiment_id=registry.experiment_id):
        model_id = replace(registry, model=tattler).log_model(serialization_format="pickle")
        mlflow.log_metric("brier", 0.1)
    registry.register(name, model_id)
    resolution, config = resolved(registry, name)
    fetched = fetch_model(registry.client, resolution, config, folder=tmp_path / "models")
    assert (fetched.flavor, fetched.is_pickle) == ("sklearn", True)
    strict = ModelConfig(pin=f"{name}/1", allow=AllowConfig(pickle=False))
    with pytest.raises(ModelError, match=r"stored as a pickle, which model\.allow\.pickle refuses \(log it with"):
        fetch_model(registry.client, resolution, strict, folder=tmp_path / "models")
    assert not tattler.mark.exists()
    mlflow.sklearn.load_model(str(fetched.path))
    assert tattler.mark.exists()


def test_pickle_gives_way_to_skops_where_it_is_refused(quick: Registry, name: str, tmp_path: Path) -> None:
    quick.log_version(name, (0.1, 0, 1000), serialization_format="pickle")
    quick.log_version(name, (0.2, 0, 1000))
    config = ModelConfig(names=(name,), allow=AllowConfig(pickle=False))
    resolution = resolve_model(quick.client, config)
    assert resolution.uri == f"models:/{name}/2"
    assert "log it with serialization_format='skops'" in str(resolution.candidates[1].reason)
    assert not fetch_model(quick.client, resolution, config, folder=tmp_path).is_pickle


def test_pickle_hidden_behind_skops_is_found(quick: Registry, name: str, tmp_path: Path) -> None:
    _, model_id = quick.log_run((0.1, 0, 1000))
    quick.register(name, model_id)
    (files_of(quick, model_id) / "model.skops").write_bytes(b"\x80\x04" + b"." * 20_000)
    config = ModelConfig(names=(name,), allow=AllowConfig(pickle=False))
    with pytest.raises(ModelError, match=r"model\.skops is a pickle, which model\.allow\.pickle refuses"):
        fetch_model(quick.client, resolve_model(quick.client, config), config, folder=tmp_path)
