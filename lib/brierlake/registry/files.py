"""A version's files: in which formats they are, which may be loaded, and whether all of them are there."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from brierlake.config import AllowConfig
from brierlake.registry.archives import find_untrusted
from brierlake.registry.contents import Suspect
from brierlake.training import INNER_FLAVORS, INNER_MODEL, RECALIBRATED_LOADER

PYFUNC = "python_function"
_SHOWN = 4
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

_IMPORTED = {
    ("keras", "keras_module"): r"keras|tensorflow\.keras|tf_keras",
    ("lightgbm", "model_class"): r"lightgbm\.(basic\.Booster|sklearn\.LGBM\w+)",
    (PYFUNC, "pickle_module_name"): r"cloudpickle|mlflow\.pytorch\.pickle_module|pickle",
    (PYFUNC, "predict_fn"): r"predict(_(joint_log_|log_)?proba)?|score",
    ("pytorch", "pickle_module_name"): r"cloudpickle|mlflow\.pytorch\.pickle_module|pickle",
    ("tensorflow", "keras_module"): r"keras|tensorflow\.keras|tf_keras",
    ("xgboost", "model_class"): r"xgboost\.(core\.Booster|sklearn\.XGB\w+)",
}
"""Keys whose values MLflow imports or calls, and the values that are the flavor's own."""


@dataclass(frozen=True)
class Format:
    """What an MLmodel file says about loading."""

    loader: str
    flavor: str
    flavors: tuple[str, ...]
    is_pickle: bool
    has_code: bool
    has_signature: bool
    strangers: tuple[str, ...] = ()
    """What it names to be imported, called or trusted, and that isn't its flavor's own: `xgboost.model_class os.x`."""


def read_mlmodel(file: Path) -> dict[str, Any] | None:
    """Return the content of an MLmodel file, or None where it isn't one."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, FileNotFoundError):
        return None
    flavors = content.get("flavors") if isinstance(content, dict) else None
    return content if isinstance(flavors, dict) and all(isinstance(each, dict) for each in flavors.values()) else None


def describe_format(mlmodel: Mapping[str, Any]) -> Format | None:
    """Return how a model would be loaded, or None where it has no `python_function` flavor to load it with."""
    flavors: dict[str, dict[str, Any]] = mlmodel["flavors"]
    if PYFUNC not in flavors:
        return None
    loader = str(flavors[PYFUNC].get("loader_module", ""))
    has_code = any(each.get("code") or "model_code_path" in each for each in flavors.values())
    if loader == RECALIBRATED_LOADER and (inner := _inner_format(mlmodel)) is not None:
        return replace(inner, has_code=has_code or inner.has_code, has_signature=bool(mlmodel.get("signature")))
    flavor = LOADERS.get(loader, loader)
    return Format(
        loader=loader,
        flavor=flavor,
        flavors=tuple(sorted(flavors)),
        is_pickle=_says_pickle(flavor, flavors),
        has_code=has_code or loader == _FROM_CODE or loader not in LOADERS,
        has_signature=bool(mlmodel.get("signature")),
        strangers=tuple(_strangers(flavors)),
    )


def _inner_format(mlmodel: Mapping[str, Any]) -> Format | None:
    """How the model inside a recalibrated one would be loaded, as its MLmodel says; its files are looked at later."""
    told = (mlmodel.get("metadata") or {}).get(INNER_FLAVORS)
    if not isinstance(told, dict) or not all(isinstance(each, dict) for each in told.values()):
        return None
    inner = describe_format({"flavors": told})
    return None if inner is None or inner.loader == RECALIBRATED_LOADER else inner


def find_inner(folder: Path, mlmodel: Mapping[str, Any]) -> Path | None:
    """Return the folder of the model inside a recalibrated one; None: it is none."""
    own = mlmodel["flavors"].get(PYFUNC, {})
    if own.get("loader_module") != RECALIBRATED_LOADER:
        return None
    return folder / str(own.get("data", "")) / INNER_MODEL


def find_refusals(described: Format, allow: AllowConfig) -> list[str]:
    """Return why a model of this format may not be loaded, with what to do; empty where it may."""
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
    if described.strangers and not (allow.code and allow.pickle):
        asked = "model.allow.pickle" if allow.code else "model.allow.code"
        faults.append(f"its MLmodel file names {', '.join(described.strangers)} to be loaded, which {asked} refuses")
    return faults


def describe_suspects(suspects: Sequence[Suspect], allow: AllowConfig) -> list[str]:
    """Return why a model with these files may not be loaded; empty where it may."""
    refused = [each for each in suspects if (each.is_pickle and not allow.pickle) or (each.is_code and not allow.code)]
    shown = [
        f"{each.file} {each.fault}, which model.allow.{'code' if each.is_code and not allow.code else 'pickle'} refuses"
        for each in refused[:_SHOWN]
    ]
    return shown + ([f"and {len(refused) - _SHOWN} more files"] if len(refused) > _SHOWN else [])


def find_unfit(described: Format | None, allow: AllowConfig) -> str | None:
    """Return why a version with this MLmodel file can't be chosen, or None where it can."""
    if described is None:
        return "it has no python_function flavor"
    if not described.has_signature:
        return "it has no signature"
    return "; ".join(find_refusals(described, allow)) or None


def _strangers(flavors: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for (flavor, key), known in _IMPORTED.items():
        value = flavors.get(flavor, {}).get(key)
        if value is not None and not re.fullmatch(known, str(value)):
            yield f"{flavor}.{key} {value}"
    for flavor, own in flavors.items():
        if untrusted := find_untrusted(own.get("skops_trusted_types")):
            yield f"{flavor}.skops_trusted_types {untrusted}"
        for entry in _listed(own.get("providers")):
            # an option of a provider may be the path of a library to load
            if isinstance(entry, list | tuple) and re.search(r"path|library", str(entry[1:]), re.IGNORECASE):
                yield f"{flavor}.providers {entry[0]} with a path"


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _says_pickle(flavor: str, flavors: Mapping[str, Mapping[str, Any]]) -> bool:
    own = flavors.get(flavor, {})
    is_skops = own.get("serialization_format") == "skops"
    if flavor == "sklearn":
        return not is_skops
    if flavor == "lightgbm":
        return own.get("model_class", "lightgbm.basic.Booster") != "lightgbm.basic.Booster" and not is_skops
    if flavor == PYFUNC:
        return "model_code_path" not in own
    return flavor == "statsmodels"


MLMODEL = "MLmodel"
_META = "registered_model_meta"  # MLflow writes it while downloading; it differs by the address asked for
_NOT_IN_SIZE = {MLMODEL, _META, "conda.yaml", "python_env.yaml", "requirements.txt", "constraints.txt"}
_PATH_KEYS = (
    "code",
    "data",
    "model_code_path",
    "model_data",
    "model_path",
    "pickled_model",
    "python_model",
    "saved_model_dir",
)


def find_missing(folder: Path, mlmodel: Mapping[str, Any]) -> list[str]:
    """Return what isn't there of all that MLmodel names or counts; MLflow downloads succeed with files missing."""
    faults = []
    for path in sorted(set(_named_paths(mlmodel))):
        place = folder / path
        if not place.resolve().is_relative_to(folder.resolve()):
            faults.append(f"MLmodel names {path}, which is outside the model")
        elif place.is_dir() and not any(each.is_file() for each in place.rglob("*")):
            faults.append(f"{path} is empty")
        elif not place.exists():
            faults.append(f"{path} is missing")
    expected = mlmodel.get("model_size_bytes")
    counted = (each for each in list_files(folder) if each.relative_to(folder).as_posix() not in _NOT_IN_SIZE)
    size = sum(each.stat().st_size for each in counted)
    if isinstance(expected, int) and size < expected:
        faults.append(f"its files hold {size} bytes, and MLmodel says {expected}")
    return faults


def list_files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def compute_digest(folder: Path) -> str:
    """Return the sha256 over the sorted (relative path, size, sha256), the same wherever it was downloaded from."""
    lines = sorted(
        f"{each.relative_to(folder).as_posix()}\0{each.stat().st_size}\0{_sha256(each)}\n"
        for each in list_files(folder)
        if each.relative_to(folder).as_posix() != _META
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _named_paths(mlmodel: Mapping[str, Any]) -> Iterator[str]:
    flavors: Mapping[str, Mapping[str, Any]] = mlmodel["flavors"]
    for flavor in flavors.values():
        for key in _PATH_KEYS:
            if isinstance(path := flavor.get(key), str):
                # a model from code is named by where it was logged from, and stored by its last part
                yield Path(path).name if key == "model_code_path" else path
        for several in (flavor.get("env"), flavor.get("artifacts")):
            for each in several.values() if isinstance(several, Mapping) else ():
                path = each.get("path") if isinstance(each, Mapping) else each
                if isinstance(path, str):
                    yield path
        for extra in flavor.get("extra_files") or ():
            if isinstance(extra, Mapping) and isinstance(extra.get("path"), str):
                yield str(extra["path"])
    example = mlmodel.get("saved_input_example_info")
    if isinstance(example, Mapping) and isinstance(path := example.get("artifact_path"), str):
        yield path
