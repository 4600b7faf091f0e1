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
from mlflow.models import infer_signature
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.errors import ContractError
from brierlake.model import Contract, prepare_adapter

torch = pytest.importorskip("torch", reason="torch and keras come with the extra `flavors`")
os.environ.setdefault("KERAS_BACKEND", "torch")  # executors take it over
keras = pytest.importorskip("keras", reason="torch and keras come with the extra `flavors`")

pytestmark = [
    pytest.mark.slow,
    # Keras on torch, in its own code
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

NUMBERS = ("a", "b", "c")
Logging = Callable[..., Path]
Scoring = Callable[..., Any]


def matrix(data: pd.DataFrame, dtype: str = "float32") -> np.ndarray:
    return data[list(NUMBERS)].to_numpy(dtype)


def network(*last: Any, width: int = 1) -> Any:
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, width), *last)


def log_torch(logged: Logging, model: Any, data: pd.DataFrame, **settings: Any) -> Path:
    example = matrix(data)[:5]
    settings = {"serialization_format": "pickle", **settings}
    return logged(mlflow.pytorch.save_model, model, signature=infer_signature(example), **settings)


def output(model: Any, data: pd.DataFrame) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(matrix(data))).numpy()


@pytest.mark.parametrize("settings", [{"serialization_format": "pickle"}, {"serialization_format": "pt2"}])
def test_a_torch_sigmoid(data: pd.DataFrame, logged: Logging, scores: Scoring, settings: dict[str, Any]) -> None:
    model = network(torch.nn.Sigmoid())
    if settings["serialization_format"] == "pt2":
        settings["input_example"] = matrix(data)[:5]
    path = log_torch(logged, model, data, **settings)
    np.testing.assert_allclose(scores(path, columns=NUMBERS), output(model, data)[:, 0], rtol=1e-5)


def test_a_torch_softmax_gives_the_column_of_the_class(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = network(torch.nn.Softmax(dim=1), width=3)
    path = log_torch(logged, model, data)
    np.testing.assert_allclose(scores(path, columns=NUMBERS, positive_class=2), output(model, data)[:, 2], rtol=1e-5)


def test_torch_logits_are_refused(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    with pytest.raises(ContractError, match=r"outside \[0, 1\] .*logits.*sigmoid or softmax"):
        scores(log_torch(logged, network(), data), columns=NUMBERS)


def test_a_network_without_a_list_of_features_is_refused(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    with pytest.raises(ContractError, match=r"add `columns: \[first, second, …\]` with its 3 features"):
        scores(log_torch(logged, network(torch.nn.Sigmoid()), data))


def test_the_order_of_features_decides(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = network(torch.nn.Sigmoid())
    reversed_scores = scores(log_torch(logged, model, data), columns=NUMBERS[::-1])
    assert np.abs(reversed_scores - output(model, data)[:, 0]).max() > 0.01


def keras_model(data: pd.DataFrame, *, classes: int = 1) -> Any:
    keras.utils.set_random_seed(4)
    last = keras.layers.Dense(classes, activation="sigmoid" if classes == 1 else "softmax")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="relu"), last])
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    model.compile(loss=loss)
    model.fit(matrix(data, "float64"), data["y"].to_numpy(), verbose=0)
    return model


def log_keras(logged: Logging, model: Any, data: pd.DataFrame) -> Path:
    """The way of MLflow's own examples: a signature from plain arrays, the outcome as output."""
    inputs = matrix(data, "float64")
    return logged(mlflow.keras.save_model, model, signature=infer_signature(inputs, data["y"].to_numpy()))


def test_keras_logged_from_plain_arrays(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = keras_model(data)
    path = log_keras(logged, model, data)
    expected = model.predict(matrix(data, "float64"), verbose=0)[:, 0]
    np.testing.assert_allclose(scores(path, columns=NUMBERS), expected, rtol=1e-5)


def test_keras_softmax_gives_the_column_of_the_class(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = keras_model(data, classes=2)
    expected = model.predict(matrix(data, "float64"), verbose=0)[:, 1]
    np.testing.assert_allclose(scores(log_keras(logged, model, data), columns=NUMBERS), expected, rtol=1e-5)


def test_keras_draws_no_progress_bars(
    data: pd.DataFrame, logged: Logging, scores: Scoring, capfd: pytest.CaptureFixture[str]
) -> None:
    path = log_keras(logged, keras_model(data), data)
    scores(path, columns=NUMBERS)
    printed = capfd.readouterr()
    assert "step" not in printed.out + printed.err
    assert "━" not in printed.out + printed.err


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_gaps_give_no_number_and_are_issues(
    data: pd.DataFrame, features: DataFrame, logged: Logging, scores: Scoring, kind: str
) -> None:
    if kind == "torch":
        path = log_torch(logged, network(torch.nn.Sigmoid()), data)
    else:
        path = log_keras(logged, keras_model(data), data)
    rows = features.withColumn("a", F.when(F.col("id") != 3, F.col("a")))
    result = scores(path, columns=NUMBERS, rows=rows)
    assert result["issue"].dropna().to_dict() == {3: "a is null or NaN, and the model returned no number"}
    assert result.index[result["probability"].isna()].tolist() == [3]


def test_keras_runs_on_the_backend_that_it_was_saved_with(data: pd.DataFrame, logged: Logging, tmp_path: Path) -> None:
    path = log_keras(logged, keras_model(data), data)
    contract = Contract(NUMBERS, ("float64",) * 3, (), "tensor")
    adapter = prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=tmp_path)
    script = f"import mlflow; mlflow.pyfunc.load_model({str(adapter)!r}); import keras; print(keras.backend.backend())"
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "torch"), done.stderr
