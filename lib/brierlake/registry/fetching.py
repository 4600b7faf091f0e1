"""The pinned version on this machine: downloaded once, whole, allowed, and known by its digest."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from brierlake.config import ModelConfig
from brierlake.errors import ModelError
from brierlake.registry.connection import asking, is_page, point_mlflow_at
from brierlake.registry.contents import find_pickles, find_suspects
from brierlake.registry.files import (
    MLMODEL,
    Format,
    compute_digest,
    describe_format,
    describe_suspects,
    find_inner,
    find_missing,
    find_refusals,
    list_files,
    read_mlmodel,
)
from brierlake.registry.records import FetchedModel, Resolution
from brierlake.registry.versions import read_version
from brierlake.training import CALIBRATION_FILE, INNER_MODEL


def fetch_model(client: MlflowClient, resolution: Resolution, config: ModelConfig, *, folder: Path) -> FetchedModel:
    """Download the resolved version into a new folder below `folder`, and check it without loading anything of it.

    Only its name and number are used, so that an alias that moves or a better version changes nothing.

    Raises:
        ModelError: It was deleted or made anew in between, its files aren't whole, it may not be loaded, or its
            digest isn't the one that the config asks for. Nothing stays in `folder`.
    """
    version = read_version(client, resolution.model_name, resolution.model_version)
    if version.source != resolution.selected.source:
        raise ModelError.replaced(resolution.uri)
    if version.status != "READY":
        raise ModelError.not_ready(resolution.uri, version.status)
    folder.mkdir(parents=True, exist_ok=True)
    target = Path(tempfile.mkdtemp(prefix="model-", dir=folder))
    try:
        return _checked(_downloaded(client, resolution.uri, target), resolution.uri, config)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def read_format(client: MlflowClient, uri: str) -> Format | None:
    """Read only the MLmodel file of a version; None: the model can't be loaded as a `python_function`.

    Raises:
        ModelError: The file isn't there, or isn't an MLmodel file.
    """
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        file = _downloaded(client, uri, Path(folder), path=MLMODEL)
        mlmodel = read_mlmodel(file)
        if mlmodel is None and file.is_file() and is_page(file.read_text(encoding="utf-8", errors="replace")):
            raise ModelError.web_page(client.tracking_uri)
    if mlmodel is None:
        raise ModelError.incomplete(uri, [f"{MLMODEL} is missing or unreadable"])
    return describe_format(mlmodel)


def fetch_description(client: MlflowClient, uri: str, *, folder: Path) -> Path:
    """Download only what says what the model takes and gives, its MLmodel file; return the folder that holds it."""
    return _downloaded(client, uri, folder, path=MLMODEL).parent


def _downloaded(client: MlflowClient, uri: str, target: Path, *, path: str = "") -> Path:
    """Download a model, or the one file of it that `path` names."""
    point_mlflow_at(client)
    with asking(client.tracking_uri, f"download {uri}/{path}".rstrip("/")):
        repository = get_artifact_repository(uri)
        return Path(repository.download_artifacts(path, dst_path=str(target)))  # type: ignore[no-untyped-call]


def _describe_inner(inner: Path, mlmodel: Mapping[str, Any], uri: str) -> Format | None:
    """How the model inside a recalibrated one is loaded, by its own files."""
    own = read_mlmodel(inner / MLMODEL)
    missing = [f"{INNER_MODEL}/{MLMODEL} is missing or unreadable"] if own is None else find_missing(inner, own)
    if not (inner.parent / CALIBRATION_FILE).is_file():
        missing = [*missing, f"{CALIBRATION_FILE} is missing"]
    if missing or own is None:
        raise ModelError.incomplete(uri, missing)
    if find_inner(inner, own) is not None:
        raise ModelError.untrusted(uri, ["it is recalibrated twice over"])
    outer, described = describe_format(mlmodel), describe_format(own)
    has_code = outer is None or outer.has_code
    return described and replace(described, has_code=described.has_code or has_code)


def fetch_calibration(client: MlflowClient, uri: str, *, folder: Path) -> str:
    """Download only what a recalibrated version was recalibrated by: the text of its `calibration.json`.

    Raises:
        ModelError: It isn't there, or the version is no recalibrated one.
    """
    mlmodel = read_mlmodel(_downloaded(client, uri, folder, path=MLMODEL))
    inner = mlmodel and find_inner(Path(), mlmodel)
    if not inner:
        raise ModelError.incomplete(uri, [f"{CALIBRATION_FILE} is missing"])
    path = (inner.parent / CALIBRATION_FILE).as_posix()
    return _downloaded(client, uri, folder, path=path).read_text(encoding="utf-8")


def _checked(path: Path, uri: str, config: ModelConfig) -> FetchedModel:
    mlmodel = read_mlmodel(path / MLMODEL)
    if mlmodel is None:
        raise ModelError.incomplete(uri, [f"{MLMODEL} is missing or unreadable"])
    if missing := find_missing(path, mlmodel):
        raise ModelError.incomplete(uri, missing)
    inner = find_inner(path, mlmodel)
    described = describe_format(mlmodel) if inner is None else _describe_inner(inner, mlmodel, uri)
    if described is None:
        raise ModelError.untrusted(uri, ["it has no python_function flavor to be scored with"])
    faults = find_refusals(described, config.allow)
    if not faults and not (config.allow.pickle and config.allow.code):
        faults = describe_suspects(find_suspects(path), config.allow)
    if faults:
        raise ModelError.untrusted(uri, faults)
    digest = compute_digest(path)
    if config.digest and config.digest.lower().removeprefix("sha256:") != digest:
        raise ModelError.other_digest(uri, expected=config.digest, found=digest)
    files = list_files(path)
    return FetchedModel(
        path=inner or path,
        calibration=(inner.parent / CALIBRATION_FILE).read_text(encoding="utf-8") if inner else None,
        digest=digest,
        flavor=described.flavor,
        flavors=described.flavors,
        is_pickle=described.is_pickle or bool(find_pickles(path)),
        size_bytes=sum(each.stat().st_size for each in files),
        file_count=len(files),
    )
