"""Real rows through the very adapter on the driver, before any task starts."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd

from brierlake.errors import ContractError
from brierlake.model.adapter import Adapter
from brierlake.model.contract import Contract
from brierlake.model.gaps import KnownGaps
from brierlake.model.issues import ALL_REFUSED, OUTSIDE, RAISES, Texts
from brierlake.model.masks import mask_names, masks_of
from brierlake.model.outputs import Floats, NotAProbabilityError
from brierlake.model.quiet import quiet_mlflow

_ENOUGH = 10
"""Rows from which values that are all exactly 0 or 1 can't be chance."""
_UNSTABLE = 1e-4


@dataclass(frozen=True)
class SampleResult:
    """What the sample said."""

    rows: int
    scored: int
    issues: tuple[tuple[str, int], ...]
    """Issue and its rows, the most frequent first."""
    lowest: float | None
    highest: float | None
    mean: float | None
    source: str
    """Where in the model the probability comes from."""
    notes: tuple[str, ...] = ()
    """What a person should know, though it doesn't stop the run."""


def try_sample(
    adapter_path: Path, sample: pd.DataFrame, *, contract: Contract, max_issue_share: float, table: str
) -> SampleResult:
    """Score a sample of the features table (its columns, or `select_inputs` of it) on the driver.

    Raises:
        ContractError: The model can't be loaded, doesn't give probabilities of the positive class, raises for every
            row, or leaves more rows without one than `max_issue_share`.
    """
    adapter = _loaded(adapter_path)
    adapter.known = KnownGaps()
    data = _arriving(sample, contract)
    if not len(data):
        return SampleResult(0, 0, (), None, None, None, adapter.source.described)
    probability, issue = adapter.with_issues(data)
    counts = Counter(issue[issue != ""])
    scored = probability[issue == ""]
    _validate_output(adapter, data, issue, scored)
    _validate_rows(adapter, counts, rows=len(data), max_issue_share=max_issue_share, table=table)
    return SampleResult(
        rows=len(data),
        scored=len(scored),
        issues=tuple(counts.most_common()),
        lowest=float(scored.min()) if len(scored) else None,
        highest=float(scored.max()) if len(scored) else None,
        mean=float(scored.mean()) if len(scored) else None,
        source=adapter.source.described,
        notes=_notes(adapter, data, probability),
    )


def explain_rows(adapter_path: Path, rows: pd.DataFrame, *, contract: Contract) -> list[str]:
    """Return what keeps each row from a probability, in the model's own words where it raises; empty: nothing does.

    `rows` are those of `select_inputs`; each is tried by itself.
    """
    adapter, data = _loaded(adapter_path), _arriving(rows, contract)
    adapter.known = KnownGaps()
    return [str(adapter.with_issues(data.iloc[[slot]])[1][0]) for slot in range(len(data))]


def _loaded(adapter_path: Path) -> Adapter:
    try:
        with quiet_mlflow():
            adapter: Adapter = mlflow.pyfunc.load_model(str(adapter_path), suppress_warnings=True).get_raw_model()
    except NotAProbabilityError as error:
        raise ContractError.not_a_probability(str(error)) from error
    except Exception as error:
        missing = error.name if isinstance(error, ImportError) else None
        raise ContractError.unloadable(f"{type(error).__name__}: {error}", missing=missing) from error
    return adapter


def _arriving(sample: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the features by position, as Arrow hands them to an executor."""
    columns: list[pd.Series[Any]] = []
    absent = {}
    for name, to in zip(contract.features, contract.types, strict=True):
        column = _cast(sample[name].reset_index(drop=True), to)
        if name in contract.masked:
            absent[name] = np.asarray(column.isna())
            column = column.where(~absent[name], 0).astype("int64")
        columns.append(column)
    have = [sample[name].reset_index(drop=True) for name in mask_names(len(contract.masked)) if name in sample]
    columns += have or [pd.Series(bits) for bits in masks_of(absent).values()]
    return pd.concat(columns, axis=1, keys=[str(k) for k in range(len(columns))])


def _cast(column: "pd.Series[Any]", to: str) -> "pd.Series[Any]":
    """Cast what isn't cast yet; of `select_inputs`, everything is."""
    if to.startswith("float"):
        return column.astype("float64" if to == "float64" else "float32")
    if to == "datetime64[ns]" and column.dtype.kind in "MO":
        return pd.to_datetime(column).astype("datetime64[us]").astype("int64").where(column.notna())
    if to.startswith("int"):
        column, limits = pd.to_numeric(column), np.iinfo(to)
        return column.where(column.between(limits.min, limits.max))
    return column


def _validate_rows(adapter: Adapter, counts: Counter[str], *, rows: int, max_issue_share: float, table: str) -> None:
    error = adapter.known.error
    words = None if error is None else f"{type(error).__name__}: {error}"
    if words and counts.total() == rows and all(text.startswith((RAISES, ALL_REFUSED)) for text in counts):
        raise ContractError.model_refuses_all(table, words, rows=rows) from error
    if counts.total() > max_issue_share * rows:
        raise ContractError.sample_issues(table, counts, rows=rows, share=max_issue_share, words=words)


def _validate_output(adapter: Adapter, data: pd.DataFrame, issue: Texts, scored: Floats) -> None:
    if isinstance(adapter.known.error, NotAProbabilityError):
        raise ContractError.not_a_probability(str(adapter.known.error))
    outside = int((issue == OUTSIDE).sum())
    if outside:
        values = adapter.values(data[issue == OUTSIDE])
        raise ContractError.not_a_probability(
            f"{outside} of {len(data)} sampled rows get a value outside [0, 1] (from {np.nanmin(values):.4g} to "
            f"{np.nanmax(values):.4g}): these are logits, scores or class numbers. Log the model with its sigmoid or "
            "softmax, or its class probabilities, as the last step"
        )
    if adapter.source.has_classes or len(scored) < _ENOUGH:
        return
    if np.isin(scored, (0.0, 1.0)).all():
        raise ContractError.not_a_probability(
            f"all {len(scored)} sampled rows get exactly 0 or 1: these are labels. Log a model that gives probabilities"
        )


def _notes(adapter: Adapter, data: pd.DataFrame, probability: Floats) -> tuple[str, ...]:
    return (*_class_notes(adapter, data[np.isfinite(probability)]), *_order_notes(adapter, data, probability))


def _class_notes(adapter: Adapter, data: pd.DataFrame) -> tuple[str, ...]:
    if adapter.source.has_classes or data.empty or not adapter.is_nameless(data.head(_ENOUGH)):
        return ()
    note = (
        "the model names no classes and gives one probability a row: it is taken as that of 1, and as one minus it for "
        "0 (model.positive_class)"
    )
    return (note,)


def _order_notes(adapter: Adapter, data: pd.DataFrame, probability: Floats) -> tuple[str, ...]:
    backwards, _ = adapter.with_issues(data.iloc[::-1].reset_index(drop=True))
    if np.nanmax(np.abs(backwards[::-1] - probability), initial=0.0) > _UNSTABLE:
        note = (
            "the model gives the same row another probability when the rows around it change: it draws at random, or "
            "looks at its whole batch, so that scoring again won't give the same predictions"
        )
        return (note,)
    return ()
