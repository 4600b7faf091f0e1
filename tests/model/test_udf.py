import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tests.model.spoken import spoken

from brierlake.model import (
    ISSUE,
    PROBABILITY,
    build_contract,
    build_udf,
    prepare_adapter,
    select_inputs,
    try_sample,
    with_predictions,
)

NUMBERS = ["a", "b", "c"]
Predicting = Callable[..., pd.DataFrame]


@pytest.fixture
def features(spark: SparkSession, data: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(data.drop(columns="y").assign(id=range(len(data)))).repartition(3, "id")


def plan(frame: DataFrame) -> str:
    return frame._jdf.queryExecution().executedPlan().toString()


def test_columns_are_taken_by_name_whatever_their_order(
    features: DataFrame, logistic: Path, data: pd.DataFrame, predictions_of: Predicting
) -> None:
    expected = LogisticRegression().fit(data[NUMBERS], data["y"]).predict_proba(data[NUMBERS])[:, 1]
    for columns in (["id", "a", "b", "c", "s"], ["s", "c", "b", "a", "id"]):
        predictions = predictions_of(logistic, features.select(columns))
        assert list(predictions.columns) == [*columns, "probability", "issue"]
        np.testing.assert_array_equal(predictions["probability"], expected)
        assert predictions["issue"].isna().all()


def test_a_matrix_takes_its_columns_by_name_too(
    features: DataFrame, save: Callable[..., Path], data: pd.DataFrame, predictions_of: Predicting
) -> None:
    matrix = data[NUMBERS].to_numpy("float32")
    model = LogisticRegression().fit(matrix, data["y"])
    predictions = predictions_of(save(model, matrix), features.select("c", "id", "a", "b"), columns=("a", "b", "c"))
    np.testing.assert_allclose(predictions["probability"], model.predict_proba(matrix)[:, 1], rtol=1e-6)


def test_one_bad_row_costs_one_row(
    features: DataFrame, logistic: Path, data: pd.DataFrame, predictions_of: Predicting
) -> None:
    spoiled = features.withColumn("a", F.when(F.col("id") == 5, F.lit(float("nan"))).otherwise(F.col("a"))).withColumn(
        "b", F.when(F.col("id") != 7, F.col("b"))
    )
    predictions = predictions_of(logistic, spoiled)
    assert predictions["issue"].dropna().to_dict() == {
        5: "a is null or NaN, and the model doesn't take that",
        7: "b is null or NaN, and the model doesn't take that",
    }
    assert predictions.index[predictions["probability"].isna()].tolist() == [5, 7]
    expected = LogisticRegression().fit(data[NUMBERS], data["y"]).predict_proba(data[NUMBERS])[:, 1]
    np.testing.assert_array_equal(predictions["probability"].drop([5, 7]), np.delete(expected, [5, 7]))


def test_a_model_that_takes_nulls_scores_them(
    features: DataFrame, save: Callable[..., Path], data: pd.DataFrame, predictions_of: Predicting
) -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(data[NUMBERS], data["y"])
    gaps = features.withColumn("a", F.when(F.col("id") % 3 > 0, F.col("a")))
    predictions = predictions_of(save(model, data[NUMBERS]), gaps)
    inputs = data[NUMBERS].assign(a=data["a"].where(data.index % 3 > 0))
    assert predictions["issue"].isna().all()
    np.testing.assert_array_equal(predictions["probability"], model.predict_proba(inputs)[:, 1])


def test_text_unknown_categories_and_missing_text(
    spark: SparkSession, save: Callable[..., Path], data: pd.DataFrame, predictions_of: Predicting
) -> None:
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="error"), ["s"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(data[["a", "s"]], data["y"])
    rows = pd.DataFrame({"id": range(6), "a": 0.5, "s": ["x", "y", "unseen", None, "z", "x"]})
    predictions = predictions_of(save(model, data[["a", "s"]]), spark.createDataFrame(rows))
    assert predictions.index[predictions["issue"].notna()].tolist() == [2, 3]
    assert predictions["issue"][3] == "s is null or NaN, and the model doesn't take that"
    assert predictions["issue"][2].startswith("the model raises ValueError: Found unknown categories …")
    assert "unseen" not in predictions["issue"][2]


def test_a_null_in_an_integer_column_is_a_fault_of_its_row(
    spark: SparkSession, save: Callable[..., Path], predictions_of: Predicting
) -> None:
    inputs = pd.DataFrame({"n": [1, 2, 3, 4], "x": [0.5, 1.5, 0.5, 1.5]})
    model = LogisticRegression().fit(inputs, [0, 1, 0, 1])
    rows = spark.sql("SELECT * FROM VALUES (0, 1, 0.5D), (1, null, 0.5D), (2, 3, 1.5D) AS t(id, n, x)")
    predictions = predictions_of(save(model, inputs), rows)
    assert predictions["issue"].tolist() == [
        None, "n is null or doesn't fit, and the model takes only whole numbers (int64)", None,
    ]  # fmt: skip
    expected = model.predict_proba(pd.DataFrame({"n": [1, 3], "x": [0.5, 1.5]}))[:, 1]
    np.testing.assert_array_equal(predictions["probability"][[0, 2]], expected)


def test_numbers_of_every_type_and_a_column_with_an_odd_name(
    spark: SparkSession, save: Callable[..., Path], data: pd.DataFrame, predictions_of: Predicting
) -> None:
    names = ["arr.delay `min`", "Größe", "c"]
    inputs = data[NUMBERS].set_axis(names, axis=1).round(0)
    model = LogisticRegression().fit(inputs, data["y"])
    rows = spark.createDataFrame(inputs.assign(id=range(len(inputs)))).select(
        "id",
        F.col("`arr.delay ``min```").cast("decimal(9,2)").alias(names[0]),
        F.col("Größe").cast("tinyint").alias("Größe"),
        F.col("c").cast("float").alias("c"),
    )
    predictions = predictions_of(save(model, inputs), rows)
    np.testing.assert_array_equal(predictions["probability"], model.predict_proba(inputs)[:, 1])


def test_times_reach_the_model_in_utc_whatever_the_sessions_zone(
    spark: SparkSession, save_python: Callable[..., Path], tmp_path: Path
) -> None:
    path = save_python(lambda rows: rows["at"].dt.hour / 24, pd.DataFrame({"at": pd.to_datetime(["2013-07-01"])}))
    rows = spark.sql(
        "SELECT 0 AS id, TIMESTAMP'2013-07-01 18:00:00 UTC' AS at UNION ALL SELECT 1, TIMESTAMP'9999-01-01'"
    )
    before = str(spark.conf.get("spark.sql.session.timeZone"))
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        predictions = scored(rows, path, tmp_path).drop("at").orderBy("id").toPandas()
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    assert predictions["probability"][0] == 0.75
    assert predictions["issue"][1] == "at is too far from today for a time in nanoseconds"


@pytest.fixture
def counting(save_python: Callable[..., Path], data: pd.DataFrame, tmp_path: Path) -> tuple[Path, Path]:
    """A model that writes down the process and the number of rows of each call."""
    log = tmp_path / "calls"

    def predict(rows: pd.DataFrame) -> Any:
        import os  # noqa: PLC0415

        with log.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')} {len(rows)}\n")
        return np.full(len(rows), 0.5)

    return save_python(predict, data[NUMBERS]), log


def calls(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text(encoding="utf-8").splitlines()]


def scored(features: DataFrame, path: Path, folder: Path) -> DataFrame:
    return spoken(scored_as_they_are(features, path, folder))


def scored_as_they_are(features: DataFrame, path: Path, folder: Path) -> DataFrame:
    contract = build_contract(path, features.schema, positive_class=1, table="features")
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=folder)
    return with_predictions(features, udf=build_udf(features.sparkSession, adapter), contract=contract)


def test_the_plan_evaluates_the_model_once(features: DataFrame, counting: tuple[Path, Path], tmp_path: Path) -> None:
    predictions = scored(features, counting[0], tmp_path)
    text = plan(
        predictions.withColumn("squared", F.col("probability") ** 2).withColumn("bad", F.col("issue").isNotNull())
    )
    assert text.count("ArrowEvalPython") == 1
    assert len(re.findall(r"pythonUDF\d+#\d+\]", text)) == 1


def test_each_row_is_predicted_once_when_written_to_delta(
    features: DataFrame, counting: tuple[Path, Path], tmp_path: Path
) -> None:
    path, log = counting
    table = str(tmp_path / "predictions")
    spark = features.sparkSession
    predictions = scored(features, path, tmp_path).withColumn("window_start", F.lit("2013-07-01").cast("date"))
    predictions.limit(0).write.format("delta").partitionBy("window_start").save(table)
    spark.sql(f"ALTER TABLE delta.`{table}` ADD CONSTRAINT fine CHECK (probability IS NULL OR probability <= 1)")
    log.unlink(missing_ok=True)
    replaced = "window_start >= '2013-07-01' AND window_start < '2013-07-02'"
    predictions.write.format("delta").mode("overwrite").option("replaceWhere", replaced).save(table)
    assert sum(int(n) for _, _, n in calls(log)) == features.count() == spark.read.format("delta").load(table).count()


def test_the_model_is_loaded_once_a_python_worker_with_one_thread(
    features: DataFrame, save_python: Callable[..., Path], data: pd.DataFrame, tmp_path: Path
) -> None:
    log = tmp_path / "loads"

    class Loads:
        def __reduce__(self) -> tuple[Any, ...]:
            line = "str(os.getpid()) + ' ' + os.environ['OMP_NUM_THREADS'] + chr(10)"
            return exec, (f"import os; open({str(log)!r}, 'a').write({line})",)

    def predict(rows: pd.DataFrame) -> Any:
        _ = marker
        return np.full(len(rows), 0.5)

    marker = Loads()
    path = save_python(predict, data[NUMBERS])
    contract = build_contract(path, features.schema, positive_class=1, table="features")
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=tmp_path)
    udf = build_udf(features.sparkSession, adapter)
    log.unlink(missing_ok=True)
    for _ in range(3):
        with_predictions(features.repartition(6), udf=udf, contract=contract).write.format("noop").mode(
            "overwrite"
        ).save()
    loads = calls(log)
    workers = {process for process, _ in loads}
    assert 1 <= len(loads) == len(workers) <= 2
    assert {threads for _, threads in loads} == {"1"}


def test_a_sample_of_the_inputs_is_what_executors_see(features: DataFrame, logistic: Path, tmp_path: Path) -> None:
    contract = build_contract(logistic, features.schema, positive_class=1, table="features")
    adapter = prepare_adapter(logistic, digest=str(logistic), contract=contract, positive_class=1, folder=tmp_path)
    inputs = select_inputs(features.orderBy("id"), contract=contract)
    assert inputs.columns == NUMBERS
    result = try_sample(adapter, inputs.limit(50).toPandas(), contract=contract, max_issue_share=0.1, table="features")
    raw = try_sample(
        adapter, features.orderBy("id").limit(50).toPandas(), contract=contract, max_issue_share=0.1, table="features"
    )
    assert result == raw
    assert result.scored == 50


def test_a_feature_may_have_any_name_of_a_table_of_ours(
    features: DataFrame, save: Callable[..., Path], data: pd.DataFrame, tmp_path: Path
) -> None:
    named = {"a": "probability", "b": "Issue", "c": "window_start"}
    inputs = data[NUMBERS].rename(columns=named)
    model = LogisticRegression().fit(inputs, data["y"])
    rows = features.withColumnsRenamed(named)
    predictions = scored_as_they_are(rows, save(model, inputs), tmp_path).toPandas().sort_values("id")
    assert predictions.columns.tolist() == [*rows.columns, PROBABILITY, ISSUE]
    np.testing.assert_array_equal(predictions[PROBABILITY], model.predict_proba(inputs)[:, 1])
    np.testing.assert_array_equal(predictions["probability"], inputs["probability"])


def test_no_rows_give_no_predictions(features: DataFrame, logistic: Path, predictions_of: Predicting) -> None:
    assert len(predictions_of(logistic, features.limit(0))) == 0
