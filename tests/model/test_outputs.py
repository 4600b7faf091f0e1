"""What models answer with besides plain arrays: rows in another order, and forms that aren't one probability a row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brierlake.errors import ContractError
from brierlake.model import Contract, prepare_adapter, try_sample
from brierlake.model.adapter import Adapter
from brierlake.model.outputs import NotAProbabilityError, read_output

NUMBERS = ["a", "b", "c"]
INPUTS = pd.DataFrame({"a": [0.9, 0.1, 0.5, 0.3], "b": [4.0, 1.0, 2.0, 3.0], "c": 0.0})
P = INPUTS["a"].to_numpy()
UNORDERED = INPUTS["a"].sort_values()  # its index is 1, 3, 2, 0


def sorted_series(rows: pd.DataFrame) -> Any:
    return rows.sort_values("a")["a"]


def sorted_frame(rows: pd.DataFrame) -> Any:
    ordered = rows.sort_values("b")
    return pd.DataFrame({0: 1 - ordered["a"], 1: ordered["a"]})


def sorted_dict(rows: pd.DataFrame) -> Any:
    return {"no": 1 - rows["a"], "yes": rows.sort_values("a")["a"]}


def grouped(rows: pd.DataFrame) -> Any:
    """As models do that score group by group."""
    return pd.concat([part["a"] for _, part in rows.groupby(rows["b"] > 2)])


def with_gaps_last(rows: pd.DataFrame) -> Any:
    if rows["c"].isna().any():
        raise ValueError("no")
    return rows.sort_values("a")[["a"]]


REORDERING = [
    pytest.param(sorted_series, 1, id="series"),
    pytest.param(sorted_frame, 1, id="frame"),
    pytest.param(sorted_dict, "yes", id="dict of series"),
    pytest.param(grouped, 1, id="by group"),
    pytest.param(with_gaps_last, 1, id="parts of a batch"),
    pytest.param(lambda rows: [{"yes": each} for each in rows["a"]], "yes", id="list of dicts"),
    pytest.param(lambda rows: rows.sort_values("a").apply(lambda row: {"yes": row["a"]}, axis=1), "yes", id="dicts"),
]


@pytest.mark.parametrize(("predict", "positive"), REORDERING)
def test_rows_that_a_model_reorders_are_put_back_by_their_index(
    save_python: Callable[..., Path], adapter_of: Callable[..., Adapter], predict: Any, positive: Any
) -> None:
    adapter = adapter_of(save_python(predict, INPUTS), INPUTS, positive_class=positive)
    for rows in (INPUTS, INPUTS.iloc[[2, 0, 3]], INPUTS.iloc[[3]], INPUTS.assign(c=[0.0, 0.0, np.nan, 0.0])):
        probability, issue = adapter.with_issues(rows.set_axis(["0", "1", "2"], axis=1))
        fine = np.asarray(issue == "")
        assert fine.sum() >= len(rows) - 1
        np.testing.assert_allclose(probability[fine], rows["a"][fine])


class Reordering(LogisticRegression):
    """predict_proba as a frame, its rows sorted and the columns named by class, the positive one first."""

    def predict_proba(self, X: pd.DataFrame) -> Any:  # noqa: N803
        ordered = X.sort_values("b")
        plain = super().predict_proba(ordered)
        return pd.DataFrame({1: plain[:, 1], 0: plain[:, 0]}, index=ordered.index)


def test_a_frame_from_predict_proba_is_read_by_index_and_by_the_names_of_the_classes(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame
) -> None:
    inputs = data[NUMBERS]
    plain = LogisticRegression().fit(inputs, data["y"]).predict_proba(inputs)[:, 1]
    adapter = adapter_of(save(Reordering().fit(inputs, data["y"]), inputs), inputs)
    probability, _ = adapter.with_issues(inputs.set_axis(["0", "1", "2"], axis=1))
    np.testing.assert_allclose(probability, plain)


def test_executors_put_rows_back_too(
    spark: SparkSession, save_python: Callable[..., Path], predictions_of: Callable[..., pd.DataFrame]
) -> None:
    rows = pd.DataFrame({"id": range(240), "a": np.random.default_rng(1).uniform(size=240)})
    path = save_python(lambda each: each.sort_values("a")["a"], rows[["a"]])
    predictions = predictions_of(path, spark.createDataFrame(rows).repartition(3))
    np.testing.assert_array_equal(predictions["probability"], rows["a"])


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(pd.Series(P, index=["w", "x", "y", "z"]), id="names"),
        pytest.param(pd.Series(P, index=[1, 2, 3, 4]), id="numbers from 1"),
        pytest.param(pd.Series(P, index=[0, 0, 0, 0]), id="the same for all"),
        pytest.param(pd.DataFrame({"p": P}, index=INPUTS["b"]), id="a feature"),
        pytest.param({"p": UNORDERED.set_axis([10, 20, 30, 40])}, id="in a dict"),
    ],
)
def test_an_index_that_names_no_rows_is_refused(output: Any) -> None:
    with pytest.raises(NotAProbabilityError, match=r"under an index of its own \(it begins with .*return them under"):
        read_output(output, positive_class=1, rows=4)


@pytest.mark.parametrize(
    ("output", "positive", "expected"),
    [
        pytest.param(np.array(0.25), 1, [0.25], id="a number"),
        pytest.param(np.array([0.75, 0.25]), 1, [0.25], id="two columns"),
        pytest.param([np.array([[0.25]])], 1, [0.25], id="a list of one table"),
        pytest.param(pd.Series([[0.75, 0.25]]), 1, [0.25], id="a list in a cell"),
        pytest.param({"probabilities": np.array([[0.75, 0.25]])}, 1, [0.25], id="a table in a dict"),
    ],
)
def test_a_single_row_is_read_where_the_model_squeezes_what_it_gives(
    output: Any, positive: Any, expected: list[float]
) -> None:
    np.testing.assert_array_equal(read_output(output, positive_class=positive, rows=1), expected)


def trying(path: Path, folder: Path, *, positive: Any = 1) -> None:
    contract = Contract(tuple(NUMBERS), ("float64",) * 3, (), "columns")
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=positive, folder=folder)
    try_sample(adapter, INPUTS, contract=contract, max_issue_share=1.0, table="features")


def record(value: float) -> dict[str, Any]:
    return {"label": "YES" if value > 0.5 else "NO", "score": max(value, 1 - value)}


LABEL_AND_SCORE = [
    pytest.param(lambda rows: [record(each) for each in rows["a"]], id="list"),
    pytest.param(lambda rows: [[record(each), record(1 - each)] for each in rows["a"]], id="list of lists"),
    pytest.param(lambda rows: pd.Series([record(each) for each in rows["a"]]), id="series"),
    pytest.param(lambda rows: np.array([record(each) for each in rows["a"]]), id="array"),
    pytest.param(lambda rows: pd.DataFrame([record(each) for each in rows["a"]]), id="frame"),
    pytest.param(lambda rows: pd.DataFrame({"p": [record(each) for each in rows["a"]]}), id="column of a frame"),
]


@pytest.mark.parametrize("positive", [1, "score"])
@pytest.mark.parametrize("predict", LABEL_AND_SCORE)
def test_the_score_of_a_chosen_label_is_refused(
    save_python: Callable[..., Path], tmp_path: Path, predict: Any, positive: Any
) -> None:
    with pytest.raises(ContractError, match=r"gives \{label, score\} records: the score is that of the label which"):
        trying(save_python(predict, INPUTS), tmp_path, positive=positive)


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        pytest.param(lambda rows: [np.full((len(rows), 2), 0.5)] * 3, "answers 3 questions at once", id="tables"),
        pytest.param(
            lambda rows: [[0.5], [0.5, 0.5]] * (len(rows) // 2),
            "rows of different lengths. Read are a prob",
            id="ragged",
        ),
        pytest.param(
            lambda rows: pd.to_datetime(["2024-01-01"] * len(rows)), r"type datetime64.*, not num", id="times"
        ),
        pytest.param(lambda rows: [object()] * len(rows), "values of type object, not numbers. Read are", id="objects"),
        pytest.param(lambda rows: rows[[]], "a table without columns. Read are", id="no columns"),
        pytest.param(lambda rows: rows["a"].set_axis(rows["b"]), "under an index of its own", id="index"),
    ],
)
def test_other_forms_are_refused_with_those_that_are_read(
    save_python: Callable[..., Path], tmp_path: Path, predict: Any, message: str
) -> None:
    with pytest.raises(ContractError, match=f"doesn't give the probability that is wanted: .*{message}"):
        trying(save_python(predict, INPUTS), tmp_path)


MULTI_LABEL = [
    pytest.param(RandomForestClassifier(n_estimators=2), id="forest"),
    pytest.param(MultiOutputClassifier(LogisticRegression()), id="one for each"),
    pytest.param(ClassifierChain(LogisticRegression()), id="chain"),
    pytest.param(OneVsRestClassifier(LogisticRegression()), id="indicators"),
    pytest.param(MLPClassifier((2,), max_iter=300, tol=1.0), id="network"),
    pytest.param(make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())), id="pipeline"),
]


@pytest.mark.parametrize("model", MULTI_LABEL)
def test_a_multi_label_classifier_is_refused(
    save: Callable[..., Path], tmp_path: Path, data: pd.DataFrame, model: Any
) -> None:
    labels = np.column_stack([data["y"], data["a"] > 0, data["b"] > 0]).astype(int)
    path = save(model.fit(data[NUMBERS], labels), data[NUMBERS])
    with pytest.raises(ContractError, match="answers 3 questions at once .*log the classifier of the wanted label"):
        trying(path, tmp_path)
