"""One double a row: probabilities and issues come back as they were, and words that nobody knew leave the kind of error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.model.spoken import spoken

from brierlake.model import build_contract, build_udf, explain_rows, prepare_adapter, select_inputs, with_predictions
from brierlake.model.issues import code_of, decode, encode, foreseen, is_vague, raised, unfit

FEATURES, TYPES = ("a", "it's `odd`", "at"), ("float64", "bool", "datetime64[ns]")


def there_and_back(spark: SparkSession, probability: list[float], issue: list[str], known: list[str]) -> pd.DataFrame:
    coded = encode(np.array(probability), np.array(issue, dtype=object))
    frame = spark.createDataFrame(pd.DataFrame({"id": range(len(coded)), "coded": coded})).repartition(2)
    columns = decode(F.col("coded"), known=known)
    named = [each.alias(name) for each, name in zip(columns, ("probability", "issue"), strict=True)]
    return frame.select("id", *named).toPandas().sort_values("id", ignore_index=True)


def test_what_is_foreseen_comes_back_word_for_word(spark: SparkSession) -> None:
    issues = foreseen(FEATURES, TYPES)
    probability = [0.0, -0.0, 5e-324, 0.25, 1.0]
    back = there_and_back(spark, [*probability, *[np.nan] * len(issues)], [*[""] * 5, *issues], issues)
    assert back["probability"][:5].tolist() == probability
    assert back["issue"][:5].isna().all()
    assert back["issue"][5:].tolist() == issues
    assert back["probability"][5:].isna().all()


@pytest.mark.parametrize(
    ("error", "kind"),
    [("ValueError", "ValueError"), ("ZeroDivisionError", "ZeroDivisionError"), ("OddError", "an error")],
)
def test_words_that_nobody_knew_leave_the_kind_of_error(spark: SparkSession, error: str, kind: str) -> None:
    issue = raised(error, "something new")
    unknown, seen = (there_and_back(spark, [np.nan], [issue], known)["issue"][0] for known in ([], [issue]))
    assert unknown == f"the model raises {kind}; see the run's examples"
    assert is_vague(unknown)
    assert seen == issue
    assert not is_vague(seen)


def test_no_two_issues_share_a_code_and_a_double_holds_each() -> None:
    issues = foreseen([f"feature {k}" for k in range(400)], ["int64"] * 400)
    codes = [code_of(issue) for issue in issues]
    assert len(set(codes)) == len(set(issues)) == len(issues)
    assert all(code <= -1 and code == int(code) and -code < 2**53 for code in codes)
    assert -code_of(raised("ZeroDivisionError", "x")) < 2**53


def test_what_doesnt_fit_is_foreseen_for_the_types_that_have_limits() -> None:
    issues = foreseen(FEATURES, TYPES)
    assert unfit("at", "datetime64[ns]") in issues
    assert unfit("it's `odd`", "bool") in issues
    assert unfit("a", "float64") not in issues


@pytest.fixture
def picky(save_python: Callable[..., Path]) -> Path:
    """A model that raises for any row with a above 1."""

    def predict(rows: pd.DataFrame) -> np.ndarray:
        if (rows["a"] > 1).any():
            raise LookupError("nothing is known of this team")
        return rows["a"].to_numpy()

    return save_python(predict, pd.DataFrame({"a": [0.5]}))


def test_the_driver_finds_the_words_again(spark: SparkSession, picky: Path, tmp_path: Path) -> None:
    features: DataFrame = spark.createDataFrame(pd.DataFrame({"id": range(4), "a": [0.1, 2.0, 0.3, 3.0]}))
    contract = build_contract(picky, features.schema, positive_class=1, table="features")
    adapter = prepare_adapter(picky, digest=str(picky), contract=contract, positive_class=1, folder=tmp_path)
    said = "the model raises LookupError: nothing is known of this team"
    rows = select_inputs(features.orderBy("id"), contract=contract, beside=[F.col("id")]).toPandas()
    assert rows.columns.tolist() == ["a", "id"]
    assert explain_rows(adapter, rows, contract=contract) == ["", said, "", said]
    udf = build_udf(spark, adapter)
    for seen, issue in (([], "the model raises LookupError; see the run's examples"), ([said], said)):
        scored = spoken(with_predictions(features, udf=udf, contract=contract, seen=seen)).toPandas().sort_values("id")
        assert scored["issue"].tolist() == [None, issue, None, issue]
        np.testing.assert_array_equal(scored["probability"], [0.1, np.nan, 0.3, np.nan])
