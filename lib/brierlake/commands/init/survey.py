"""What a features table, a labels table and a registry look like to someone who has to write a config for them."""

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from brierlake.errors import ContractError
from brierlake.model import build_contract
from brierlake.registry.fetching import fetch_description
from brierlake.registry.runs import read_features
from brierlake.registry.versions import list_models, read_tags, read_version_runs, read_versions

_SAMPLE = 20_000
_FEW = 30
_PAIRED = 6
_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_TIMES = (T.TimestampType, T.TimestampNTZType)


@dataclass(frozen=True)
class TableFindings:
    """Columns by what they could serve for, the likeliest first."""

    types: Mapping[str, str]
    sampled: int
    keys: tuple[tuple[str, ...], ...]
    """Columns that together name a row, in the sample."""
    times: tuple[str, ...]
    dates: tuple[str, ...]
    groups: Mapping[str, int]
    """Columns with few values, and how many."""
    outcomes: tuple[str, ...]
    """Columns that hold 0, 1 and nulls, or booleans, only."""


@dataclass(frozen=True)
class Outcomes:
    """What the config's `labels` section is made of."""

    table: str | None
    """None: they are a column of the features table."""
    column: str | None
    """None: no column holds only 0, 1 and nulls, or booleans."""
    is_boolean: bool
    known_at: str | None
    found: TableFindings


@dataclass(frozen=True)
class ModelFindings:
    """One registered model, by its newest version."""

    name: str
    version_count: int
    metrics: Mapping[str, int]
    """Metric to the number of runs that logged it."""
    inputs: tuple[str, ...]
    columns: tuple[str, ...]
    """Features in order, where the signature has no names and the run does."""
    fault: str | None
    """Why it can't be fed from the table."""


def look_at_table(rows: DataFrame) -> TableFindings:
    """Look at a sample; `is_key` says whether a key holds for all rows."""
    sample = rows.limit(_SAMPLE).toPandas()
    types = {each.name: each.dataType for each in rows.schema}
    full = [name for name in types if sample[name].notna().all()]
    nameable = [name for name in full if isinstance(types[name], (T.StringType, T.DateType, *_WHOLE, *_TIMES))]
    groups = {
        name: int(sample[name].nunique())
        for name, kind in types.items()
        if isinstance(kind, T.StringType | T.BooleanType) and 1 < sample[name].nunique() <= _FEW
    }
    return TableFindings(
        types={name: kind.simpleString() for name, kind in types.items()},
        sampled=len(sample),
        keys=_keys(sample, nameable),
        times=tuple(name for name in full if isinstance(types[name], _TIMES)),
        dates=tuple(name for name in full if isinstance(types[name], T.DateType)),
        groups=groups,
        outcomes=tuple(name for name, kind in types.items() if _is_outcome(sample[name], kind)),
    )


def is_key(rows: DataFrame, key: Sequence[str]) -> bool:
    return rows.groupBy(*key).agg(F.count(F.lit(1)).alias("n")).where("n > 1").isEmpty()


def _keys(sample: pd.DataFrame, nameable: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    likely = sorted(nameable, key=lambda name: not name.lower().endswith(("id", "key", "uuid", "number")))
    single = [(name,) for name in likely if sample[name].is_unique]
    if single or not len(sample):
        return tuple(single)
    several = [name for name in likely if sample[name].duplicated().sum() < len(sample) - 1][:_PAIRED]
    return tuple(pair for pair in combinations(several, 2) if not sample.duplicated(list(pair)).any())


def _is_outcome(values: "pd.Series[Any]", kind: T.DataType) -> bool:
    if isinstance(kind, T.BooleanType):
        return True
    return isinstance(kind, (T.DoubleType, T.FloatType, *_WHOLE)) and set(values.dropna()) == {0, 1}


def look_at_models(
    client: MlflowClient, schema: T.StructType, *, names: Collection[str], table: str
) -> list[ModelFindings]:
    """Look at these registered models, or at all; say of each whether the table has what it takes.

    Raises:
        ModelError: A name isn't there, or there is no version at all.
    """
    versions = read_versions(client, sorted(names) or list_models(client))
    runs = read_version_runs(client, versions)
    found = []
    for name in sorted({each.name for each in versions}):
        own = [each for each in versions if each.name == name]
        newest = max(own, key=lambda each: (each.status == "READY", each.number))
        run = runs.get(newest.run_id or "")
        columns = read_features(read_tags(client, newest), *((run.tags, run.params) if run else ()))
        inputs, form, fault = _fit(client, f"models:/{name}/{newest.number}", schema, columns=columns, table=table)
        seen = Counter(metric for each in own for metric in (runs[each.run_id].metrics if each.run_id in runs else ()))
        ordered = columns if form == "tensor" else ()
        found.append(ModelFindings(name, len(own), dict(seen.most_common()), inputs, ordered, fault))
    return found


def _fit(
    client: MlflowClient, uri: str, schema: T.StructType, *, columns: Sequence[str], table: str
) -> tuple[tuple[str, ...], str, str | None]:
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        path = fetch_description(client, uri, folder=Path(folder))
        try:
            contract = build_contract(path, schema, run_features=columns, positive_class=1, table=table)
        except ContractError as error:
            lines = [line.strip(" -") for line in str(error).splitlines()]
            return (), "", " ".join((lines[1:] or lines)[:2])
    return contract.features, contract.form, None
