"""The pyfunc model that executors load: the real model inside, P(positive class) and an issue outside."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.models.model
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import Model
from numpy.typing import NDArray

from brierlake.brier import CalibrationMap
from brierlake.config import Label
from brierlake.model.bad_rows import score_rows
from brierlake.model.flavors import Source, probability_source
from brierlake.model.gaps import KnownGaps
from brierlake.model.issues import LIMITED, WHOLE, Texts, encode, unfit
from brierlake.model.masks import absent_in
from brierlake.model.modules import Modules
from brierlake.model.outputs import Floats

SETTINGS = "adapter.json"
INNER = "model"

_KEPT = 2
_AS_THEY_ARE = ("float64", "float32", "str")
_LOADED: dict[str, tuple[Path, "Adapter"]] = {}
"""Those used last, and the folder of each."""


class Adapter:
    """Takes features by position, then bits of where some were null; gives a probability a row, or an issue's code."""

    def __init__(
        self,
        source: Source,
        *,
        features: list[str],
        types: list[str],
        form: str,
        masked: Sequence[str] = (),
        calibration: CalibrationMap | None = None,
    ) -> None:
        self.source = source
        self.features = features
        self.types = types
        self.form = form
        self.masked = masked
        self.type_of = dict(zip(features, types, strict=True))
        pairs = list(self.type_of.items())
        # Floats, and text without a marker of its own, arrive as the model takes them: nothing to look at.
        self.limited = [(name, to) for name, to in pairs if to in LIMITED]
        self.converted = [
            (name, to)
            for name, to in pairs
            if to not in _AS_THEY_ARE or (to == "str" and source.missing_text is not None)
        ]
        self.is_read_by_row = source.is_read_by_row and set(types) == {"float64"}
        self.known = KnownGaps()
        self.calibration = calibration

    def get_raw_model(self) -> "Adapter":
        return self

    def predict(self, data: pd.DataFrame) -> Floats:
        """Return what `issues.decode` takes apart (rows,)."""
        return encode(*self.with_issues(data))

    def with_issues(self, data: pd.DataFrame) -> tuple[Floats, Texts]:
        """Return each row's probability (NaN = none) and issue (empty = none)."""
        with self.source.at_work():
            probability, issue = self._with_issues(data)
        return (self.calibration.apply(probability) if self.calibration else probability), issue

    def _with_issues(self, data: pd.DataFrame) -> tuple[Floats, Texts]:
        frame, fits, reasons = self._named(data)
        if fits.all():
            probability, issue = score_rows(frame, score=self.score, known=self.known)
        else:
            probability, issue = np.full(len(frame), np.nan), reasons
            probability[fits], issue[fits] = score_rows(
                frame[fits].reset_index(drop=True), score=self.score, known=self.known
            )
        return probability, issue

    def values(self, data: pd.DataFrame) -> Floats:
        """Return what the model gives for rows that it scores, as it gives it."""
        return self.score(self._named(data)[0])

    def is_nameless(self, data: pd.DataFrame) -> bool:
        """Whether nothing says which class the values of these rows, which the model scores, belong to."""
        with self.source.at_work():
            return self.source.is_nameless(self.model_input(self._named(data)[0]))

    def score(self, frame: pd.DataFrame) -> Floats:
        with self.source.at_work():
            return self.source.score(self.model_input(frame))

    def model_input(self, frame: pd.DataFrame) -> Any:
        """Return rows that fit, as the model takes them."""
        if self.form == "tensor":
            return np.ascontiguousarray(frame.to_numpy(dtype=self.types[0]))
        if self.is_read_by_row:
            return pd.DataFrame(np.ascontiguousarray(frame.to_numpy()), columns=frame.columns, copy=False)
        given = {name: self._given(frame[name], to) for name, to in self.converted if str(frame[name].dtype) != to}
        # a copy: a model may change what it is given in place, and these rows may have to be tried again
        rows = frame.assign(**given) if given else frame.copy()
        rows.index = pd.RangeIndex(len(rows))  # by which a model's own order is known
        return rows

    def _named(self, data: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.bool_], Texts]:
        """Return the features, their nulls put back, which rows fit into the model's types, and why the others not."""
        frame = data.iloc[:, : len(self.features)].copy(deep=False)
        frame.columns = pd.Index(self.features)
        absent = absent_in(data.iloc[:, len(self.features) :], self.masked)
        fits, reasons = self._fits(frame, absent)
        for name, flags in absent.items():
            if self.type_of[name] == "datetime64[ns]":
                frame[name] = frame[name].astype("datetime64[us]").mask(flags)
        return frame, fits, reasons

    def _given(self, column: "pd.Series[Any]", to: str) -> "pd.Series[Any]":
        if to == "datetime64[ns]":
            return column.astype("datetime64[ns]") if column.dtype.kind == "M" else pd.to_datetime(column, unit="us")
        if to == "str":
            return column.where(column.notna(), self.source.missing_text)
        return column.astype(np.dtype(to))

    def _fits(self, frame: pd.DataFrame, absent: Mapping[str, NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], Texts]:
        """Return which rows can be put into the model's types at all, and for the others why not."""
        fits = np.ones(len(frame), dtype=np.bool_)
        reasons = np.full(len(frame), "", dtype=object)
        for name, to in self.limited:
            column = frame[name]
            if to in WHOLE and name in absent:
                bad = absent[name]
            elif to in WHOLE and column.dtype.kind in "fO":
                bad = np.asarray(column.isna(), dtype=np.bool_)
            elif to == "datetime64[ns]":
                bad = np.asarray(column.abs() > _FURTHEST, dtype=np.bool_)
            else:
                continue
            reasons[bad & fits] = unfit(name, to)
            fits &= ~bad
        return fits, reasons


_FURTHEST = 9_223_372_036_854_774
"""Microseconds from 1970 that a time in nanoseconds can reach (1677 to 2262)."""


def _load_pyfunc(data_path: str) -> Adapter:
    """Called by MLflow, on local masters once a task; the model is loaded once a Python worker."""
    path = Path(data_path)
    settings = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
    key = settings["digest"]
    home, adapter = _LOADED.pop(key, (path, None))
    # one from a folder that is gone can't open its files any more, nor import what it hasn't yet
    if adapter is None or not home.is_dir():
        home, adapter = path, _loaded(path / INNER, settings)
    while len(_LOADED) >= _KEPT:
        _LOADED.pop(next(iter(_LOADED)))
    _LOADED[key] = home, adapter
    return adapter


def _loaded(path: Path, settings: dict[str, Any]) -> Adapter:
    logging.getLogger("mlflow.pyfunc").debug("loading %s", path)
    source = load_source(path, positive_class=settings["positive_class"])
    names = ("features", "types", "form", "masked")
    text = settings.get("calibration")
    calibration = CalibrationMap.from_json(text) if text else None
    return Adapter(source, **{name: settings[name] for name in names}, calibration=calibration)


def load_source(path: Path, *, positive_class: Label) -> Source:
    """Load a model and find its probability.

    Raises:
        NotAProbabilityError: It has none of the positive class.
    """
    _settle_backend(Model.load(str(path)).flavors)
    modules = Modules(path)

    def loaded() -> Source:
        # else a file that should set its model and doesn't is answered with the one that was loaded before
        mlflow.models.model.__mlflow_model__ = None
        model = mlflow.pyfunc.load_model(str(path), suppress_warnings=True)
        return probability_source(model, positive_class=positive_class)

    return replace(modules.load(loaded), at_work=modules.active)


def _settle_backend(flavors: Mapping[str, Any]) -> None:
    keras = flavors.get("keras", {})
    if "keras_backend" in keras:  # else Keras asks for TensorFlow, whatever the model was made with
        os.environ.setdefault("KERAS_BACKEND", keras["keras_backend"])
    if flavors.keys() & {"keras", "tensorflow"}:
        # what TensorFlow says while it starts (of CPU features, oneDNN, missing GPUs) comes from C++, and to no log
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
