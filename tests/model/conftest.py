"""Models saved the way people log them, and the way from a saved model to predictions."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T
from sklearn.linear_model import LogisticRegression
from tests.model.spoken import spoken

from brierlake.model import build_contract, build_udf, prepare_adapter, with_predictions
from brierlake.model.adapter import Adapter

TYPES = {
    "float64": T.DoubleType(),
    "float32": T.FloatType(),
    "int64": T.LongType(),
    "int32": T.IntegerType(),
    "bool": T.BooleanType(),
}


@contextmanager
def advice_aside() -> Iterator[None]:
    """What MLflow tells whoever logs a model (type hints, input examples) isn't ours to follow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def data() -> pd.DataFrame:
    """300 rows: a, b, c numbers, s text, y the outcome."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    frame["s"] = rng.choice(["x", "y", "z"], size=300)
    score = frame["a"] + 2 * frame["b"] - frame["c"] + (frame["s"] == "x") + rng.normal(size=300)
    return frame.assign(y=(score > 0).astype(int))


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Saves a scikit-learn model with the signature of its inputs."""

    def saved(model: Any, inputs: Any, *, name: str = "model", **settings: Any) -> Path:
        path = tmp_path / name
        with advice_aside():
            settings = {"signature": infer_signature(inputs), "serialization_format": "cloudpickle", **settings}
            mlflow.sklearn.save_model(model, str(path), pip_requirements=["scikit-learn"], **settings)
        return path

    return saved


@pytest.fixture
def save_python(tmp_path: Path) -> Callable[..., Path]:
    """Saves a PythonModel that predicts by a function of the frame; without a signature for inputs=None."""

    def saved(predict: Callable[[pd.DataFrame], Any], inputs: Any, *, name: str = "model") -> Path:
        path = tmp_path / name
        with advice_aside():

            class Model(mlflow.pyfunc.PythonModel):
                def predict(self, context, model_input, params=None):  # noqa: ARG002
                    return predict(model_input)

            signature = None if inputs is None else infer_signature(inputs)
            mlflow.pyfunc.save_model(str(path), python_model=Model(), signature=signature, pip_requirements=["pandas"])
        return path

    return saved


@pytest.fixture
def logistic(save: Callable[..., Path], data: pd.DataFrame) -> Path:
    inputs = data[["a", "b", "c"]]
    return save(LogisticRegression().fit(inputs, data["y"]), inputs)


@pytest.fixture
def predictions_of(spark: SparkSession, tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Runs a model over a Spark frame, the way a job does, and returns the rows sorted by id."""

    def predicted(
        model_path: Path, features: DataFrame, *, positive_class: Any = 1, columns: tuple[str, ...] = ()
    ) -> pd.DataFrame:
        contract = build_contract(
            model_path, features.schema, features=columns, positive_class=positive_class, table="features"
        )
        adapter = prepare_adapter(
            model_path, digest=str(model_path), contract=contract, positive_class=positive_class, folder=tmp_path
        )
        scored = with_predictions(features, udf=build_udf(spark, adapter), contract=contract)
        return spoken(scored).toPandas().sort_values("id", ignore_index=True)

    return predicted


@pytest.fixture
def adapter_of(tmp_path: Path) -> Callable[..., Adapter]:
    """Loads the adapter around a saved model on the driver, for features of these pandas types."""

    def loaded(
        model_path: Path, inputs: pd.DataFrame, *, positive_class: Any = 1, columns: tuple[str, ...] = ()
    ) -> Adapter:
        schema = spark_schema(inputs)
        contract = build_contract(model_path, schema, features=columns, positive_class=positive_class, table="features")
        path = prepare_adapter(
            model_path, digest=str(model_path), contract=contract, positive_class=positive_class, folder=tmp_path
        )
        adapter: Adapter = mlflow.pyfunc.load_model(str(path)).get_raw_model()
        return adapter

    return loaded


def spark_schema(inputs: pd.DataFrame) -> T.StructType:
    return T.StructType(
        [T.StructField(str(name), TYPES.get(str(each), T.StringType())) for name, each in inputs.dtypes.items()]
    )
