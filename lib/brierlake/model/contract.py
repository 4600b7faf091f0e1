"""What the model is fed: which columns, in which order, cast to what. Checked on the driver before any task starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlflow.models import Model
from mlflow.types.schema import DataType, Schema
from pyspark.sql import types as T

from brierlake.config import Label
from brierlake.errors import ContractError, listed, nearest
from brierlake.model.adapter import load_source
from brierlake.model.casts import arriving_type, cast_fault, is_masked
from brierlake.model.outputs import NotAProbabilityError
from brierlake.model.quiet import quiet_mlflow

_TENSOR_TYPES = ("float64", "float32", "float16", "int64", "int32")
_TYPES = {
    DataType.double: "float64",
    DataType.float: "float32",
    DataType.long: "int64",
    DataType.integer: "int32",
    DataType.boolean: "bool",
    DataType.string: "str",
    DataType.datetime: "datetime64[ns]",
}
_JVM_LOADERS = ("mlflow.spark", "mlflow.johnsnowlabs")
_NAMELESS_CLASSES = ("pytorch", "keras", "tensorflow", "onnx")


@dataclass(frozen=True)
class Contract:
    """The model's inputs as the features table gives them."""

    features: tuple[str, ...]
    """Columns in the order in which they are fed."""
    types: tuple[str, ...]
    """What the model takes for each feature: a numpy type, or `str`."""
    casts: tuple[tuple[str, str], ...]
    """Column and the Spark type it is cast to, where that isn't the table's."""
    form: Literal["columns", "tensor"]
    """columns: the model takes them by name; tensor: as one matrix."""
    masked: tuple[str, ...] = ()
    """Features that arrive without their nulls, which come as bits of further columns."""

    def described(self) -> dict[str, Any]:
        """Return what decides a probability, as JSON."""
        return {
            "form": self.form,
            "features": [list(pair) for pair in zip(self.features, self.types, strict=True)],
            "casts": dict(self.casts),
        }


@dataclass(frozen=True)
class _Input:
    name: str
    type: str
    is_optional: bool = False


def build_contract(
    model_path: Path,
    schema: T.StructType,
    *,
    features: Sequence[str] = (),
    run_features: Sequence[str] = (),
    positive_class: Label,
    reserved: Sequence[str] = (),
    table: str,
) -> Contract:
    """Return how the columns of a features table are fed to a model.

    Args:
        model_path: Folder of the fetched model.
        schema: Schema of the features table.
        features: Features in training order, from the config.
        run_features: The same, from a tag or parameter of the model's run; the config's win.
        positive_class: The class whose probability is wanted, as the model calls it.
        reserved: Columns that can't be features, such as the outcome.
        table: Name of the features table, for messages.

    Raises:
        ContractError: Lists all faults, each with its fix.
    """
    model = Model.load(str(model_path))
    _validate_kind(model)
    inputs: Schema | None = model.signature.inputs if model.signature else None
    if inputs is None:
        raise ContractError.unusable_signature("has no signature that says what it takes")
    faults = _class_faults(model, positive_class)
    if inputs.is_tensor_spec():
        wanted, found = _tensor_features(inputs, features=features, run_features=run_features)
    else:
        wanted, found = _column_features(inputs, features=features, available=schema.fieldNames())
    faults += [*found, *_column_faults(wanted, schema), *_reserved_faults(wanted, reserved)]
    if faults:
        raise ContractError.unfit_features(table, [*faults, *_output_faults(model_path, positive_class)])
    arriving = {each.name: arriving_type(each.type) for each in wanted}
    return Contract(
        features=tuple(each.name for each in wanted),
        types=tuple(each.type for each in wanted),
        casts=tuple((name, to) for name, to in arriving.items() if schema[name].dataType.simpleString() != to),
        form="tensor" if inputs.is_tensor_spec() else "columns",
        masked=tuple(each.name for each in wanted if is_masked(schema[each.name], to=each.type)),
    )


def _validate_kind(model: Model) -> None:
    """Refuse what MLflow can't run as a Python model on rows of a DataFrame, whatever the table is."""
    loader = model.flavors.get("python_function", {}).get("loader_module", "")
    if loader in _JVM_LOADERS or "spark" in model.flavors:
        raise ContractError.unscorable(
            "is a Spark ML model, which runs in the JVM and not as a Python model in a UDF",
            "score it with its own transform, or log a model of a Python library (scikit-learn, XGBoost, LightGBM, …)",
        )
    if "python_function" not in model.flavors:
        raise ContractError.unscorable(
            f"has no python_function flavor, by which MLflow runs models of any kind (it has {listed(model.flavors)})",
            "log it through the Python interface of MLflow",
        )
    if getattr(model.signature, "_is_signature_from_type_hint", False):
        raise ContractError.unscorable(
            "takes a list (says the type hint of its predict), and rows are fed as the columns of a DataFrame",
            "annotate model_input as pandas.DataFrame and log it with signature=infer_signature(features, predictions)",
        )


def _class_faults(model: Model, positive_class: Label) -> list[str]:
    flavor = next((name for name in _NAMELESS_CLASSES if name in model.flavors), None)
    if flavor is None or not isinstance(positive_class, str):
        return []
    fault = (
        f"a {flavor} model doesn't name its classes, and the positive class is {positive_class!r}: set "
        "model.positive_class to 1 (a single output is the probability of 1), or to the number of its column, from 0"
    )
    return [fault]


def _output_faults(model_path: Path, positive_class: Label) -> list[str]:
    """Say what the sample would say once the table fits, so that both can be mended at once."""
    try:
        with quiet_mlflow():
            load_source(model_path, positive_class=positive_class)
    except NotAProbabilityError as error:
        return [str(error)]
    except Exception:  # that it can't be loaded at all is told when it is tried
        return []
    return []


def _column_features(
    inputs: Schema, *, features: Sequence[str], available: Sequence[str]
) -> tuple[list[_Input], list[str]]:
    if not inputs.has_input_names():
        raise ContractError.unusable_signature("has a signature whose columns have no names")
    specs: list[Any] = list(inputs.inputs)
    faults = [
        f"input `{spec.name}` is of type {spec.type}, and only single values are fed: log a model that takes columns"
        for spec in specs
        if not _is_scalar(spec)
    ]
    named = {spec.name for spec in specs}
    faults += [
        f"features.columns names `{name}`, which isn't an input of the model.{nearest(name, named)} "
        f"Its inputs are {listed(named, most=60)}"
        for name in features
        if name not in named
    ]
    faults += [
        f"features.columns leaves out `{spec.name}`, which the model requires: add it, or remove features.columns, "
        "since the model's signature names its inputs"
        for spec in specs
        if features and spec.required and spec.name not in features
    ]
    wanted = [
        _Input(spec.name, _TYPES[spec.type], not spec.required)
        for spec in specs
        if _is_scalar(spec) and (not features or spec.name in features)
    ]
    absent = [each.name for each in wanted if each.is_optional and each.name not in available]
    faults += [
        f"column `{name}` is missing.{nearest(name, available)} The model calls it optional: add the column (nulls "
        "will do), or list the features without it in features.columns"
        for name in absent
    ]
    return [each for each in wanted if each.name not in absent], faults


def _is_scalar(spec: Any) -> bool:
    return isinstance(spec.type, DataType) and spec.type in _TYPES


def _tensor_features(
    inputs: Schema, *, features: Sequence[str], run_features: Sequence[str]
) -> tuple[list[_Input], list[str]]:
    specs: list[Any] = list(inputs.inputs)
    spec = specs[0]
    if len(specs) > 1 or len(spec.shape) != 2:
        shapes = ", ".join(str(each.shape) for each in specs)
        raise ContractError.unusable_signature(f"takes tensors of shape {shapes}, not one matrix of rows by features")
    if spec.type.name not in _TENSOR_TYPES:
        raise ContractError.unusable_signature(f"takes a matrix of {spec.type.name}, not of numbers")
    names, width = list(features or run_features), spec.shape[1]
    if not names:
        count = width if width > 0 else "all"
        fault = (
            "the model takes a matrix, whose columns have no names: add `columns: [first, second, …]` with its "
            f"{count} features in training order to the config's `features` section, or log them as the tag or "
            "parameter `features` of the model's run"
        )
        return [], [fault]
    faults = []
    if features and run_features and list(features) != list(run_features) and set(features) == set(run_features):
        faults.append(
            "features.columns has the features of the model's run in another order "
            f"(the run's: {', '.join(run_features)}): use the run's, or remove features.columns"
        )
    faults += [f"the list of features lists `{name}` twice: list each once" for name in _repeated(names)]
    if width > 0 and len(names) != width:
        source = "features.columns" if features else "the model's run"
        faults.append(f"the model takes {width} features and {source} lists {len(names)}: list those it was trained on")
    return [_Input(name, spec.type.name) for name in names], faults


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for k, name in enumerate(names) if name in names[:k]]


def _column_faults(wanted: Sequence[_Input], schema: T.StructType) -> list[str]:
    faults = []
    types = {field.name: field.dataType for field in schema}
    for each in wanted:
        if each.name not in types:
            faults.append(f"column `{each.name}` is missing.{nearest(each.name, types)} Add it to the table")
        elif fault := cast_fault(each.name, types[each.name], to=each.type):
            faults.append(fault)
    if missing := [each.name for each in wanted if each.name not in types]:
        faults.append(f"(the table has {listed(types, most=60)}; {len(missing)} of {len(wanted)} features are missing)")
    return faults


def _reserved_faults(wanted: Sequence[_Input], reserved: Sequence[str]) -> list[str]:
    return [
        f"`{each.name}` can't be a feature: it is the outcome, or a column of the job's own. Train without it"
        for each in wanted
        if each.name in reserved
    ]
