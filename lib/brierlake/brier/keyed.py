"""Metrics of every key of a cells table by one numpy function: inside Spark, or here where there are few."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.brier.clustered import ClusterProducts
from brierlake.brier.grid import FloatArray, IntArray
from brierlake.brier.inference import validate_level
from brierlake.brier.metrics import tally_metrics
from brierlake.brier.reliability import corp_blocks, display_bins
from brierlake.brier.tally import MOMENTS, Tally, tally_cells
from brierlake.names import column_of, internal
from brierlake.schemas import METRIC_FIELDS, RELIABILITY_FIELDS

_FLAGS: Final = ["is_reference", "has_bands"]
_CELL: Final = ["cell_id", "outcome", "n", *MOMENTS]
_VALUES: Final = [*_CELL, *_FLAGS]
_ROWS: Final = T.ArrayType(RELIABILITY_FIELDS, containsNull=False)
_RESULT: Final = T.StructType([*METRIC_FIELDS.fields, T.StructField("bins", _ROWS), T.StructField("blocks", _ROWS)])


@dataclass(frozen=True)
class KeyFacts:
    """What a key's cells can't tell: how its rows hang together, and what was known before them."""

    clusters: ClusterProducts | None = None
    """None: rows are taken as independent."""
    reference_rate: float | None = None
    """Base rate of earlier windows; None: skill is against the rows' own, in hindsight."""
    between: Mapping[str, float] = field(default_factory=dict)
    """Variance of s and of r between windows like this one; empty: not known, or no window."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Values of METRIC_FIELDS that come from many windows."""


@dataclass(frozen=True)
class _Settings:
    """What all keys are computed by."""

    level: float
    threshold: float | None
    facts: "Facts"


Facts = Mapping[tuple[Any, ...], KeyFacts]
"""By the values of `parts` and `by`; None for null."""
_NO_FACTS: Final = KeyFacts()
Part = tuple[Any, ...]
"""Values of `parts`; all None: the whole."""


@dataclass(frozen=True)
class _Parts:
    """The number (R,) of each row's part, and the parts that they stand for."""

    codes: IntArray
    labels: Sequence[Part]


_PART: Final = internal("part")
_NO_DRIFT: Final = dict.fromkeys(("drift_psi", "drift_js", "drift_psi_low", "drift_js_low"))
_NO_BANDS: Final = dict.fromkeys(("band_low", "band_high"))


def metrics_schema(cells: T.StructType, *, by: Sequence[str]) -> T.StructType:
    """What `compute_metrics` makes of cells with this schema; `compute_records` gives records of it."""
    return T.StructType([*(cells[name] for name in by), *_RESULT])


def compute_metrics(
    cells: DataFrame,
    *,
    by: Sequence[str],
    parts: Sequence[str] = (),
    level: float = 0.95,
    threshold: float | None = None,
    facts: Facts | None = None,
) -> DataFrame:
    """Turn cells into one row per key: the columns of `by`, those of METRIC_FIELDS, and arrays `bins` and `blocks`.

    `cells` is what `compute_cells` or `merge_cells` returns. With `parts`, columns such as the version that made the
    rows, each key has a row for each of its parts, and one for the whole of it, where they are null; they come before
    the columns of `by`. Optional boolean columns: `is_reference` marks cells that drift of the whole is measured from,
    already under the key that they serve (they count for nothing else; without them drift is null, and a key that has
    nothing else is left out); `has_bands`, one value per key, asks for consistency bands of the whole. `facts` has
    what cells can't tell, for the rows that there is something to tell of; where a part's are those of the whole,
    they are one object. `threshold` is the one that decisions are made at.
    """
    validate_level(level)
    optional = {name: F.col(name).cast("double") if name in cells.columns else F.lit(None) for name in _FLAGS}
    values = (F.coalesce(value, F.lit(0.0)).alias(name) for name, value in optional.items())
    names, labels = [column_of(name) for name in by], [column_of(name) for name in parts]
    chosen = cells.select(*labels, *names, *_CELL, *values)
    keys = [chosen.schema[name] for name in (*parts, *by)]
    # one struct, not forty columns: turning each column of one row into Arrow costs more than the statistics do
    result = chosen.groupBy(*names).applyInPandas(
        _metrics_of_key(list(by), list(parts), _Settings(level, threshold, facts or {})),
        T.StructType([*keys, T.StructField("result", _RESULT)]),
    )
    return result.select(*labels, *names, "result.*")


def _metrics_of_key(
    by: list[str], parts: list[str], settings: _Settings
) -> Callable[[tuple[Any, ...], pd.DataFrame], pd.DataFrame]:
    def metrics_of_key(key: tuple[Any, ...], cells: pd.DataFrame) -> pd.DataFrame:
        named = tuple(None if pd.isna(each) else each for each in key)
        values = {name: cells[name].to_numpy(float) for name in _VALUES}
        own = _code_parts(cells[parts])
        rows = [
            {**dict(zip((*parts, *by), (*part, *named), strict=True)), "result": result}
            for part, result in _records(values, own, settings, named)
        ]
        return pd.DataFrame(rows, columns=[*parts, *by, "result"])

    return metrics_of_key


def compute_records(
    cells: pa.Table,
    *,
    by: Sequence[str],
    parts: Sequence[str] = (),
    level: float = 0.95,
    threshold: float | None = None,
    facts: Facts | None = None,
) -> list[dict[str, Any]]:
    """The rows of `compute_metrics` as records, for few keys: what Spark takes to start is more than they cost."""
    validate_level(level)
    settings = _Settings(level, threshold, facts or {})
    every = _code_parts(cells.select([*parts, "n"]).to_pandas().drop(columns="n"))
    return [
        {**dict(zip((*parts, *by), (*part, *key), strict=True)), **result}
        for key, codes, values in _by_key(cells.append_column(_PART, pa.array(every.codes)), list(by))
        for part, result in _records(values, _Parts(codes, every.labels), settings, key)
    ]


def _code_parts(cells: pd.DataFrame) -> _Parts:
    if not len(cells.columns):
        return _Parts(np.zeros(len(cells), np.int64), [()])
    groups = cells.groupby(list(cells.columns), dropna=False, sort=False)
    firsts = groups.head(1).convert_dtypes()  # whole numbers beside a null came as floats
    plain = firsts.astype(object).where(firsts.notna(), None)
    return _Parts(np.asarray(groups.ngroup(), np.int64), [tuple(row) for row in plain.itertuples(index=False)])


def _by_key(cells: pa.Table, by: list[str]) -> Iterator[tuple[tuple[Any, ...], IntArray, Mapping[str, FloatArray]]]:
    there = [name for name in (*_VALUES, _PART) if name in cells.column_names]
    grouped = cells.group_by(by).aggregate([(name, "list") for name in there])
    lists = {name: grouped.column(f"{name}_list").combine_chunks() for name in there}
    for slot, key in enumerate(grouped.select(by).to_pylist()):
        found = {name: _floats(lists[name][slot].values) for name in there}
        codes = found[_PART].astype(np.int64)
        yield tuple(key.values()), codes, {name: found.get(name, np.zeros(len(codes))) for name in _VALUES}


def _floats(values: pa.Array) -> FloatArray:
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _records(
    values: Mapping[str, FloatArray], parts: _Parts, settings: _Settings, key: tuple[Any, ...]
) -> Iterator[tuple[Part, dict[str, Any]]]:
    """The whole of a key, and each of its parts: a part that is the whole is computed once."""
    is_reference = values["is_reference"] > 0
    if is_reference.all():
        return
    tally, none = _tally(values, ~is_reference), (None,) * len(parts.labels[0])
    told = settings.facts.get((*none, *key), _NO_FACTS)
    reference = _tally(values, is_reference) if is_reference.any() else None
    has_bands = bool(values["has_bands"][~is_reference][0] > 0)
    whole = _record(tally, settings, told, reference=reference, has_bands=has_bands)
    yield none, whole
    own = np.unique(parts.codes[~is_reference])
    for code in own:
        part = parts.labels[code]
        if part == none:
            continue  # there are no parts, or whose rows they are isn't known
        its = settings.facts.get((*part, *key), _NO_FACTS)
        if len(own) == 1 and its is told:
            blocks = whole["blocks"] if not has_bands else [{**block, **_NO_BANDS} for block in whole["blocks"]]
            yield part, {**whole, **_NO_DRIFT, "blocks": blocks}
        else:
            alone = tally if len(own) == 1 else _tally(values, ~is_reference & (parts.codes == code))
            yield part, _record(alone, settings, its)


def _record(
    tally: Tally, settings: _Settings, facts: KeyFacts, *, reference: Tally | None = None, has_bands: bool = False
) -> dict[str, Any]:
    level = settings.level
    metrics = tally_metrics(
        tally,
        reference=reference,
        clusters=facts.clusters,
        reference_rate=facts.reference_rate,
        between=facts.between,
        threshold=settings.threshold,
        level=level,
    )
    return {
        **vars(metrics),
        **facts.evidence,
        "bins": [vars(row) for row in display_bins(tally, level=level)],
        "blocks": [vars(row) for row in corp_blocks(tally, has_bands=has_bands, level=level)],
    }


def _tally(values: Mapping[str, FloatArray], keep: np.ndarray[Any, np.dtype[np.bool_]]) -> Tally:
    cell_id, outcome, n = (values[name][keep] for name in ("cell_id", "outcome", "n"))
    return tally_cells(cell_id, outcome, n, np.stack([values[name][keep] for name in MOMENTS], axis=1))
