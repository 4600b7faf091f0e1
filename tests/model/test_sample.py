from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from brierlake.errors import ContractError
from brierlake.model import Contract, SampleResult, prepare_adapter, try_sample

NUMBERS = ["a", "b", "c"]
Trying = Callable[..., SampleResult]


@pytest.fixture
def trying(tmp_path: Path) -> Trying:
    def tried(
        path: Path, sample: pd.DataFrame, *, types: dict[str, str] | None = None, positive: Any = 1, share: float = 0.1
    ) -> SampleResult:
        wanted = types or {str(name): "float64" for name in sample.columns}
        contract = Contract(tuple(wanted), tuple(wanted.values()), (), "columns")
        adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=positive, folder=tmp_path)
        return try_sample(adapter, sample, contract=contract, max_issue_share=share, table="features")

    return tried


def test_a_good_sample_is_described(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    result = trying(logistic, data[["c", "s", "b", "a"]], types=dict.fromkeys(NUMBERS, "float64"))
    expected = LogisticRegression().fit(data[NUMBERS], data["y"]).predict_proba(data[NUMBERS])[:, 1]
    assert result == SampleResult(
        rows=300,
        scored=300,
        issues=(),
        lowest=pytest.approx(expected.min()),
        highest=pytest.approx(expected.max()),
        mean=pytest.approx(expected.mean()),
        source="predict_proba, class 1 (2 of 2)",
        notes=(),
    )


def test_issues_up_to_the_share_pass_and_are_counted(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    sample = data[NUMBERS].copy()
    sample.loc[:19, "a"] = np.nan
    sample.loc[20:29, "b"] = np.inf
    result = trying(logistic, sample, share=0.1)
    assert (result.rows, result.scored) == (300, 270)
    assert result.issues == (
        ("a is null or NaN, and the model doesn't take that", 20),
        ("b is infinite, and the model doesn't take that", 10),
    )


def test_issues_over_the_share_are_refused_with_the_counts(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    sample = data[NUMBERS].copy()
    sample.loc[:30, "a"] = np.nan
    with pytest.raises(ContractError) as raised:
        trying(logistic, sample, share=0.1)
    text = str(raised.value)
    assert (
        "31 of the 300 rows sampled from features get no probability, more than scoring.max_issue_share (0.1)" in text
    )
    assert "31 rows: a is null or NaN, and the model doesn't take that" in text
    assert "what the model raised last: ValueError: Input X contains NaN" in text


def test_a_column_that_is_null_throughout_is_named(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    with pytest.raises(ContractError, match="300 rows: b is null or NaN, and the model doesn't take that"):
        trying(logistic, data[NUMBERS].assign(b=None))


def test_a_model_that_raises_for_every_row_is_quoted(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying
) -> None:
    def predict(rows: pd.DataFrame) -> Any:
        raise RuntimeError("no such file: /opt/lookup.csv")

    path = save_python(predict, data[NUMBERS])
    message = (
        "raises an error for each of the 300 rows sampled from features: RuntimeError: no such file: /opt/lookup.csv"
    )
    with pytest.raises(ContractError, match=message):
        trying(path, data[NUMBERS])


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        pytest.param(lambda rows: (rows["a"] > 0).astype(int), "gives labels", id="int labels"),
        pytest.param(lambda rows: rows["a"] > 0, "gives labels", id="bool labels"),
        pytest.param(lambda rows: np.where(rows["a"] > 0, "yes", "no"), "gives labels", id="text labels"),
        pytest.param(
            lambda rows: (rows["a"] > 0).astype(float), "300 sampled rows get exactly 0 or 1", id="float labels"
        ),
        pytest.param(lambda rows: rows["a"] * 3, r"outside \[0, 1\] \(from -\d.*these are logits", id="logits"),
        pytest.param(lambda rows: rows["a"].abs() * 100, r"outside \[0, 1\] \(from 1\.", id="percentages"),
    ],
)
def test_what_isnt_a_probability_is_refused(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying, predict: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ContractError, match=f"doesn't give the probability that is wanted: .*{message}"):
        trying(save_python(predict, data[NUMBERS]), data[NUMBERS])


def test_labels_are_recognised_behind_rows_that_raise(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying
) -> None:
    def predict(rows: pd.DataFrame) -> Any:
        if rows.isna().any(axis=None):
            raise ValueError("NaN")
        return (rows["a"] > 0).astype(int)

    sample = data[NUMBERS].copy()
    sample.loc[3, "a"] = np.nan
    with pytest.raises(ContractError, match="gives labels"):
        trying(save_python(predict, data[NUMBERS]), sample)


def test_a_classifier_may_be_sure(save: Callable[..., Path], data: pd.DataFrame, trying: Trying) -> None:
    model = DecisionTreeClassifier().fit(data[NUMBERS], data["y"])
    result = trying(save(model, data[NUMBERS]), data[NUMBERS])
    assert (result.lowest, result.highest, result.scored) == (0.0, 1.0, 300)


def test_an_absent_positive_class_is_refused(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    with pytest.raises(
        ContractError, match="classes are 0, 1, and the positive class 'late' is none of them: set model"
    ):
        trying(logistic, data[NUMBERS], positive="late")


def test_a_model_of_one_class_is_refused(save: Callable[..., Path], data: pd.DataFrame, trying: Trying) -> None:
    model = DummyClassifier().fit(data[NUMBERS], np.zeros(300, dtype=int))
    with pytest.raises(ContractError, match="classes are 0, and the positive class 1 is none of them"):
        trying(save(model, data[NUMBERS]), data[NUMBERS])


def test_a_missing_package_is_named(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    description = logistic / "MLmodel"
    text = description.read_text(encoding="utf-8").replace(
        "loader_module: mlflow.sklearn", "loader_module: nosuch.loader"
    )
    description.write_text(text, encoding="utf-8")
    with pytest.raises(
        ContractError, match=r"can't be loaded: ModuleNotFoundError: .*Install nosuch here and on the exec"
    ):
        trying(logistic, data[NUMBERS])


def test_pickles_that_mlflow_is_told_to_refuse_are_refused_readably(
    logistic: Path, data: pd.DataFrame, trying: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(ContractError, match=r"The model can't be loaded: MlflowException: .*ALLOW_PICKLE"):
        trying(logistic, data[NUMBERS])


def test_a_model_that_draws_at_random_is_noted(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying
) -> None:
    path = save_python(lambda rows: np.random.default_rng().uniform(size=len(rows)), data[NUMBERS])
    _, note = trying(path, data[NUMBERS]).notes
    assert "gives the same row another probability when the rows around it change" in note


def test_a_model_that_ranks_its_batch_is_noted(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying
) -> None:
    path = save_python(lambda rows: np.arange(len(rows)) / len(rows), data[NUMBERS])
    assert len(trying(path, data[NUMBERS]).notes) == 2


def test_an_empty_sample_says_nothing(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    result = trying(logistic, data[NUMBERS].head(0))
    assert (result.rows, result.scored, result.lowest, result.mean) == (0, 0, None, None)


def test_a_sample_says_the_same_again(logistic: Path, data: pd.DataFrame, trying: Trying) -> None:
    sample = data[NUMBERS].copy()
    sample.loc[3, "a"] = np.nan
    assert trying(logistic, sample) == trying(logistic, sample)


def test_columns_are_cast_as_spark_casts_them(save_python: Callable[..., Path], trying: Trying) -> None:
    sample = pd.DataFrame(
        {
            "money": [Decimal("0.25"), None],
            "narrow": [2**40, 3],
            "whole": [1.0, np.nan],
            "at": [pd.Timestamp("2013-07-01"), pd.NaT],
            "day": [pd.Timestamp("2013-07-01").date(), None],
            "flag": [True, None],
        }
    )
    types = {
        "money": "float32", "narrow": "int32", "whole": "int64", "at": "datetime64[ns]", "day": "datetime64[ns]",
        "flag": "bool",
    }  # fmt: skip
    path = save_python(lambda rows: np.full(len(rows), 0.5), None)
    result = trying(path, sample, types=types, share=1.0)
    assert dict(result.issues) == {
        "narrow is null or doesn't fit, and the model takes only whole numbers (int32)": 1,
        "whole is null or doesn't fit, and the model takes only whole numbers (int64)": 1,
    }


@pytest.mark.parametrize("positive", [1, 0])
def test_that_a_single_value_is_taken_as_the_probability_of_1_is_noted(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying, positive: int
) -> None:
    path = save_python(lambda rows: rows["a"].abs() / 10, data[NUMBERS])
    (note,) = trying(path, data[NUMBERS], positive=positive).notes
    assert "names no classes and gives one probability a row: it is taken as that of 1" in note


@pytest.mark.parametrize(
    ("predict", "positive"),
    [
        pytest.param(lambda rows: pd.DataFrame({"late": rows["a"].abs() / 10}), "late", id="a name"),
        pytest.param(lambda rows: np.column_stack([1 - rows["a"].abs() / 10, rows["a"].abs() / 10]), 1, id="columns"),
    ],
)
def test_a_model_that_says_which_class_it_means_needs_no_note(
    save_python: Callable[..., Path], data: pd.DataFrame, trying: Trying, predict: Any, positive: Any
) -> None:
    assert trying(save_python(predict, data[NUMBERS]), data[NUMBERS], positive=positive).notes == ()


def test_values_outside_are_told_beside_whole_numbers_with_nulls(
    save_python: Callable[..., Path], tmp_path: Path
) -> None:
    path = save_python(lambda rows: rows["x"], None)
    contract = Contract(("n", "x"), ("int64", "float64"), (), "columns", masked=("n",))
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=tmp_path)
    sample = pd.DataFrame({"n": [1.0, None, 3.0], "x": [3.5, 0.5, 0.25]})
    with pytest.raises(ContractError, match=r"1 of 3 sampled rows get a value outside \[0, 1\] \(from 3.5 to 3.5\)"):
        try_sample(adapter, sample, contract=contract, max_issue_share=1.0, table="features")


@pytest.mark.parametrize("flavor", ["keras", "tensorflow"])
def test_tensorflow_is_told_to_start_without_chatter(
    tmp_path: Path, trying: Trying, monkeypatch: pytest.MonkeyPatch, flavor: str
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    loader = "import os\n\n\ndef _load_pyfunc(path):\n    return Model(os.environ['TF_CPP_MIN_LOG_LEVEL'])\n\n\n"
    model = "class Model:\n    def __init__(self, level):\n        self.level = level\n\n"
    predict = "    def predict(self, rows, params=None):\n        return (rows['a'] * int(self.level) / 8).to_numpy()\n"
    (tmp_path / "quiet_loader.py").write_text(loader + model + predict, encoding="utf-8")
    path = tmp_path / "quiet"
    code = [str(tmp_path / "quiet_loader.py")]
    mlflow.pyfunc.save_model(str(path), loader_module="quiet_loader", code_paths=code, pip_requirements=[])
    described = Model.load(str(path))
    described.flavors[flavor] = {}
    described.save(str(path / "MLmodel"))
    assert trying(path, pd.DataFrame({"a": [1.0, 2.0]})).highest == 0.75
