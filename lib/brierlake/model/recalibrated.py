"""A recalibrated version: another version's files as they are, and a map of its probabilities. MLflow loads it here."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import yaml
from mlflow.models import Model

from brierlake import __version__
from brierlake.brier import CalibrationMap
from brierlake.config import Label
from brierlake.model.adapter import load_source
from brierlake.model.flavors import Source
from brierlake.model.outputs import Floats
from brierlake.model.quiet import quiet_mlflow
from brierlake.training import CALIBRATION_FILE, INNER_FLAVORS, INNER_MODEL

_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Calibration:
    """What `calibration.json` holds: the map, the class whose probability it is of, and what it was made from."""

    map: CalibrationMap
    positive_class: Label
    facts: Mapping[str, Any]

    def to_json(self) -> str:
        content = {"map": json.loads(self.map.to_json()), "positive_class": self.positive_class, **self.facts}
        return json.dumps(content, indent=1, sort_keys=True)


def read_calibration(text: str) -> Calibration:
    """Read what `Calibration.to_json` wrote.

    Raises:
        ValueError: It is no such text.
    """
    content: dict[str, Any] = json.loads(text)
    fitted = CalibrationMap.from_json(json.dumps(content.pop("map", None)))
    return Calibration(fitted, content.pop("positive_class"), content)


def save_recalibrated(model_path: Path, *, calibration: Calibration, folder: Path) -> Path:
    """Save the model with a map around it, inside `folder`, and return where; it brings no code and no pickle of ours.

    Signature and requirements are the model's own; what loads it needs this package too.
    """
    target, inner = folder / "recalibrated", Model.load(str(model_path))
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder) as staging, quiet_mlflow():
        data = Path(staging) / "data"
        data.mkdir()
        (data / INNER_MODEL).symlink_to(model_path.resolve(), target_is_directory=True)  # copied as a folder
        (data / CALIBRATION_FILE).write_text(calibration.to_json(), encoding="utf-8")
        flavors = yaml.safe_load((model_path / "MLmodel").read_text(encoding="utf-8"))["flavors"]
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=__name__,
            data_path=str(data),
            signature=inner.signature,
            pip_requirements=[*_requirements(model_path), f"brierlake=={__version__}"],
            metadata={INNER_FLAVORS: flavors},
        )
    return target


def _requirements(model_path: Path) -> list[str]:
    file = model_path / _REQUIREMENTS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else [f"mlflow=={mlflow.__version__}"]
    return [line for line in lines if line.strip() and not line.startswith("brierlake")]


class Recalibrated:
    """What `mlflow.pyfunc.load_model` gives: takes what the model inside takes, gives P(positive class) a row."""

    def __init__(self, source: Source, calibration: Calibration) -> None:
        self._source = source
        self._calibration = calibration

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Floats:  # noqa: ARG002 - MLflow's
        with self._source.at_work():
            probability = self._source.score(model_input)
        return self._calibration.map.apply(np.asarray(probability, np.float64).reshape(-1))


def _load_pyfunc(data_path: str) -> Recalibrated:
    """Called by MLflow."""
    path = Path(data_path)
    calibration = read_calibration((path / CALIBRATION_FILE).read_text(encoding="utf-8"))
    source = load_source(path / INNER_MODEL, positive_class=calibration.positive_class)
    return Recalibrated(source, calibration)
