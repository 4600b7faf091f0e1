from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pydantic
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array
from pyspark.sql import types as T
from tests.model.conftest import advice_aside

from brierlake.errors import ContractError
from brierlake.model import Contract, build_contract

pytestmark = pytest.mark.usefixtures("spark")  # fromDDL asks Spark's parser

ALL = (
    ("n8", DataType.integer), ("n16", DataType.integer), ("n32", DataType.integer), ("n64", DataType.long),
    ("f32", DataType.float), ("f64", DataType.double), ("flag", DataType.boolean), ("text", DataType.string),
    ("at", DataType.datetime),
)  # fmt: skip


@pytest.fixture
def signed(tmp_path: Path) -> Callable[..., Path]:
    """A model folder that holds no model, only what the contract reads."""

    def saved(inputs: Schema | None, **flavors: Any) -> Path:
        model = Model(signature=None if inputs is None else ModelSignature(inputs=inputs))
        model.flavors.update({"python_function": {"loader_module": "mlflow.sklearn"}, **flavors})
        model.save(str(tmp_path / "MLmodel"))
        return tmp_path

    return saved


def columns(*names: str, type: DataType = DataType.double) -> Schema:  # noqa: A002
    return Schema([ColSpec(type, name) for name in names])


def matrix(width: int, dtype: str = "float32") -> Schema:
    return Schema([TensorSpec(np.dtype(dtype), (-1, width))])


def contract_of(path: Path, ddl: str, *, positive_class: Any = 1, **settings: Any) -> Contract:
    return build_contract(path, T.StructType.fromDDL(ddl), positive_class=positive_class, table="features", **settings)


def test_columns_are_taken_by_name_in_the_signatures_order(signed: Callable[..., Path]) -> None:
    contract = contract_of(signed(columns("b", "a")), "id long, a double, extra string, b double")
    assert contract == Contract(features=("b", "a"), types=("float64", "float64"), casts=(), form="columns")


def test_a_contract_is_hashable_and_described_as_json(signed: Callable[..., Path]) -> None:
    contract = contract_of(signed(columns("a", "b")), "a decimal(9,2), b double")
    assert len({contract, contract}) == 1
    assert contract.described() == {
        "form": "columns",
        "features": [["a", "float64"], ["b", "float64"]],
        "casts": {"a": "double"},
    }


@pytest.mark.parametrize("table_type", ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal(12,3)"])
@pytest.mark.parametrize(("wanted", "arriving"), [(DataType.double, "double"), (DataType.float, "float")])
def test_every_number_is_cast_to_the_signatures_float(
    signed: Callable[..., Path], table_type: str, wanted: DataType, arriving: str
) -> None:
    contract = contract_of(signed(columns("a", type=wanted)), f"a {table_type}")
    assert contract.casts == (() if table_type == arriving else (("a", arriving),))


@pytest.mark.parametrize("table_type", ["tinyint", "smallint", "int", "bigint", "decimal(12,0)"])
@pytest.mark.parametrize(("wanted", "arriving"), [(DataType.integer, "int"), (DataType.long, "bigint")])
def test_whole_numbers_are_cast_to_the_signatures_integer(
    signed: Callable[..., Path], table_type: str, wanted: DataType, arriving: str
) -> None:
    contract = contract_of(signed(columns("a", type=wanted)), f"a {table_type}")
    assert contract.casts == (() if table_type == arriving else (("a", arriving),))


@pytest.mark.parametrize("table_type", ["timestamp", "timestamp_ntz", "date"])
def test_times_are_handed_over_as_microseconds(signed: Callable[..., Path], table_type: str) -> None:
    contract = contract_of(signed(columns("at", type=DataType.datetime)), f"at {table_type}")
    assert contract.casts == (("at", "bigint"),)


@pytest.mark.parametrize(
    ("table_type", "wanted", "message"),
    [
        ("string", DataType.double, r"`a` is string and the model takes numbers: .*try_cast\(a AS DOUBLE\)"),
        ("string", DataType.long, r"`a` is string and the model takes whole numbers: .*try_cast\(a AS BIGINT\)"),
        ("boolean", DataType.double, r"`a` is boolean and the model takes numbers: .*CAST\(a AS INT\)"),
        ("timestamp", DataType.double, r"`a` is timestamp and the model takes numbers: .*unix_timestamp\(a\)"),
        ("date", DataType.long, r"`a` is date and the model takes whole numbers"),
        ("double", DataType.long, r"`a` is double and the model takes whole numbers: .*CAST\(round\(a\) AS BIGINT\)"),
        ("decimal(9,2)", DataType.integer, r"`a` is decimal\(9,2\) and the model takes whole numbers"),
        ("array<double>", DataType.double, r"`a` is array<double> and the model takes numbers: .*single numbers"),
        ("int", DataType.string, r"`a` is int and the model takes text: .*CAST\(a AS STRING\)"),
        ("int", DataType.boolean, r"`a` is int and the model takes true or false: .*a <> 0"),
        ("string", DataType.datetime, r"`a` is string and the model takes a time: .*to_timestamp\(a\)"),
    ],
)
def test_other_types_are_refused_with_the_fix(
    signed: Callable[..., Path], table_type: str, wanted: DataType, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        contract_of(signed(columns("a", type=wanted)), f"a {table_type}")


def test_one_error_lists_all_faults(signed: Callable[..., Path]) -> None:
    path = signed(columns("dep_delay", "distance", "hour"))
    with pytest.raises(ContractError) as raised:
        contract_of(path, "dep_dely double, distance string, hour double", reserved=("hour",))
    text = str(raised.value)
    assert text.count("\n  - ") == 4
    assert "Table features isn't what the model takes:" in text
    assert "column `dep_delay` is missing. Did you mean 'dep_dely'?" in text
    assert "column `distance` is string" in text
    assert "`hour` can't be a feature" in text


def test_what_the_model_gives_is_among_the_faults(logistic: Path) -> None:
    with pytest.raises(ContractError, match=r"(?s)`b` is string.*`c` is missing.*'late' is none of them") as raised:
        contract_of(logistic, "a double, b string", positive_class="late")
    assert str(raised.value).count("\n  - ") == 4


def test_an_optional_column_that_is_missing_must_be_left_out_by_name(signed: Callable[..., Path]) -> None:
    path = signed(Schema([ColSpec(DataType.double, "a"), ColSpec(DataType.double, "b", required=False)]))
    with pytest.raises(ContractError, match=r"column `b` is missing.* calls it optional: .*features.columns"):
        contract_of(path, "a double")
    assert contract_of(path, "a double", features=("a",)).features == ("a",)
    assert contract_of(path, "a double, b double").features == ("a", "b")


def test_features_of_the_config_must_agree_with_the_signature(signed: Callable[..., Path]) -> None:
    path = signed(columns("alpha", "beta"))
    assert contract_of(path, "alpha double, beta double", features=("beta", "alpha")).features == ("alpha", "beta")
    with pytest.raises(ContractError) as raised:
        contract_of(path, "alpha double, beta double", features=("alpha", "betta"))
    assert "features.columns names `betta`, which isn't an input of the model. Did you mean 'beta'?" in str(
        raised.value
    )
    assert "features.columns leaves out `beta`, which the model requires" in str(raised.value)


def test_a_matrix_takes_its_features_from_the_config_or_the_run(signed: Callable[..., Path]) -> None:
    path, ddl = signed(matrix(2)), "a int, b double, c double"
    contract = contract_of(path, ddl, features=("b", "a"))
    assert contract == Contract(("b", "a"), ("float32", "float32"), (("b", "float"), ("a", "float")), "tensor")
    assert contract_of(path, ddl, run_features=("c", "a")).features == ("c", "a")
    assert contract_of(path, ddl, features=("a", "b"), run_features=("c", "a")).features == ("a", "b")


def test_a_matrix_without_features_is_refused_with_the_line_to_add(signed: Callable[..., Path]) -> None:
    with pytest.raises(
        ContractError, match=r"add `columns: \[first, second, …\]` with its 7 features in training order"
    ):
        contract_of(signed(matrix(7)), "a double")


def test_a_matrix_in_two_orders_is_refused(signed: Callable[..., Path]) -> None:
    with pytest.raises(ContractError, match=r"in another order \(the run's: a, b\)"):
        contract_of(signed(matrix(2)), "a double, b double", features=("b", "a"), run_features=("a", "b"))


def test_a_matrix_of_another_width_is_refused(signed: Callable[..., Path]) -> None:
    with pytest.raises(ContractError, match=r"takes 3 features and features\.columns lists 2"):
        contract_of(signed(matrix(3)), "a double, b double", features=("a", "b"))
    assert contract_of(signed(matrix(-1)), "a double, b double", features=("a", "b")).features == ("a", "b")


def test_a_feature_named_twice_is_refused(signed: Callable[..., Path]) -> None:
    with pytest.raises(ContractError, match="lists `a` twice"):
        contract_of(signed(matrix(2)), "a double, b double", run_features=("a", "a"))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "has no signature"),
        (Schema([ColSpec(DataType.double)]), "columns have no names"),
        (Schema([TensorSpec(np.dtype("float32"), (-1, 28, 28))]), r"tensors of shape \(-1, 28, 28\)"),
        (
            Schema([TensorSpec(np.dtype("f4"), (-1, 1), "a"), TensorSpec(np.dtype("f4"), (-1, 1), "b")]),
            r"tensors of shape \(-1, 1\), \(-1, 1\)",
        ),
        (Schema([TensorSpec(np.dtype("uint8"), (-1, 4))]), "matrix of uint8"),
    ],
)
def test_signatures_that_cant_be_fed_are_refused(
    signed: Callable[..., Path], inputs: Schema | None, message: str
) -> None:
    with pytest.raises(ContractError, match=rf"{message}.*infer_signature"):
        contract_of(signed(inputs), "a double", features=("a",))


def test_inputs_that_arent_single_values_are_refused(signed: Callable[..., Path]) -> None:
    path = signed(Schema([ColSpec(Array(DataType.double), "a"), ColSpec(DataType.binary, "b")]))
    with pytest.raises(ContractError, match=r"`a` is of type .*only single values") as raised:
        contract_of(path, "a array<double>, b binary")
    assert "`b` is of type" in str(raised.value)


@pytest.mark.parametrize("flavor", ["pytorch", "keras", "tensorflow", "onnx"])
def test_a_flavor_without_class_names_takes_no_text_as_positive_class(signed: Callable[..., Path], flavor: str) -> None:
    path = signed(matrix(1), **{flavor: {}})
    with pytest.raises(ContractError, match=f"a {flavor} model doesn't name its classes.*model.positive_class to 1"):
        contract_of(path, "a double", features=("a",), positive_class="yes")
    assert contract_of(path, "a double", features=("a",), positive_class=1).features == ("a",)


def test_all_scalar_types_have_a_place(signed: Callable[..., Path]) -> None:
    path = signed(Schema([ColSpec(type_, name) for name, type_ in ALL]))
    ddl = "n8 byte, n16 short, n32 int, n64 long, f32 float, f64 double, flag boolean, text string, at timestamp"
    contract = contract_of(path, ddl)
    assert contract.types == (
        "int32", "int32", "int32", "int64", "float32", "float64", "bool", "str", "datetime64[ns]",
    )  # fmt: skip
    assert contract.casts == (("n8", "int"), ("n16", "int"), ("at", "bigint"))


def test_a_signature_as_people_infer_it(save_python: Callable[..., Path]) -> None:
    inputs = pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5], "s": ["a", "b"], "gap": [1.0, np.nan]})
    contract = contract_of(save_python(lambda frame: frame, inputs), "n bigint, x double, s string, gap double")
    assert contract.types == ("int64", "float64", "str", "float64")


@pytest.mark.parametrize("flavors", [{"spark": {}}, {"python_function": {"loader_module": "mlflow.johnsnowlabs"}}])
def test_a_spark_ml_model_is_refused_with_what_to_do(signed: Callable[..., Path], flavors: dict[str, Any]) -> None:
    path = signed(columns("a"), **flavors)
    with pytest.raises(
        ContractError, match="is a Spark ML model, .* not as a Python model in a UDF: score it with its"
    ):
        contract_of(path, "a double")


def test_a_model_that_python_cant_run_is_refused(signed: Callable[..., Path]) -> None:
    path = signed(columns("a"), crate={})
    file = path / "MLmodel"
    file.write_text(file.read_text(encoding="utf-8").replace("python_function:", "h2o:"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"has no python_function flavor, .* \(it has crate, h2o\): log it through"):
        contract_of(path, "a double")


class Row(pydantic.BaseModel):
    a: float


def of_dicts(model_input: list[dict[str, float]]) -> list[float]:
    return [each["a"] for each in model_input]


def of_anything(model_input: list[dict[str, Any]]) -> list[float]:
    return [each["a"] for each in model_input]


def of_rows(model_input: list[Row]) -> list[float]:
    return [each.a for each in model_input]


def of_texts(model_input: list[str]) -> list[float]:
    return [0.5 for _ in model_input]


@pytest.mark.parametrize("predict", [of_dicts, of_anything, of_rows, of_texts])
def test_a_model_that_takes_a_list_by_its_type_hint_is_refused(tmp_path: Path, predict: Callable[..., Any]) -> None:
    """The signature that was given when it was logged, of columns, was put aside by MLflow."""
    signature = ModelSignature(columns("a"))
    with advice_aside():
        mlflow.pyfunc.save_model(str(tmp_path / "m"), python_model=predict, signature=signature, pip_requirements=[])
    with pytest.raises(ContractError, match=r"takes a list \(says the type hint .*annotate model_input as pandas.Data"):
        contract_of(tmp_path / "m", "a double")
