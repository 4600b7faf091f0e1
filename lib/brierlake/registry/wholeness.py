"""Whether a downloaded model is all there, and the digest that names its content."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    """Returns what isn't there of all that MLmodel names or counts; MLflow downloads succeed with files missing."""
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
    size = sum(each.stat().st_size for each in list_files(folder) if each.name not in _NOT_IN_SIZE)
    if isinstance(expected, int) and size < expected:
        faults.append(f"its files hold {size} bytes, and MLmodel says {expected}")
    return faults


def list_files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def compute_digest(folder: Path) -> str:
    """Returns the sha256 over the sorted (relative path, size, sha256), the same wherever it was downloaded from."""
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
