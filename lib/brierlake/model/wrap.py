"""Saves the adapter around a fetched model, as a folder that `mlflow.pyfunc.spark_udf` takes."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import mlflow
import mlflow.pyfunc

import brierlake
from brierlake.brier import CalibrationMap
from brierlake.config import Label
from brierlake.model.adapter import INNER, SETTINGS
from brierlake.model.contract import Contract
from brierlake.model.quiet import quiet_mlflow

_FORMAT = 2


def prepare_adapter(
    model_path: Path,
    *,
    digest: str,
    contract: Contract,
    positive_class: Label,
    folder: Path,
    calibration: CalibrationMap | None = None,
) -> Path:
    """Save the adapter around the model and return its folder, inside `folder`; an earlier one is replaced.

    Args:
        digest: Of the model's files.
        calibration: Map that the model's probabilities go through; None: none.
    """
    adapter_path, package = folder / "adapter", Path(brierlake.__file__).parent
    shutil.rmtree(adapter_path, ignore_errors=True)
    settings = {
        "format": _FORMAT,
        "features": contract.features,
        "types": contract.types,
        "form": contract.form,
        "masked": contract.masked,
        "positive_class": positive_class,
        **({"calibration": calibration.to_json()} if calibration else {}),
    }
    whole = hashlib.sha256(json.dumps({**settings, "model": digest}, sort_keys=True).encode())
    with tempfile.TemporaryDirectory(dir=folder) as staging, quiet_mlflow():
        data = Path(staging)
        (data / INNER).symlink_to(model_path.resolve(), target_is_directory=True)  # copied as a folder
        settings["digest"] = whole.hexdigest()
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
