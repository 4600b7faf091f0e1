"""How a fetched model is stored, and whether it may be loaded: said from its MLmodel file, before any loading."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from brierlake.config import AllowConfig

PYFUNC = "python_function"
_FROM_CODE = "mlflow.pyfunc.loaders.code_model"
LOADERS = {
    "mlflow.catboost": "catboost",
    "mlflow.keras": "keras",
    "mlflow.lightgbm": "lightgbm",
    "mlflow.onnx": "onnx",
    "mlflow.pyfunc.loaders.code_model": PYFUNC,
    "mlflow.pyfunc.model": PYFUNC,
    "mlflow.pytorch": "pytorch",
    "mlflow.sklearn": "sklearn",
    "mlflow.statsmodels": "statsmodels",
    "mlflow.tensorflow": "tensorflow",
    "mlflow.xgboost": "xgboost",
}
"""The loaders that brierlake knows, and their flavors."""
_INSTEAD = {
    "lightgbm": "log it with serialization_format='skops', or log its booster",
    "pytorch": "log it with serialization_format='pt2'",
    "sklearn": "log it with serialization_format='skops'",
    "tensorflow": "log it with mlflow.keras, without custom objects",
    PYFUNC: "log it as a model from code",
}


@dataclass(frozen=True)
class Format:
    """What an MLmodel file says about loading."""

    loader: str
    flavor: str
    flavors: tuple[str, ...]
    is_pickle: bool
    has_code: bool
    has_signature: bool


def read_mlmodel(file: Path) -> dict[str, Any] | None:
    """Returns the content of an MLmodel file, or None where it isn't one."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, FileNotFoundError):
        return None
    flavors = content.get("flavors") if isinstance(content, dict) else None
    return content if isinstance(flavors, dict) and all(isinstance(each, dict) for each in flavors.values()) else None


def describe_format(mlmodel: Mapping[str, Any]) -> Format | None:
    """Returns how a model would be loaded, or None where it has no `python_function` flavor to load it with."""
    flavors: dict[str, dict[str, Any]] = mlmodel["flavors"]
    if PYFUNC not in flavors:
        return None
    loader = str(flavors[PYFUNC].get("loader_module", ""))
    flavor = LOADERS.get(loader, loader)
    has_code = any(each.get("code") for each in flavors.values()) or bool(flavors[PYFUNC].get("model_code_path"))
    return Format(
        loader=loader,
        flavor=flavor,
        flavors=tuple(sorted(flavors)),
        is_pickle=_says_pickle(flavor, flavors),
        has_code=has_code or loader == _FROM_CODE,
        has_signature=bool(mlmodel.get("signature")),
    )


def find_refusals(described: Format, allow: AllowConfig) -> list[str]:
    """Returns why a model of this format may not be loaded, with what to do; empty where it may."""
    faults = []
    known = described.loader in LOADERS
    allowed = {described.flavor, described.loader} & set(allow.flavors) if allow.flavors else known
    if not allowed:
        names = ", ".join(sorted(allow.flavors or set(LOADERS.values())))
        faults.append(f"its flavor {described.flavor} isn't one of those allowed ({names}; see model.allow.flavors)")
    if described.is_pickle and not allow.pickle:
        instead = _INSTEAD.get(described.flavor, "log it in another format")
        faults.append(f"it is stored as a pickle, which model.allow.pickle refuses ({instead})")
    if described.has_code and not allow.code:
        faults.append("it brings Python code of its own, which model.allow.code refuses")
    return faults


def find_unfit(described: Format | None, allow: AllowConfig) -> str | None:
    """Returns why a version with this MLmodel file can't be chosen, or None where it can."""
    if described is None:
        return "it has no python_function flavor"
    if not described.has_signature:
        return "it has no signature"
    return "; ".join(find_refusals(described, allow)) or None


def find_pickles(folder: Path) -> list[str]:
    """Returns the files that are pickles by their first bytes, or hold one, whatever MLmodel says."""
    files = (each for each in sorted(folder.rglob("*")) if each.is_file())
    return [str(each.relative_to(folder)) for each in files if _is_pickle(each)]


def _says_pickle(flavor: str, flavors: Mapping[str, Mapping[str, Any]]) -> bool:
    own = flavors.get(flavor, {})
    is_skops = own.get("serialization_format") == "skops"
    if flavor == "sklearn":
        return not is_skops
    if flavor == "lightgbm":
        return own.get("model_class", "lightgbm.basic.Booster") != "lightgbm.basic.Booster" and not is_skops
    if flavor == PYFUNC:
        return not own.get("model_code_path")
    return flavor == "statsmodels"


def _is_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(2)
    if head[:1] == b"\x80" and head[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if head != b"PK" or file.suffix in (".pt2", ".skops"):  # MLflow and skops look inside those themselves
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
