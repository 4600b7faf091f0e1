"""Boosters that were trained on pandas categories are fed text, and score it as they would their own categories."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from brierlake.errors import ContractError

xgboost = pytest.importorskip("xgboost", reason="xgboost and lightgbm come with the extra `flavors`")
lightgbm = pytest.importorskip("lightgbm", reason="xgboost and lightgbm come with the extra `flavors`")

pytestmark = pytest.mark.slow

NAMES = ["a", "s", "k", "on", "b"]
# neither is in the order of the alphabet, and each holds one that no row has
ORDERS = {"s": ["z", "w", "x", "y"], "k": [30, 10, 20, 40], "on": [True, False]}
SMALL = {"n_estimators": 8, "n_jobs": 1}
Logging = Callable[..., Path]
Scoring = Callable[..., Any]


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: pd.Categorical(frame[name], order) for name, order in ORDERS.items() if name in frame})


@pytest.fixture(scope="module")
def plain(data: pd.DataFrame) -> pd.DataFrame:
    """The features as a table has them: text, whole numbers, booleans."""
    rng = np.random.default_rng(8)
    frame = data.assign(k=rng.choice([10, 20, 30], size=len(data)), on=rng.random(len(data)) < 0.5)
    score = frame["a"] + 2 * (frame["s"] == "x") + (frame["k"] == 20) - frame["on"] + rng.normal(size=len(data))
    return frame[NAMES].assign(y=(score > 0.5).astype(int))


@pytest.fixture
def rows(spark: SparkSession, plain: pd.DataFrame) -> DataFrame:
    """In small batches of a few categories each, columns in another order."""
    frame = plain.assign(id=range(len(plain))).sort_values(["s", "k"])
    return spark.createDataFrame(frame[["b", "on", "id", "s", "a", "k"]]).repartition(12, "s", "k")


def lgbm_classifier(inputs: pd.DataFrame, outcome: Any) -> Any:
    return lightgbm.LGBMClassifier(**SMALL, verbose=-1).fit(inputs, outcome)


def lgbm_booster(inputs: pd.DataFrame, outcome: Any) -> Any:
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(inputs, outcome), num_boost_round=8)


def xgb_classifier(inputs: pd.DataFrame, outcome: Any) -> Any:
    return xgboost.XGBClassifier(**SMALL, enable_categorical=True).fit(inputs, outcome)


def xgb_booster(inputs: pd.DataFrame, outcome: Any) -> Any:
    matrix = xgboost.DMatrix(inputs, outcome, enable_categorical=True)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, num_boost_round=8)


def of_one(model: Any, inputs: pd.DataFrame) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(inputs)[:, 1]
    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(inputs, enable_categorical=True))
    return model.predict(inputs)


MODELS = [
    pytest.param(lgbm_classifier, "lightgbm", NAMES, id="LGBMClassifier"),
    pytest.param(lgbm_booster, "lightgbm", NAMES, id="LightGBM booster"),
    pytest.param(xgb_classifier, "xgboost", ["a", "s", "k", "b"], id="XGBClassifier"),
    pytest.param(xgb_booster, "xgboost", ["a", "s", "k", "b"], id="XGBoost booster"),
]


@pytest.mark.parametrize(("train", "flavor", "names"), MODELS)
def test_text_is_scored_as_the_categories_of_the_training(  # noqa: PLR0917
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring, train: Any, flavor: str, names: list[str]
) -> None:
    inputs = categories(plain[names])
    model = train(inputs, plain["y"])
    path = logged(getattr(mlflow, flavor).save_model, model, signature=infer_signature(inputs))
    result = scores(path, rows=rows)
    assert result["issue"].isna().all()
    np.testing.assert_allclose(result["probability"], of_one(model, inputs), rtol=1e-6)


@pytest.mark.parametrize(("train", "flavor", "names"), MODELS)
def test_unknown_and_missing_text_count_as_they_do_for_the_library(  # noqa: PLR0917
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring, train: Any, flavor: str, names: list[str]
) -> None:
    """LightGBM takes both for missing; XGBoost a text that it doesn't know for a category that no row had."""
    inputs = categories(plain[names])
    model = train(inputs, plain["y"])
    path = logged(getattr(mlflow, flavor).save_model, model, signature=infer_signature(inputs))
    told = F.when(F.col("id") == 3, "unseen").when(F.col("id") != 5, F.col("s"))
    result = scores(path, rows=rows.withColumn("s", told))
    assert result["issue"].isna().all()
    expected = (
        inputs["s"].mask(inputs.index.isin([3, 5])).where(inputs.index != 3, None if flavor == "lightgbm" else "w")
    )
    np.testing.assert_allclose(result["probability"], of_one(model, inputs.assign(s=expected)), rtol=1e-6)


@pytest.mark.parametrize("train", [lgbm_classifier, lgbm_booster])
def test_ordered_categories_are_known_by_being_text(
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring, train: Any
) -> None:
    """LightGBM doesn't mark these as categorical, though it stores them with the others."""
    inputs = plain[["a", "s", "b"]].assign(s=pd.Categorical(plain["s"], ORDERS["s"], ordered=True))
    model = train(inputs, plain["y"])
    path = logged(mlflow.lightgbm.save_model, model, signature=infer_signature(inputs))
    np.testing.assert_allclose(scores(path, rows=rows)["probability"], of_one(model, inputs), rtol=1e-6)


def test_categories_whose_columns_cant_be_told_are_refused(
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring
) -> None:
    inputs = categories(plain[["a", "s", "k", "b"]])
    inputs["k"] = inputs["k"].cat.as_ordered()
    model = lgbm_classifier(inputs, plain["y"])
    path = logged(mlflow.lightgbm.save_model, model, signature=infer_signature(inputs))
    with pytest.raises(
        ContractError, match=r"trained on 2 pandas categories, and which .* \(text are s; marked .* s\)"
    ):
        scores(path, rows=rows)


def test_categories_that_an_older_xgboost_didnt_store_are_refused(
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring
) -> None:
    inputs = categories(plain[["a", "s", "b"]])
    path = logged(
        mlflow.xgboost.save_model,
        xgb_booster(inputs, plain["y"]),
        signature=infer_signature(inputs),
        model_format="json",
    )
    (file,) = path.glob("model*.json")
    tree = json.loads(file.read_text(encoding="utf-8"))
    tree["learner"].pop("cats", None)
    tree["learner"]["gradient_booster"]["model"].pop("cats", None)
    file.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ContractError, match=r"trained on pandas categories \(s\) and saved without them"):
        scores(path, rows=rows)


@pytest.mark.parametrize("train", [xgb_classifier, lgbm_classifier])
def test_a_pipeline_hands_categories_on(
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring, train: Any
) -> None:
    inputs = categories(plain[["a", "s", "b"]])
    model = make_pipeline(FunctionTransformer(), train(inputs, plain["y"])).fit(inputs, plain["y"])
    path = logged(
        mlflow.sklearn.save_model, model, signature=infer_signature(inputs), serialization_format="cloudpickle"
    )
    np.testing.assert_allclose(scores(path, rows=rows)["probability"], of_one(model, inputs), rtol=1e-6)


def test_scikit_learn_codes_text_by_itself(
    plain: pd.DataFrame, rows: DataFrame, logged: Logging, scores: Scoring
) -> None:
    inputs = categories(plain[["a", "s", "b"]])
    model = HistGradientBoostingClassifier(max_iter=5).fit(inputs, plain["y"])
    path = logged(
        mlflow.sklearn.save_model, model, signature=infer_signature(inputs), serialization_format="cloudpickle"
    )
    result = scores(path, rows=rows.withColumn("s", F.when(F.col("id") != 5, F.col("s"))))
    expected = of_one(model, inputs.assign(s=inputs["s"].mask(inputs.index == 5)))
    np.testing.assert_allclose(result["probability"], expected, rtol=1e-12)


@pytest.mark.parametrize("count", [2, 3])
def test_several_labels_at_once_are_refused(data: pd.DataFrame, logged: Logging, scores: Scoring, count: int) -> None:
    """XGBoost calls them classes 0 and 1, as if the second were the positive one."""
    inputs, labels = data[["a", "b", "c"]], np.column_stack([data["y"], data["a"] > 0, data["b"] > 0]).astype(int)
    model = xgboost.XGBClassifier(**SMALL).fit(inputs, labels[:, :count])
    path = logged(mlflow.xgboost.save_model, model, signature=infer_signature(inputs))
    with pytest.raises(ContractError, match=f"answers {count} questions at once"):
        scores(path)
