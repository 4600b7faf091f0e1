"""Values at the ends of their types reach the model as they are, with a null beside them or without."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.model.conftest import advice_aside

from brierlake.model import (
    ISSUE,
    Contract,
    build_contract,
    build_udf,
    prepare_adapter,
    select_inputs,
    try_sample,
    with_predictions,
)

BIG, TOP, LOW = 2**53 + 1, 2**63 - 1, -(2**63)
UNFIT = "f is null or doesn't fit, and the model takes only whole numbers (int64)"
FAR = "f is too far from today for a time in nanoseconds"


def time(text: str) -> Any:
    return pd.Timestamp(text)


@dataclass(frozen=True)
class Case:
    to: DataType
    type: str
    cases: dict[str, Any]
    """SQL of a value, and what the model is handed for it; a text that ends like an issue: the row's issue."""
    null: Any
    """The same for a null."""


CASES = {
    "bigint": Case(DataType.long, "bigint", {str(BIG): BIG, str(TOP): TOP, f"{LOW + 1} - 1": LOW, "0": 0}, UNFIT),
    "bigint to int": Case(
        DataType.integer, "bigint", {"2147483647": 2**31 - 1, "-2147483648": -(2**31), str(BIG): UNFIT}, UNFIT
    ),
    "decimal(38,0)": Case(DataType.long, "decimal(38,0)", {str(BIG): BIG, str(TOP): TOP, "9" * 38: UNFIT}, UNFIT),
    "scaled decimal": Case(
        DataType.double, "decimal(38,18)", {"0.1": 0.1, "12345678901234567890.5": 12345678901234567890.5}, np.nan
    ),
    "bigint to double": Case(DataType.double, "bigint", {str(BIG): 2.0**53, "-7": -7.0}, np.nan),
    "double": Case(
        DataType.double,
        "double",
        {"-0.0D": -0.0, "double('NaN')": np.nan, "1e308D": 1e308, "5e-324D": 5e-324, "double('inf')": np.inf},
        np.nan,
    ),
    "float": Case(DataType.float, "float", {"0.1F": np.float32(0.1), "16777217": np.float32(2**24)}, np.nan),
    "text": Case(DataType.string, "string", {"''": "", "' '": " ", "'NULL'": "NULL", "'ß'": "ß"}, None),
    "boolean": Case(DataType.boolean, "boolean", {"true": True, "false": False}, UNFIT),
    "timestamp": Case(
        DataType.datetime,
        "timestamp",
        {
            "TIMESTAMP'2013-07-01 18:00:00.000001 UTC'": time("2013-07-01 18:00:00.000001"),
            "TIMESTAMP'2013-07-01 18:00:00 Pacific/Kiritimati'": time("2013-07-01 04:00:00"),
            "TIMESTAMP'2262-04-11 23:47:16.854774 UTC'": time("2262-04-11 23:47:16.854774"),
            "TIMESTAMP'0001-01-01 00:00:00 UTC'": FAR,
            "TIMESTAMP'9999-12-31 23:59:59.999999 UTC'": FAR,
        },
        pd.NaT,
    ),
    "timestamp_ntz": Case(
        DataType.datetime,
        "timestamp_ntz",
        {
            "TIMESTAMP_NTZ'2261-07-01 18:00:00.000001'": time("2261-07-01 18:00:00.000001"),
            "TIMESTAMP_NTZ'0001-01-01 00:00:00'": FAR,
            "TIMESTAMP_NTZ'9999-12-31 23:59:59'": FAR,
        },
        pd.NaT,
    ),
    "date": Case(
        DataType.datetime,
        "date",
        {
            "DATE'1969-12-31'": time("1969-12-31"),
            "DATE'1677-09-22'": time("1677-09-22"),
            "DATE'0001-01-01'": FAR,
            "DATE'9999-12-31'": FAR,
        },
        pd.NaT,
    ),
}


@pytest.fixture
def keeping(save_python: Callable[..., Path], tmp_path: Path) -> Callable[[dict[str, DataType]], tuple[Path, Path]]:
    """A model that writes down what it is handed."""

    def kept(inputs: dict[str, DataType]) -> tuple[Path, Path]:
        log = tmp_path / "handed"
        log.mkdir()

        def predict(rows: pd.DataFrame) -> Any:
            import uuid  # noqa: PLC0415

            rows.to_pickle(log / uuid.uuid4().hex)
            return np.full(len(rows), 0.5)

        path = save_python(predict, None)
        with advice_aside():
            model = Model.load(str(path))
            model.signature = ModelSignature(Schema([ColSpec(type_, name) for name, type_ in inputs.items()]))
            model.save(str(path / "MLmodel"))
        return path, log

    return kept


def handed(log: Path) -> pd.DataFrame:
    """What the model was handed, by the row's id; rows may have been tried more than once."""
    parts = [pd.read_pickle(each) for each in log.iterdir()]  # noqa: S301
    for each in log.iterdir():
        each.unlink()
    return pd.concat([part.astype(object) for part in parts]).set_index("id")


def is_issue(expected: Any) -> bool:
    return expected in (UNFIT, FAR) if isinstance(expected, str) else False


def same(left: Any, right: Any) -> bool:
    if right is None or left is None:
        return left is right
    if isinstance(right, (float, np.floating)):
        return np.array_equal([left], [right], equal_nan=True) and np.signbit(left) == np.signbit(right)
    return (pd.isna(left) and pd.isna(right)) or (left == right)


@dataclass(frozen=True)
class Row:
    kind: str
    sql: str
    expected: Any


NAMES = {kind: f"f{place}" for place, kind in enumerate(CASES)}
FINE = {kind: next(row for row in case.cases.items() if not is_issue(row[1])) for kind, case in CASES.items()}
"""SQL of a value of each kind that is no issue, and what the model is handed for it."""


def rows_of(*, has_null: bool) -> list[Row]:
    """A row for each value of each kind; in it the other kinds' columns hold what is fine."""
    return [
        Row(kind, sql, expected)
        for kind, case in CASES.items()
        for sql, expected in (case.cases | ({"null": case.null} if has_null else {})).items()
    ]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("has_null", [False, True])
def test_each_value_reaches_the_model_on_executors_and_in_the_sample(
    spark: SparkSession,
    keeping: Any,
    tmp_path: Path,
    has_null: bool,  # noqa: FBT001
    zone: str,
) -> None:
    before = str(spark.conf.get("spark.sql.session.timeZone"))
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        inputs = {NAMES[kind]: case.to for kind, case in CASES.items()}
        check(spark, rows_of(has_null=has_null), keeping({**inputs, "id": DataType.long}), tmp_path)
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def check(spark: SparkSession, rows: list[Row], model: tuple[Path, Path], folder: Path) -> None:
    path, log = model

    def declared(place: int, row: Row) -> str:
        values = {kind: row.sql if kind == row.kind else FINE[kind][0] for kind in CASES}
        columns = (f"CAST({sql} AS {CASES[kind].type}) AS {NAMES[kind]}" for kind, sql in values.items())
        return f"SELECT {place}L AS id, {', '.join(columns)}"

    table = spark.sql(" UNION ALL ".join(declared(place, row) for place, row in enumerate(rows)))
    table.coalesce(1).write.parquet(str(folder / "table"))  # every column nullable, as in most tables
    features = spark.read.parquet(str(folder / "table")).coalesce(1)
    contract = build_contract(path, features.schema, positive_class=1, table="features")
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=folder)
    for seen in (on_executors(features, contract, adapter, log), in_sample(features, contract, adapter, log)):
        assert sorted(seen.index.unique()) == [k for k, row in enumerate(rows) if not is_issue(row.expected)]
        for k, values in seen.iterrows():
            row = rows[int(k)]
            for kind, name in NAMES.items():
                expected = row.expected if kind == row.kind else FINE[kind][1]
                assert same(values[name], expected), (row, kind, values[name], expected)


def on_executors(features: DataFrame, contract: Contract, adapter: Path, log: Path) -> pd.DataFrame:
    scored = with_predictions(features, udf=build_udf(features.sparkSession, adapter), contract=contract)
    issues = scored.select("id", ISSUE).toPandas().set_index("id")[ISSUE].dropna()
    log_of = handed(log)
    assert not set(issues.index) & set(log_of.index)
    assert len(log_of.index.unique()) + len(issues) == features.count()
    return log_of


def in_sample(features: DataFrame, contract: Contract, adapter: Path, log: Path) -> pd.DataFrame:
    sample = select_inputs(features, contract=contract).toPandas()
    try_sample(adapter, sample, contract=contract, max_issue_share=1.0, table="features")
    return handed(log)


def test_many_features_with_nulls_each_have_their_own_bit(spark: SparkSession, keeping: Any, tmp_path: Path) -> None:
    """More than one column of bits holds; each row lacks one feature."""
    names = [f"n{k}" for k in range(130)]
    path, log = keeping(dict.fromkeys(names, DataType.long) | {"f": DataType.long, "id": DataType.long})
    columns = [F.when(F.col("id") != k, F.lit(BIG) + k).alias(name) for k, name in enumerate(names)]
    features = spark.range(131).select("id", F.lit(TOP).alias("f"), *columns).coalesce(1)
    contract = build_contract(path, features.schema, positive_class=1, table="features")
    assert len(contract.masked) == 130
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=tmp_path)
    scored = with_predictions(features, udf=build_udf(spark, adapter), contract=contract).select("id", ISSUE)
    issues = scored.toPandas().set_index("id")[ISSUE]
    assert issues[130] is None
    for k, name in enumerate(names):
        assert issues[k] == UNFIT.replace("f is", f"{name} is")
    (row,) = [pd.read_pickle(each) for each in log.iterdir()]  # noqa: S301
    assert row["id"].tolist() == [130]
    assert row[names].iloc[0].tolist() == [BIG + k for k in range(130)]


def test_a_model_sees_neighbours_of_a_null_as_without_it(
    spark: SparkSession, save_python: Callable[..., Path], predictions_of: Callable[..., pd.DataFrame]
) -> None:
    """119 neighbours of one null row had another probability, since their batch went through doubles."""
    inputs = pd.DataFrame({"n": [BIG, 2]})
    path = save_python(lambda rows: (rows["n"] % 10) / 10, inputs)
    features = spark.range(120).select("id", (F.lit(BIG) + F.col("id")).alias("n")).coalesce(1)
    whole = predictions_of(path, features)["probability"]
    beside = predictions_of(path, features.withColumn("n", F.when(F.col("id") != 7, F.col("n"))))["probability"]
    np.testing.assert_array_equal(whole, [(BIG + k) % 10 / 10 for k in range(120)])
    np.testing.assert_array_equal(beside.drop(7), whole.drop(7))
    assert np.isnan(beside[7])
