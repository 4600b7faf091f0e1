"""Saves the adapter around a fetched model, as a folder that `mlflow.pyfunc.spark_udf` takes."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import mlflow
import mlflow.pyfunc

import brierlake
from brierlake.config import Label
from brierlake.model.adapter import INNER, SETTINGS
from brierlake.model.contract import Contract
from brierlake.model.quiet import quiet_mlflow

_FORMAT = 2


def prepare_adapter(model_path: Path, *, contract: Contract, positive_class: Label, folder: Path) -> Path:
    """Saves the adapter around the model and returns its folder, inside `folder`; an earlier one is replaced."""
    adapter_path, package = folder / "adapter", Path(brierlake.__file__).parent
    shutil.rmtree(adapter_path, ignore_errors=True)
    settings = {
        "format": _FORMAT,
        "features": contract.features,
        "types": contract.types,
        "form": contract.form,
        "masked": contract.masked,
        "positive_class": positive_class,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with tempfile.TemporaryDirectory(dir=folder) as staging, quiet_mlflow():
        data = Path(staging)
        (data / INNER).symlink_to(model_path.resolve(), target_is_directory=True)  # copied as a folder
        settings["digest"] = _with_content(digest, model_path)
        (data / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        mlflow.pyfunc.save_model(
            str(adapter_path),
            loader_module="brierlake.model.adapter",
            data_path=str(data),
            # a package inside a zip came by --py-files, which brings it to the executors too
            code_paths=[str(package)] if package.is_dir() else None,
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )
    return adapter_path


def _with_content(digest: "hashlib._Hash", folder: Path) -> str:
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
