"""A module space for each model that brings code: in one process, two versions can have modules of the same name."""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, TypeVar

from mlflow.models import Model

_Loaded = TypeVar("_Loaded")

_LOCK = RLock()
_SHARED = frozenset(
    {
        *sys.stdlib_module_names, "__main__", "__mp_main__", "brierlake", "cloudpickle", "dateutil", "delta", "joblib",
        "keras", "lightgbm", "mlflow", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark", "pytz", "scipy",
        "six", "skops", "sklearn", "tensorflow", "threadpoolctl", "torch", "xgboost", "yaml",
    }
)  # fmt: skip
"""Never a model's own, though it may carry a copy: half of the process holds on to these, or they load only once."""
_SUFFIXES = sorted((*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES), key=len, reverse=True)


class Modules:
    """The modules that come out of a model's own folder; they are in `sys.modules` only while the model is at work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._paths = _code_paths(self._folder)
        # a model may hold others, and load these
        inside = [name for each in self._folder.rglob("MLmodel") for name in _code_paths(each.parent)]
        self._names = frozenset(name for path in inside for name in _top_names(Path(path))) - _SHARED
        self._kept: dict[str, ModuleType] = {}
        self._is_active = False

    def load(self, load: Callable[[], _Loaded]) -> _Loaded:
        """Load the model, and learns which further modules and paths it takes from its folder by itself."""
        with _LOCK:
            before = dict(sys.modules)
            importlib.invalidate_caches()
            with self._at_work():
                try:
                    loaded = load()
                finally:
                    self._learn(before)
            for name, module in before.items():
                sys.modules.setdefault(name, module)
        return loaded

    @contextmanager
    def active(self) -> Iterator[None]:
        """Modules of these names are the model's own inside; whose they were before, they are again afterwards."""
        if not self._names:
            yield
            return
        with _LOCK:
            if self._is_active:
                yield
                return
            with self._at_work():
                yield

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by Python for each import; else a package further down the path would go before a bare folder."""
        return PathFinder.find_spec(name, self._paths, target) if path is None and name in self._names else None

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        others, before, bytecode = _taken(self._names), list(sys.path), sys.dont_write_bytecode
        sys.modules.update(self._kept)
        sys.path[:] = [*self._paths, *(each for each in before if each not in self._paths)]
        sys.meta_path.insert(0, self)
        # a folder may be filled anew under the same name within a second, which compiled files don't see
        self._is_active = sys.dont_write_bytecode = True
        try:
            yield
        finally:
            self._is_active, sys.dont_write_bytecode = False, bytecode
            sys.meta_path.remove(self)
            # what others put on the path meanwhile stays: a library that was imported now may need it later
            added = [each for each in sys.path if each not in before and not self._is_inside(each)]
            sys.path[:] = [*added, *before]
            self._kept = _taken(self._names)
            sys.modules.update(others)

    def _learn(self, before: dict[str, ModuleType]) -> None:
        """A loader may put a folder of the model on the path itself, which the MLmodel file doesn't name."""
        new = [(name, module) for name, module in sys.modules.items() if before.get(name) is not module]
        found = {name.partition(".")[0] for name, module in new if self._is_inside(_place(module))}
        self._names |= found - _SHARED
        self._paths += [each for each in sys.path if each not in self._paths and self._is_inside(each)]

    def _is_inside(self, place: str | None) -> bool:
        return bool(place) and Path(str(place)).resolve().is_relative_to(self._folder)


def _taken(names: frozenset[str]) -> dict[str, ModuleType]:
    """Take all modules of these packages out of `sys.modules`."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}


def _code_paths(folder: Path) -> list[str]:
    """Return the folders that MLflow puts on the path for a model."""
    flavors: list[Any] = list(Model.load(str(folder)).flavors.values())
    named = dict.fromkeys(each["code"] for each in flavors if isinstance(each, dict) and each.get("code"))
    return [str(folder / name) for name in named]


def _top_names(folder: Path) -> Iterator[str]:
    """Return what can be imported from a folder: modules, packages, and folders without an `__init__`."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            yield path.name
        else:
            suffix = next((each for each in _SUFFIXES if path.name.endswith(each)), None)
            if suffix:
                yield path.name.removesuffix(suffix)


def _place(module: Any) -> str | None:
    place = getattr(module, "__file__", None)
    return place or next(iter(getattr(module, "__path__", ())), None)
