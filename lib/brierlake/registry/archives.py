"""What the archives that models are stored in hold and name: skops, Keras, PyTorch and NumPy. Nothing is loaded."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from brierlake.registry.pickles import find_named

Inspect = Callable[[str, bytes], str | None]
"""From a member's name and content to why it isn't known to be harmless."""

_CLASSES = re.compile(
    r"(catboost|lightgbm|quantile_forest|xgboost)(\.\w+)*|numpy(\.(_?core|dtypes|ma|matrixlib|polynomial|random)(\.\w+)*)?|"
    r"scipy\.(interpolate|optimize|sparse|spatial|special|stats)(\.\w+)*|sklearn\.(?!datasets|externals|utils\.parallel)[\w.]+"
)
"""Modules whose classes may be named."""
_BUILTINS = {
    *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "map", "range", "set"),
    *("slice", "str", "tuple", "type", "NoneType", "ellipsis"),
}
_PLAIN_TYPES = {
    "builtins": _BUILTINS,
    "collections": {"Counter", "OrderedDict", "defaultdict"},
    "datetime": {"date", "datetime", "timedelta", "timezone"},
    "functools": {"partial"},
    "zoneinfo": {"ZoneInfo"},
}
_FUNCTIONS = re.compile(r"numpy|numpy\._?core\.\w+|scipy\.special(\.\w+)?|sklearn\.(?!utils|datasets|externals)[\w.]+")
"""Modules whose functions, which have no capital, may be named too."""
_READERS = {"fromfile", "fromregex", "genfromtxt", "load", "loads", "loadtxt", "memmap", "open_memmap", "save", "savez"}
_KERAS = re.compile(
    r"(tensorflow\.)?(tf_)?keras(\.src)?\.(activations|constraints|dtype_policies|initializers|layers|losses|metrics|"
    r"models|ops|optimizers|quantizers|random|regularizers)(\.\w+)*|builtins"
)
_KERAS_TOP = {"DTypePolicy", "FloatDTypePolicy", "Functional", "KerasTensor", "Model", "Sequential", "Variable"}
_KERAS_LOADERS = {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}
_TORCH = re.compile(
    r"collections\.OrderedDict|torch\.(\w+Storage|Size|device|u?int\d+|b?float\d+|bool|_utils\._rebuild_tensor(_v2)?|"
    r"_utils\._rebuild_parameter|storage\.(Typed|Untyped)Storage)"
)
_RAW = re.compile(r"(?P<folder>.*/)?data/(weights|constants)/(weight|tensor)_\d+")


def is_torch_checkpoint(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.lower().endswith(".pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def find_archive_fault(archive: zipfile.ZipFile, *, inspect: Inspect) -> str | None:
    """Return why what is in the archive could run code, or None where all of it is known to be harmless."""
    names = [each.filename for each in archive.infolist() if not each.is_dir()]
    if "schema.json" in names and (fault := _skops_fault(json.loads(archive.read("schema.json")))):
        return fault
    if "config.json" in names and (fault := _keras_fault(json.loads(archive.read("config.json")))):
        return fault
    if pickled := next((name for name in names if name.lower().endswith(".pkl")), None):
        return f"holds a pickle ({pickled})"
    raw = _raw_tensors(archive, names)
    for name in names:
        if name not in raw and (fault := _member_fault(name, archive.read(name), inspect)):
            return fault
    return None


def find_untrusted(names: object) -> str | None:
    """Return the first of the types that MLmodel tells skops to trust and that isn't one we know to be harmless."""
    listed = names if isinstance(names, list | tuple) else [] if names is None else [names]
    for each in listed:
        module, _, name = str(each).rpartition(".")
        if not _is_harmless_type(module, name):
            return str(each)
    return None


def _member_fault(name: str, content: bytes, inspect: Inspect) -> str | None:
    if not content.startswith(b"PK\x03\x04"):
        return inspect(name, content)
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        for member in inner.namelist():
            if member.lower().endswith(".pkl"):
                named = find_named(inner.read(member))
                if named is None or not all(map(_TORCH.fullmatch, named)):
                    return f"holds a pickle ({name})"
            elif not _is_checkpoint_part(member) and (fault := inspect(f"{name}/{member}", inner.read(member))):
                return fault
    return None


def _is_checkpoint_part(member: str) -> bool:
    """A storage of torch.save, which only its data.pkl says how to read."""
    return re.search(r"(^|/)data/\d+$", member) is not None


def _raw_tensors(archive: zipfile.ZipFile, names: list[str]) -> set[str]:
    """Members of a pt2 archive that its own list says are read as bytes, and not as pickles."""
    raw: set[str] = set()
    pickled: set[str] = set()
    for name in names:
        if re.search(r"(^|/)data/(weights|constants)/[^/]+_config\.json$", name):
            entries = json.loads(archive.read(name)).get("config", {})
            for entry in entries.values():
                member = f"{name.rpartition('/')[0]}/{entry['path_name']}"
                (raw if entry.get("use_pickle") is False and _RAW.fullmatch(member) else pickled).add(member)
    return raw - pickled


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _nodes(each)


def _skops_fault(schema: Any) -> str | None:
    for node in _nodes(schema):
        for module, name in (("__module__", "__class__"), ("module_path", "function")):
            if module in node and not _is_harmless_type(str(node[module]), str(node.get(name))):
                return f"names {node[module]}.{node.get(name)}, which isn't one of the types known to be harmless"
        if node.get("__loader__") in ("MethodNode", "OperatorFuncNode"):
            return f"names a {'method' if node['__loader__'] == 'MethodNode' else 'function of operator'} to be called"
    return None


def _is_harmless_type(module: str, name: str) -> bool:
    if module in _PLAIN_TYPES:
        return name in _PLAIN_TYPES[module]
    if not _CLASSES.fullmatch(module) or name in _READERS:
        return False
    return name.lstrip("_")[:1].isupper() or _FUNCTIONS.fullmatch(module) is not None or _is_array_type(module, name)


def _is_array_type(module: str, name: str) -> bool:
    return module.startswith(("numpy", "scipy.sparse")) and re.fullmatch(r"\w+(_matrix|_array)|dtype", name) is not None


def _keras_fault(config: Any) -> str | None:
    for node in _nodes(config):
        name, module = str(node.get("class_name", "")), node.get("module")
        if "lambda" in name.lower():
            return "has a Lambda layer, which is code"
        is_own = module is None or _KERAS.fullmatch(str(module)) or (module == "keras" and name in _KERAS_TOP)
        if name in _KERAS_LOADERS or not is_own:
            return f"has a layer of code that isn't Keras's ({module}.{name})"
    return None
