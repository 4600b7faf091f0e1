import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from brierlake.model.adapter import Adapter
from brierlake.model.missing import missing_text
from brierlake.model.outputs import NotAProbabilityError, read_output

NUMBERS = ["a", "b", "c"]


def probability(adapter: Adapter, inputs: pd.DataFrame) -> np.ndarray:
    probability, issue = adapter.with_issues(inputs.set_axis([str(k) for k in range(inputs.shape[1])], axis=1))
    assert set(issue) == {""}
    return probability


CLASSES = [
    pytest.param([0, 1], 1, id="int"),
    pytest.param([0, 1], 0, id="the other int"),
    pytest.param([False, True], True, id="bool"),
    pytest.param([False, True], 1, id="1 for a bool"),
    pytest.param([0.0, 1.0], 1, id="float"),
    pytest.param(["early", "late"], "late", id="text, second"),
    pytest.param(["yes", "no"], "yes", id="text, sorted otherwise"),
]


@pytest.mark.parametrize("predict_fn", ["predict", "predict_proba"])
@pytest.mark.parametrize(("classes", "positive"), CLASSES)
def test_the_positive_classs_probability_whatever_predict_gives(  # noqa: PLR0917
    save: Callable[..., Path],
    adapter_of: Callable[..., Adapter],
    data: pd.DataFrame,
    classes: list[Any],
    positive: Any,
    predict_fn: str,
) -> None:
    inputs, outcome = data[NUMBERS], np.array(classes)[data["y"]]
    model = LogisticRegression().fit(inputs, outcome)
    adapter = adapter_of(save(model, inputs, pyfunc_predict_fn=predict_fn), inputs, positive_class=positive)
    expected = model.predict_proba(inputs)[:, list(model.classes_).index(positive)]
    np.testing.assert_array_equal(probability(adapter, inputs), expected)
    # the outcome itself says which column is meant: its rows score higher
    assert probability(adapter, inputs)[outcome == positive].mean() > expected[outcome != positive].mean()


MODELS = [
    pytest.param(LogisticRegression(), id="logistic"),
    pytest.param(make_pipeline(StandardScaler(), LogisticRegression()), id="pipeline"),
    pytest.param(HistGradientBoostingClassifier(max_iter=5), id="hgb"),
    pytest.param(RandomForestClassifier(n_estimators=5, random_state=1), id="forest"),
    pytest.param(CalibratedClassifierCV(RidgeClassifier(), cv=2), id="calibrated"),
    pytest.param(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), id="grid search"),
]


@pytest.mark.parametrize("model", MODELS)
def test_scikit_learn_as_pickle(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame, model: Any
) -> None:
    inputs = data[NUMBERS]
    model.fit(inputs, data["y"])
    np.testing.assert_array_equal(
        probability(adapter_of(save(model, inputs), inputs), inputs), model.predict_proba(inputs)[:, 1]
    )


@pytest.mark.parametrize(
    ("model", "trusted"),
    [
        pytest.param(LogisticRegression(), None, id="logistic"),
        pytest.param(
            HistGradientBoostingClassifier(max_iter=5),
            ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn._loss.link.Interval"],
            id="hgb",
        ),
        pytest.param(RandomForestClassifier(n_estimators=5), ["sklearn.tree._tree.Tree"], id="forest"),
    ],
)
def test_scikit_learn_as_skops(
    save: Callable[..., Path],
    adapter_of: Callable[..., Adapter],
    data: pd.DataFrame,
    model: Any,
    trusted: list[str] | None,
) -> None:
    inputs = data[NUMBERS]
    path = save(model.fit(inputs, data["y"]), inputs, serialization_format="skops", skops_trusted_types=trusted)
    np.testing.assert_array_equal(probability(adapter_of(path, inputs), inputs), model.predict_proba(inputs)[:, 1])


def test_a_pipeline_with_text(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame
) -> None:
    inputs = data[["a", "s", "b"]]
    encoder = make_column_transformer((OneHotEncoder(), ["s"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(inputs, data["y"])
    adapter = adapter_of(save(model, inputs), inputs)
    np.testing.assert_array_equal(probability(adapter, inputs), model.predict_proba(inputs)[:, 1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_matrix_signature_takes_the_features_in_the_order_given(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame, dtype: str
) -> None:
    matrix = data[NUMBERS].to_numpy(dtype)
    model = LogisticRegression().fit(matrix, data["y"])
    path = save(model, matrix, signature=infer_signature(matrix, data["y"].to_numpy()))
    adapter = adapter_of(path, data[["c", "b", "a"]], columns=("a", "b", "c"))
    np.testing.assert_allclose(probability(adapter, data[NUMBERS]), model.predict_proba(matrix)[:, 1], rtol=1e-12)


def test_a_multiclass_model_gives_one_class_against_the_rest(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame
) -> None:
    inputs = data[NUMBERS]
    model = LogisticRegression().fit(inputs, data["s"])
    adapter = adapter_of(save(model, inputs), inputs, positive_class="y")
    np.testing.assert_array_equal(probability(adapter, inputs), model.predict_proba(inputs)[:, 1])


@pytest.mark.parametrize(
    ("positive", "message"),
    [
        ("1", r"classes are 0, 1, and the positive class '1' is none.*Did you mean 1, of type int\?"),
        (2, r"classes are 0, 1, and the positive class 2 is none of them: set model.positive_class"),
        ("late", "positive class 'late' is none of them"),
    ],
)
def test_an_absent_positive_class_is_refused(
    logistic: Path, adapter_of: Callable[..., Adapter], data: pd.DataFrame, positive: Any, message: str
) -> None:
    with pytest.raises(NotAProbabilityError, match=message):
        adapter_of(logistic, data[NUMBERS], positive_class=positive)


@pytest.mark.parametrize("model", [RidgeClassifier(), SVC()])
def test_a_classifier_without_probabilities_is_refused(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], data: pd.DataFrame, model: Any
) -> None:
    inputs = data[NUMBERS]
    with pytest.raises(NotAProbabilityError, match=f"{type(model).__name__} gives labels only: .*predict_proba"):
        adapter_of(save(model.fit(inputs, data["y"]), inputs), inputs)


P = np.array([0.25, 0.5])
OUTPUTS = [
    pytest.param(P, 1, P, id="one value a row"),
    pytest.param(P, True, P, id="for True"),
    pytest.param(P, 0, 1 - P, id="for 0"),
    pytest.param(P, False, 1 - P, id="for False"),
    pytest.param(P.astype("float32")[:, None], 1, P, id="one column of float32"),
    pytest.param(np.column_stack([1 - P, P]), 1, P, id="two columns"),
    pytest.param(np.column_stack([1 - P, P]), 0, 1 - P, id="two columns, for 0"),
    pytest.param(np.column_stack([P, P / 2, P / 4]), 2, P / 4, id="three columns"),
    pytest.param(pd.Series(P), 1, P, id="series"),
    pytest.param(pd.Series(P, dtype="Float64"), 1, P, id="nullable series"),
    pytest.param(pd.DataFrame({"p": P}), 1, P, id="frame of one column"),
    pytest.param(pd.DataFrame({"p": P}), "p", P, id="its name"),
    pytest.param(pd.DataFrame({"label": ["no", "yes"], "p": P}), "p", P, id="a named column beside labels"),
    pytest.param(pd.DataFrame({0: 1 - P, 1: P}), 1, P, id="numbered columns"),
    pytest.param(pd.DataFrame({1: P, 0: 1 - P}), 1, P, id="numbered columns in another order"),
    pytest.param([0.25, 0.5], 1, P, id="list"),
    pytest.param([0.25, None], 1, np.array([0.25, np.nan]), id="list with None"),
    pytest.param({"p": P, "q": 1 - P}, "q", 1 - P, id="dict"),
]


@pytest.mark.parametrize(("output", "positive", "expected"), OUTPUTS)
def test_outputs_are_read_as_the_positive_class(output: Any, positive: Any, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(read_output(output, positive_class=positive), expected)


@pytest.mark.parametrize(
    ("output", "positive", "message"),
    [
        pytest.param(np.array([0, 1]), 1, "gives labels", id="int labels"),
        pytest.param(np.array([False, True]), 1, "gives labels", id="bool labels"),
        pytest.param(np.array(["no", "yes"]), "yes", "gives labels", id="text labels"),
        pytest.param(pd.Series(["no", "yes"]), "yes", "gives labels", id="series of text"),
        pytest.param([None, "yes"], "yes", "gives labels", id="list of text"),
        pytest.param(P, "late", "taken as the probability of 1: set model.positive_class to 1", id="no such name"),
        pytest.param(P, 2, "taken as the probability of 1", id="no such number"),
        pytest.param(
            np.column_stack([P, P]), 2, "columns numbered 0 to 1, and the positive class 2", id="no such column"
        ),
        pytest.param(
            pd.DataFrame({"p": P, "q": P}), 1, "columns 'p', 'q', and the positive class 1", id="named columns"
        ),
        pytest.param(np.ones((2, 2, 2)), 1, r"shape \(2, 2, 2\)", id="three dimensions"),
        pytest.param(0.5, 1, r"shape \(\)", id="one number"),
    ],
)
def test_other_outputs_are_refused(output: Any, positive: Any, message: str) -> None:
    with pytest.raises(NotAProbabilityError, match=message):
        read_output(output, positive_class=positive)


def texts(marker: Any) -> pd.DataFrame:
    return pd.DataFrame({"s": ["x", "y", marker] * 20, "n": np.tile([0.0, 1.0, 2.0, 3.0], 15)})


def outcomes() -> np.ndarray:
    return np.tile([0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1], 5)


def encoded(step: Any) -> Any:
    return make_pipeline(make_column_transformer((step, ["s"]), remainder="passthrough"), LogisticRegression())


STEPS = [
    pytest.param(OneHotEncoder(handle_unknown="ignore"), id="one-hot"),
    pytest.param(
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9, encoded_missing_value=-1), id="ordinal"
    ),
    pytest.param(
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), id="imputer"
    ),
]


@pytest.mark.parametrize("step", STEPS)
def test_missing_text_reaches_the_model_as_it_was_trained_on(
    save: Callable[..., Path], adapter_of: Callable[..., Adapter], step: Any
) -> None:
    trained, arriving = texts(np.nan), texts(None)
    model = encoded(step).fit(trained, outcomes())
    expected = model.predict_proba(trained)[:, 1]
    assert not np.allclose(model.predict_proba(arriving)[:, 1], expected), "None alone would be another category"
    np.testing.assert_array_equal(probability(adapter_of(save(model, trained), arriving), arriving), expected)


@pytest.mark.parametrize(
    ("marker", "is_nan"), [pytest.param(np.nan, True), pytest.param(None, False), pytest.param("z", False)]
)
def test_the_models_encoders_say_what_missing_text_is(marker: Any, is_nan: bool) -> None:  # noqa: FBT001
    model = encoded(OneHotEncoder(handle_unknown="ignore")).fit(texts(marker), outcomes())
    found = missing_text(model)
    assert math.isnan(found) if is_nan else found is None


def test_a_model_without_text_has_no_missing_text(data: pd.DataFrame) -> None:
    assert missing_text(HistGradientBoostingClassifier(max_iter=2).fit(data[NUMBERS], data["y"])) is None
