"""The model as a Spark UDF, and the transform that adds its two columns, under names that no table of a user has."""

import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from pyspark import SparkFiles
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from brierlake.model.casts import arriving_column
from brierlake.model.contract import Contract
from brierlake.model.issues import decode, foreseen
from brierlake.model.masks import without_nulls
from brierlake.model.quiet import quiet_mlflow
from brierlake.names import column_of, internal
from brierlake.session import is_databricks, is_remote

_RESULT = T.DoubleType()
PROBABILITY = internal("probability")
ISSUE = internal("issue")
_SCORED = internal("scored")

ModelUdf = Callable[..., Column]


def build_udf(spark: SparkSession, adapter_path: Path) -> ModelUdf:
    if is_remote(spark) and not is_databricks():
        return _shipped_udf(spark, adapter_path)
    with quiet_mlflow():
        udf: ModelUdf = mlflow.pyfunc.spark_udf(spark, str(adapter_path), result_type=_RESULT, env_manager="local")
    return udf


def _shipped_udf(spark: SparkSession, adapter_path: Path) -> ModelUdf:
    """The same for a Spark Connect server, to which MLflow ships nothing: executors would look for a path of ours."""
    name = f"{adapter_path.name}-{uuid.uuid4().hex}"
    archive = shutil.make_archive(str(adapter_path.parent / name), "zip", adapter_path)
    spark.addArtifacts(f"{archive}#{name}", archive=True)
    Path(archive).unlink()

    def scored(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        model = mlflow.pyfunc.load_model(str(Path(SparkFiles.getRootDirectory()) / name), suppress_warnings=True)
        for columns in batches:
            yield pd.Series(model.predict(pd.concat(columns, axis=1, ignore_index=True)))

    # pyspark's stubs know no tuple of any length
    udf: ModelUdf = pandas_udf(scored, returnType=_RESULT)  # type: ignore[call-overload]
    return udf


def select_inputs(features: DataFrame, *, contract: Contract, beside: Iterable[Column] = ()) -> DataFrame:
    """Keep what the model is fed, cast as it is fed, and what is asked for beside; executors see the same."""
    return features.select(*[column.alias(name) for name, column in _inputs(features, contract).items()], *beside)


def with_predictions(features: DataFrame, *, udf: ModelUdf, contract: Contract, seen: Iterable[str] = ()) -> DataFrame:
    """Add `PROBABILITY` (double in [0, 1]; null = not scored) and `ISSUE` (string; null = fine) to each row.

    Don't filter on either before the result is written: Spark would run the model again for the filter.

    Args:
        seen: Issues of a sample: what the model said there when it raised stands in the rows that raise the same.
    """
    scored = features.withColumn(_SCORED, udf(*_inputs(features, contract).values()))
    known = [*foreseen(contract.features, contract.types), *seen]
    probability, issue = decode(F.col(_SCORED), known=known)
    names = [column_of(name) for name in features.columns]
    return scored.select(*names, probability.alias(PROBABILITY), issue.alias(ISSUE))


def _inputs(features: DataFrame, contract: Contract) -> dict[str, Column]:
    arriving = {
        name: arriving_column(name, features.schema[name].dataType, to=to)
        for name, to in zip(contract.features, contract.types, strict=True)
    }
    return without_nulls(arriving, contract.masked)
