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

xgboost = pytest.importorskip("xgboost", reason="xgboost and lightgbm come with the extra `flavors`")
lightgbm = pytest.importorskip("lightgbm", reason="xgboost and lightgbm come with the extra `flavors`")

pytestmark = pytest.mark.slow

NUMBERS = ["a", "b", "c"]
SMALL = {"n_estimators": 5, "n_jobs": 1}
Logging = Callable[..., Path]
Scoring = Callable[..., Any]


def xgb_classifier(data: pd.DataFrame, outcome: Any) -> Any:
    return xgboost.XGBClassifier(**SMALL).fit(data[NUMBERS], outcome)


def lgbm_classifier(data: pd.DataFrame, outcome: Any) -> Any:
    return lightgbm.LGBMClassifier(**SMALL, verbose=-1).fit(data[NUMBERS], outcome)


def xgb_booster(data: pd.DataFrame, **parameters: Any) -> Any:
    parameters = {"objective": "binary:logistic", "nthread": 1, **parameters}
    return xgboost.train(parameters, xgboost.DMatrix(data[NUMBERS], data["y"]), num_boost_round=5)


def lgbm_booster(data: pd.DataFrame, **parameters: Any) -> Any:
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, **parameters}
    return lightgbm.train(parameters, lightgbm.Dataset(data[NUMBERS], data["y"]), num_boost_round=5)


@pytest.mark.parametrize("positive", [1, 0])
@pytest.mark.parametrize(
    ("train", "flavor"), [(xgb_classifier, "xgboost"), (lgbm_classifier, "lightgbm")], ids=["xgboost", "lightgbm"]
)
def test_classifiers_give_the_wanted_class(  # noqa: PLR0917
    data: pd.DataFrame, logged: Logging, scores: Scoring, train: Callable[..., Any], flavor: str, positive: int
) -> None:
    model = train(data, data["y"])
    path = logged(getattr(mlflow, flavor).save_model, model, signature=infer_signature(data[NUMBERS]))
    expected = model.predict_proba(data[NUMBERS])[:, positive]
    np.testing.assert_allclose(scores(path, positive_class=positive), expected, rtol=1e-6)


def test_a_classifier_with_text_classes(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = lgbm_classifier(data, np.where(data["y"] == 1, "late", "on time"))
    path = logged(mlflow.lightgbm.save_model, model, signature=infer_signature(data[NUMBERS]))
    np.testing.assert_allclose(
        scores(path, positive_class="late"), model.predict_proba(data[NUMBERS])[:, 0], rtol=1e-12
    )


def test_a_multiclass_classifier(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = lgbm_classifier(data, data["s"])
    path = logged(mlflow.lightgbm.save_model, model, signature=infer_signature(data[NUMBERS]))
    np.testing.assert_allclose(scores(path, positive_class="z"), model.predict_proba(data[NUMBERS])[:, 2], rtol=1e-12)


def test_boosters_give_the_probability_of_one(data: pd.DataFrame, logged: Logging, scores: Scoring) -> None:
    model = lgbm_booster(data)
    path = logged(mlflow.lightgbm.save_model, model, signature=infer_signature(data[NUMBERS]))
    np.testing.assert_allclose(scores(path), model.predict(data[NUMBERS]), rtol=1e-12)


@pytest.mark.parametrize("positive", [1, 0])
def test_xgboost_boosters_give_the_probability_of_one(
    data: pd.DataFrame, logged: Logging, scores: Scoring, positive: int
) -> None:
    model = xgb_booster(data)
    path = logged(mlflow.xgboost.save_model, model, signature=infer_signature(data[NUMBERS]))
    of_one = model.predict(xgboost.DMatrix(data[NUMBERS])).astype("float64")
    np.testing.assert_allclose(scores(path, positive_class=positive), of_one if positive else 1 - of_one, rtol=1e-6)


def test_a_multiclass_booster_gives_the_column_of_the_class(
    data: pd.DataFrame, logged: Logging, scores: Scoring
) -> None:
    numbered = data.assign(y=data["s"].map({"x": 0, "y": 1, "z": 2}))
    model = xgb_booster(numbered, objective="multi:softprob", num_class=3)
    path = logged(mlflow.xgboost.save_model, model, signature=infer_signature(data[NUMBERS]))
    expected = model.predict(xgboost.DMatrix(data[NUMBERS]))[:, 2]
    np.testing.assert_allclose(scores(path, positive_class=2), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("train", "flavor", "parameters", "message"),
    [
        pytest.param(
            xgb_booster, "xgboost", {"objective": "binary:logitraw"}, r"outside \[0, 1\]", id="xgboost logits"
        ),
        pytest.param(xgb_booster, "xgboost", {"objective": "binary:hinge"}, "exactly 0 or 1", id="xgboost labels"),
        pytest.param(
            lgbm_booster,
            "lightgbm",
            {"objective": "regression", "learning_rate": 3.0},
            r"outside \[0, 1\]",
            id="regression",
        ),
    ],
)
def test_boosters_that_give_something_else_are_refused(  # noqa: PLR0917
    data: pd.DataFrame, logged: Logging, scores: Scoring, train: Any, flavor: str, parameters: Any, message: str
) -> None:
    path = logged(
        getattr(mlflow, flavor).save_model, train(data, **parameters), signature=infer_signature(data[NUMBERS])
    )
    with pytest.raises(ContractError, match=f"doesn't give the probability that is wanted: .*{message}"):
        scores(path)


@pytest.mark.parametrize(
    ("train", "flavor"),
    [
        pytest.param(lambda data: xgb_classifier(data, data["y"]), "xgboost", id="XGBClassifier"),
        pytest.param(lambda data: lgbm_classifier(data, data["y"]), "lightgbm", id="LGBMClassifier"),
        pytest.param(xgb_booster, "xgboost", id="XGBoost booster"),
        pytest.param(lgbm_booster, "lightgbm", id="LightGBM booster"),
    ],
)
def test_nulls_are_scored(  # noqa: PLR0917
    data: pd.DataFrame, features: DataFrame, logged: Logging, scores: Scoring, train: Any, flavor: str
) -> None:
    model = train(data)
    path = logged(getattr(mlflow, flavor).save_model, model, signature=infer_signature(data[NUMBERS]))
    result = scores(path, rows=features.withColumn("a", F.when(F.col("id") % 2 == 0, F.col("a"))))
    assert result["issue"].isna().all()
    gaps = data[NUMBERS].assign(a=data["a"].where(data.index % 2 == 0))
    if hasattr(model, "predict_proba"):
        expected = model.predict_proba(gaps)[:, 1]
    else:
        expected = model.predict(xgboost.DMatrix(gaps) if flavor == "xgboost" else gaps)
    np.testing.assert_allclose(result["probability"], expected, rtol=1e-6)
