"""How a fetched model is stored, and whether it may be loaded: said from its MLmodel file, before any loading."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from brierlake.config import AllowConfig
from brierlake.registry.archives import find_untrusted
from brierlake.registry.contents import Suspect

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
    has_code = any(each.get("code") or "model_code_path" in each for each in flavors.values())
    return Format(
        loader=loader,
        flavor=flavor,
        flavors=tuple(sorted(flavors)),
        is_pickle=_says_pickle(flavor, flavors),
        has_code=has_code or loader == _FROM_CODE or loader not in LOADERS,
        has_signature=bool(mlmodel.get("signature")),
        strangers=tuple(_strangers(flavors)),
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
    if described.strangers and not (allow.code and allow.pickle):
        asked = "model.allow.pickle" if allow.code else "model.allow.code"
        faults.append(f"its MLmodel file names {', '.join(described.strangers)} to be loaded, which {asked} refuses")
    return faults


def describe_suspects(suspects: Sequence[Suspect], allow: AllowConfig) -> list[str]:
    """Returns why a model with these files may not be loaded; empty where it may."""
    refused = [each for each in suspects if (each.is_pickle and not allow.pickle) or (each.is_code and not allow.code)]
    shown = [
        f"{each.file} {each.fault}, which model.allow.{'code' if each.is_code and not allow.code else 'pickle'} refuses"
        for each in refused[:_SHOWN]
    ]
    return shown + ([f"and {len(refused) - _SHOWN} more files"] if len(refused) > _SHOWN else [])


def find_unfit(described: Format | None, allow: AllowConfig) -> str | None:
    """Returns why a version with this MLmodel file can't be chosen, or None where it can."""
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
