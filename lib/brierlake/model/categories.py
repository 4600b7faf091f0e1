"""Columns become the pandas categories that a booster was trained on, which MLflow's signatures call text or numbers.

LightGBM and XGBoost store the categories with the trees, as codes by their order; a frame of plain text they refuse.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from brierlake.errors import listed
from brierlake.model.missing import parts
from brierlake.model.outputs import NotAProbabilityError

_MARKED = re.compile(r"\[categorical_feature: ([\d,]+)\]")


@dataclass(frozen=True)
class Categories:
    """What a booster knows of its features by their position."""

    by_position: Callable[[pd.DataFrame], dict[int, Sequence[Any]]]
    """Frame -> the categories of each column that has some, in the order of their codes."""
    takes_others: bool
    """Whether values that aren't among them are handed over too; else they are missing."""
    predict: Callable[[pd.DataFrame], Any] | None
    """Frame with categories -> what a booster without the scikit-learn interface gives."""

    def coded(self, data: Any) -> Any:
        """Return the rows with categories; a matrix stays as it is."""
        if not isinstance(data, pd.DataFrame):
            return data
        coded = {
            data.columns[k]: pd.Categorical(data.iloc[:, k], categories=self._with_others(data.iloc[:, k], known))
            for k, known in self.by_position(data).items()
        }
        return data.assign(**{str(name): values for name, values in coded.items()})

    def _with_others(self, column: "pd.Series[Any]", known: Sequence[Any]) -> list[Any]:
        if not self.takes_others:
            return list(known)
        return [*known, *(each for each in column.dropna().unique() if each not in known)]


def find_categories(raw: Any) -> Categories | None:
    """Return the pandas categories that a model was trained on; None where there were none.

    Raises:
        NotAProbabilityError: The booster was saved without them.
    """
    for part in (raw, *parts(raw)):
        library = type(part).__module__.partition(".")[0]
        if library == "lightgbm":
            booster = getattr(part, "booster_", part)
            if stored := getattr(booster, "pandas_categorical", None):
                return _of_lightgbm(booster, stored, is_bare=booster is part)
        elif library == "xgboost":
            booster = part.get_booster() if hasattr(part, "get_booster") else part
            if "c" in (getattr(booster, "feature_types", None) or ()):
                return _of_xgboost(booster, is_bare=booster is part)
    return None


def _of_lightgbm(booster: Any, stored: list[list[Any]], *, is_bare: bool) -> Categories:
    found = _MARKED.search(booster.model_to_string(num_iteration=1))
    marked = [int(k) for k in found[1].split(",")] if found else []

    def by_position(data: pd.DataFrame) -> dict[int, Sequence[Any]]:
        text = [k for k, dtype in enumerate(data.dtypes) if dtype.kind == "O"]
        for places in _candidates(text, marked, stored):
            if len(places) == len(stored) and set(text) <= set(places):
                return dict(zip(places, stored, strict=True))
        names = booster.feature_name()
        message = (
            f"the model was trained on {len(stored)} pandas categories, and which of its columns they are can't be "
            f"told (text are {listed(data.columns[k] for k in text)}; marked as categorical are "
            f"{listed(names[k] for k in marked)}): train it with categorical_feature='auto', and these as category"
        )
        raise NotAProbabilityError(message)

    return Categories(by_position, takes_others=False, predict=booster.predict if is_bare else None)


def _candidates(text: list[int], marked: list[int], stored: list[list[Any]]) -> Iterator[list[int]]:
    """Return the places that the stored categories, of which LightGBM keeps only the order, may belong to."""
    if all(isinstance(each, str) for known in stored for each in known):
        yield text  # ordered categories aren't marked
    yield marked
    yield sorted({*text, *marked})


def _of_xgboost(booster: Any, *, is_bare: bool) -> Categories:
    stored = booster.get_categories(export_to_arrow=True).to_arrow() if hasattr(booster, "get_categories") else []
    known = {k: each.to_pylist() for k, (_, each) in enumerate(stored) if each is not None}
    absent = [
        name
        for k, (name, kind) in enumerate(zip(booster.feature_names, booster.feature_types, strict=True))
        if kind == "c" and k not in known
    ]
    if absent:
        message = (
            f"the model was trained on pandas categories ({listed(absent)}) and saved without them, as XGBoost before "
            "3.1 did, so that their codes are unknown: train and log it with XGBoost 3.1 or later"
        )
        raise NotAProbabilityError(message)

    def predict(data: pd.DataFrame) -> Any:
        return booster.predict(importlib.import_module("xgboost").DMatrix(data, enable_categorical=True))

    return Categories(lambda _: known, takes_others=True, predict=predict if is_bare else None)
