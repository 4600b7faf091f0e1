"""Which files of a model could run code when they are read: told from their bytes, whatever they are called."""

import codecs
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brierlake.registry.archives import find_archive_fault, is_torch_checkpoint
from brierlake.registry.pickles import is_compressed, is_pickle

_CODE = {".dll", ".dylib", ".egg", ".ipynb", ".jar", ".py", ".pyc", ".pyd", ".pyo", ".pyw", ".pyx", ".so", ".whl"}
_MODULES = {
    "keras_module.txt": {"keras", "tensorflow.keras", "tf_keras"},
    "pickle_module_info.txt": {"cloudpickle", "mlflow.pytorch.pickle_module", "pickle"},
}
"""Files whose text MLflow imports, and what it may be."""
_HARMLESS = (
    *(b"{L\x00\x00", b"binf", b"CBM1"),  # XGBoost's UBJSON and what came before it, CatBoost
    *(b"PAR1", b"\x89PNG\r\n\x1a\n"),
)
_HDF5, _NUMPY, _ZIP = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04"
_PROTOBUF = re.compile(r".*\.onnx|saved_model\.pb|fingerprint\.pb|keras_metadata\.pb")
_VARIABLES = re.compile(r"variables\.(index|data-\d{5}-of-\d{5})")
_KERAS_OWN = re.compile(rb'"module"\s*+:\s*+(?!null|"(?:keras|tf_keras|tensorflow|builtins)[."])')
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CODE_FAULTS = ("has a Lambda layer", "has layers of code", "has a layer of code", "holds a file of code")
_MOST_HELD = 64


@dataclass(frozen=True)
class Suspect:
    """A file that could run code, or that can't be told not to."""

    file: str
    fault: str
    is_code: bool
    """It is Python code or a library, or brings or names some."""
    is_pickle: bool
    """It is, holds or may be a pickle, or runs code when it is read as one does."""


def find_suspects(folder: Path) -> list[Suspect]:
    """Return every file of a model that isn't of a format known to be harmless; read them, and load nothing."""
    return [each for file in _files(folder) if (each := _suspect(folder, file)) is not None]


def find_pickles(folder: Path) -> list[str]:
    """Return the files that are pickles by their bytes, or hold one, whatever MLmodel says."""
    return [str(each.relative_to(folder)) for each in _files(folder) if _is_or_holds_pickle(each)]


def _files(folder: Path) -> Iterator[Path]:
    return (each for each in sorted(folder.rglob("*")) if each.is_file())


def _is_or_holds_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        return is_pickle(stream) or is_torch_checkpoint(file)


def _suspect(folder: Path, file: Path) -> Suspect | None:
    name, fault, is_code = str(file.relative_to(folder)), _fault_of(file), file.suffix.lower() in _CODE
    if fault is not None:
        return Suspect(name, fault, is_code=is_code or fault.startswith(_CODE_FAULTS), is_pickle=True)
    if is_code:
        return Suspect(name, "is code", is_code=True, is_pickle=False)
    if (known := _MODULES.get(file.name)) and file.read_text(encoding="utf-8").strip() not in known:
        return Suspect(name, f"names another module than {', '.join(sorted(known))}", is_code=True, is_pickle=True)
    return None


def _fault_of(file: Path) -> str | None:
    with file.open("rb") as stream:
        head = stream.read(_MOST_HELD)
        stream.seek(0)
        if is_compressed(head):
            return "is compressed, so that it may be a pickle"
        if is_pickle(stream):
            return "is a pickle"
    if head.startswith(_ZIP):
        return _fault_of_zip(file)
    if head.startswith(_HDF5):
        return _fault_of_hdf5(file.read_bytes())
    if head.startswith(_NUMPY):
        return _fault_of_array(file.read_bytes())
    if _PROTOBUF.fullmatch(file.name):
        return _fault_of_protobuf(file)
    if head.startswith(_HARMLESS) or _is_variables(file) or _is_text(file):
        return None
    return "is of no format that is known to be harmless"


def _fault_of_zip(file: Path) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            return find_archive_fault(archive, inspect=_fault_of_bytes)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, KeyError, RecursionError):
        return "is an archive that can't be looked into"


def _fault_of_bytes(name: str, content: bytes) -> str | None:
    """The same for what an archive holds."""
    if is_pickle(io.BytesIO(content)):
        return f"holds a pickle ({name})"
    if Path(name).suffix.lower() in _CODE:
        return f"holds a file of code ({name})"
    if content.startswith(_HDF5):
        return _fault_of_hdf5(content)
    if content.startswith(_NUMPY):
        return _fault_of_array(content)
    if _is_plain(content):
        return None
    return f"holds {name}, which is of no format that is known to be harmless"


def _fault_of_array(content: bytes) -> str | None:
    try:
        np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return "is an array of Python objects"
    return None


def _fault_of_hdf5(content: bytes) -> str | None:
    """Keras runs the Python that a Lambda layer keeps, and imports the modules that layers name."""
    has_config = b'"class_name"' in content
    if b"Lambda" in content or b"__lambda__" in content:
        return "has a Lambda layer, which is code"
    if has_config and (_KERAS_OWN.search(content) or b"\\u" in content or b"TorchModuleWrapper" in content):
        return "has layers of code that isn't Keras's"
    return None


def _fault_of_protobuf(file: Path) -> str | None:
    content = file.read_bytes()
    if not content or content[0] not in (0x08, 0x0A):
        return "is of no format that is known to be harmless"
    return "has a Lambda layer, which is code" if file.name == "keras_metadata.pb" and b"Lambda" in content else None


def _is_variables(file: Path) -> bool:
    """The tensors of a SavedModel, which TensorFlow reads as they lie there."""
    return bool(_VARIABLES.fullmatch(file.name)) and (file.parent.parent / "saved_model.pb").is_file()


def _is_text(file: Path) -> bool:
    decode = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as stream:
        try:
            while chunk := stream.read(1 << 20):
                if _CONTROL.search(decode.decode(chunk)):
                    return False
            decode.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _is_plain(content: bytes) -> bool:
    try:
        return not _CONTROL.search(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False
