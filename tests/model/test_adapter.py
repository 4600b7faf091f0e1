import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from brierlake.model import Contract, prepare_adapter
from brierlake.model.adapter import Adapter
from brierlake.model.flavors import Source
from brierlake.registry.files import compute_digest

SEEN: list[Any] = []


def adapter(**types: str) -> Adapter:
    """An adapter whose model keeps what it is given and returns a half for each row."""

    def score(data: Any) -> np.ndarray:
        SEEN.append(data)
        return np.full(len(data), 0.5)

    form = "tensor" if set(types.values()) <= {"float32", "int64"} and len(types) > 1 else "columns"
    return Adapter(Source(score, "", has_classes=True), features=list(types), types=list(types.values()), form=form)


def given(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({str(k): pd.Series(values) for k, values in enumerate(columns.values())})


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    SEEN.clear()


def test_columns_are_handed_over_with_the_models_names_and_types() -> None:
    types = {"i": "int32", "flag": "bool", "s": "str", "at": "datetime64[ns]", "x": "float64"}
    arriving = given(
        i=pd.Series([1, 2], dtype="int32"), flag=[True, False], s=["u", None], at=[0, 1_000_000], x=[0.5, np.nan]
    )
    _, issue = adapter(**types).with_issues(arriving)
    assert list(issue) == ["", ""]
    assert {name: str(dtype) for name, dtype in SEEN[0].dtypes.items()} == {**types, "s": "object"}
    assert list(SEEN[0]["at"]) == [pd.Timestamp("1970-01-01"), pd.Timestamp("1970-01-01 00:00:01")]


@pytest.mark.parametrize(
    ("to", "values", "reason"),
    [
        ("int32", [1.0, None, 3.0], r"null or doesn't fit, and the model takes only whole numbers \(int32\)"),
        ("int64", [1.0, None, 3.0], r"null or doesn't fit, and the model takes only whole numbers \(int64\)"),
        ("bool", [True, None, False], "null or doesn't fit, and the model takes only true or false"),
        ("datetime64[ns]", [0, 2**62, 5], "too far from today"),
    ],
)
def test_a_row_that_the_models_type_cant_hold_is_an_issue(to: str, values: list[Any], reason: str) -> None:
    probability, issue = adapter(f=to, x="float64").with_issues(given(f=values, x=[0.1, 0.2, 0.3]))
    assert pd.Series(issue).str.contains(reason).tolist() == [False, True, False]
    assert np.isnan(probability).tolist() == [False, True, False]
    assert len(SEEN[0]) == 2
    assert str(SEEN[0]["f"].dtype) == to


def test_the_first_column_that_doesnt_fit_is_named() -> None:
    _, issue = adapter(i="int64", j="int64", s="str").with_issues(given(i=[None, 1.0], j=[None, None], s=["u", "v"]))
    assert [text.split()[0] for text in issue] == ["i", "j"]
    assert SEEN == []


def test_a_null_time_reaches_the_model() -> None:
    _, issue = adapter(at="datetime64[ns]", x="float64").with_issues(given(at=[0.0, None], x=[0.1, 0.2]))
    assert list(issue) == ["", ""]
    assert SEEN[0]["at"].isna().tolist() == [False, True]


def test_a_matrix_is_handed_over_in_the_models_type() -> None:
    adapter(a="float32", b="float32").predict(given(a=[1.0, 2.0], b=[3.0, 4.0]))
    assert SEEN[0].dtype == np.float32
    np.testing.assert_array_equal(SEEN[0], [[1, 3], [2, 4]])


def test_a_model_that_walks_through_rows_gets_each_in_one_piece() -> None:
    seen = []

    def score(rows: pd.DataFrame) -> np.ndarray:
        seen.append(rows)
        return rows["x"].to_numpy()

    source = Source(score, "", has_classes=True, is_read_by_row=True)
    numbers = Adapter(source, features=["y", "x"], types=["float64"] * 2, form="columns")
    assert numbers.predict(given(y=[3.0, 4.0], x=[0.1, 0.2])).tolist() == [0.1, 0.2]
    assert seen[0].to_numpy().flags.c_contiguous
    Adapter(source, features=["s", "x"], types=["str", "float64"], form="columns").predict(given(s=["u"], x=[0.3]))
    assert list(seen[1]["s"]) == ["u"]


def test_a_model_that_changes_its_input_in_place_is_tried_again_with_the_rows_as_they_were() -> None:
    def halved(rows: pd.DataFrame) -> np.ndarray:
        rows["x"] /= 2
        s = rows.pop("s")
        if (s == "bad").any():
            raise ValueError("unknown text")
        return rows["x"].to_numpy()

    tried = Adapter(
        Source(halved, "", has_classes=False), features=["x", "s"], types=["float64", "str"], form="columns"
    )
    probability, issue = tried.with_issues(given(x=[0.2, 0.4, 0.6], s=["a", "bad", "c"]))
    assert issue.tolist() == ["", "the model raises ValueError: unknown text", ""]
    np.testing.assert_array_equal(probability, [0.1, np.nan, 0.3])


@pytest.fixture
def prepared(logistic: Path, tmp_path: Path) -> Path:
    contract = Contract(("a", "b", "c"), ("float64",) * 3, (), "columns")
    return prepare_adapter(logistic, digest=str(logistic), contract=contract, positive_class=1, folder=tmp_path)


def test_the_adapter_brings_its_code_and_holds_no_pickle_of_ours(prepared: Path) -> None:
    files = {str(path.relative_to(prepared)) for path in prepared.rglob("*") if path.is_file()}
    assert "code/brierlake/model/adapter.py" in files
    assert not [name for name in files if name.endswith(".pyc")]
    assert [name for name in files if name.endswith((".pkl", ".pickle"))] == [
        name for name in files if "/model/" in name and name.endswith(".pkl")
    ]


def test_executors_run_the_code_that_the_adapter_brings(prepared: Path, data: pd.DataFrame, tmp_path: Path) -> None:
    data.head(20)[["a", "b", "c"]].set_axis(["0", "1", "2"], axis=1).to_pickle(tmp_path / "rows")
    script = (
        "import mlflow, numpy, pandas\n"
        f"model = mlflow.pyfunc.load_model({str(prepared)!r})\n"
        "import brierlake\n"
        f"assert brierlake.__file__.startswith({str(prepared)!r}), brierlake.__file__\n"
        f"numpy.save({str(tmp_path / 'out.npy')!r}, model.predict(pandas.read_pickle({str(tmp_path / 'rows')!r})))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    model = LogisticRegression().fit(data[["a", "b", "c"]], data["y"])
    expected = model.predict_proba(data.head(20)[["a", "b", "c"]])[:, 1]
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_the_same_content_is_loaded_once_a_process(save_python: Callable[..., Path], tmp_path: Path) -> None:
    path = save_python(lambda rows: rows["a"], pd.DataFrame({"a": [0.5]}))
    contract = Contract(("a",), ("float64",), (), "columns")

    def load(*, positive_class: int, name: str) -> Adapter:
        folder = tmp_path / name
        folder.mkdir()
        digest = compute_digest(path)
        prepared = prepare_adapter(path, digest=digest, contract=contract, positive_class=positive_class, folder=folder)
        adapter: Adapter = mlflow.pyfunc.load_model(str(prepared)).get_raw_model()
        return adapter

    first = load(positive_class=1, name="first")
    assert load(positive_class=1, name="second") is first
    assert load(positive_class=0, name="third") is not first
    assert load(positive_class=1, name="fourth") is first
    (path / "artifact").write_text("changed", encoding="utf-8")
    assert load(positive_class=1, name="fifth") is not first


def test_preparing_again_replaces_what_was_there(logistic: Path, tmp_path: Path) -> None:
    for features in (("a", "b", "c"), ("c", "b", "a")):
        contract = Contract(features, ("float64",) * 3, (), "columns")
        path = prepare_adapter(logistic, digest=str(logistic), contract=contract, positive_class=1, folder=tmp_path)
    loaded = mlflow.pyfunc.load_model(str(path)).get_raw_model()
    assert loaded.features == ["c", "b", "a"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["adapter", "model"]


def test_many_features_fit(save_python: Callable[..., Path], adapter_of: Callable[..., Adapter]) -> None:
    inputs = pd.DataFrame(np.linspace(0, 1, 600).reshape(2, 300), columns=[f"f{k}" for k in range(300)])
    loaded = adapter_of(save_python(lambda rows: rows["f299"], inputs), inputs)
    result = loaded.predict(inputs.set_axis([str(k) for k in range(300)], axis=1))
    np.testing.assert_array_equal(result, inputs["f299"])
