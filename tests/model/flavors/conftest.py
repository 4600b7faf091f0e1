"""Heavy flavors really run: `pip install 'brierlake[flavors]'`. Each model is logged the way its users do."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.model.spoken import spoken

from brierlake.model import build_contract, build_udf, prepare_adapter, try_sample, with_predictions

NUMBERS = ["a", "b", "c"]


@pytest.fixture(scope="session")
def features(spark: SparkSession, data: pd.DataFrame) -> DataFrame:
    """The features in another order than the models were trained in, with other columns between."""
    rows = data.drop(columns="y").assign(id=range(len(data)))
    return spark.createDataFrame(rows[["c", "s", "a", "id", "b"]]).repartition(2, "id").cache()


@pytest.fixture
def logged(tmp_path: Path) -> Callable[..., Path]:
    """Saves a model through its flavor's own function, MLflow's advice aside."""

    def saved(save_model: Callable[..., Any], model: Any, **settings: Any) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save_model(model, path=str(tmp_path / "model"), pip_requirements=["mlflow"], **settings)
        return tmp_path / "model"

    return saved


@pytest.fixture
def scores(features: DataFrame, tmp_path: Path) -> Callable[..., np.ndarray]:
    """The whole road of a run: contract, adapter, sample, UDF. Returns probabilities in the order of the data."""

    def scored(path: Path, *, positive_class: Any = 1, columns: tuple[str, ...] = (), rows: Any = None) -> Any:
        table = features if rows is None else rows
        contract = build_contract(path, table.schema, features=columns, positive_class=positive_class, table="features")
        adapter = prepare_adapter(
            path, digest=str(path), contract=contract, positive_class=positive_class, folder=tmp_path
        )
        sample = table.limit(100).toPandas()
        try_sample(adapter, sample, contract=contract, max_issue_share=0.5, table="features")
        udf = build_udf(table.sparkSession, adapter)
        result = spoken(with_predictions(table, udf=udf, contract=contract)).toPandas().sort_values("id")
        if rows is not None:
            return result.set_index("id")[["probability", "issue"]]
        assert result["issue"].isna().all(), result["issue"].unique()
        return result["probability"].to_numpy()

    return scored
