"""How fast rows are scored, as ratios from one run: `python -m tests.benchmarks.scoring --rows 4000000`.

Roads: naive (spark_udf on the model itself, a struct of all features), adapter (ours), identity (a pandas UDF that
returns its first column: the bound of this road), arrow (the same adapter through mapInArrow, for scale). Ratios are to
naive in Spark's own batches of 10,000 rows.
"""

import argparse
import logging
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from brierlake.config import SessionConfig
from brierlake.model import ISSUE, PROBABILITY, build_contract, build_udf, prepare_adapter, with_predictions
from brierlake.session import start_session
from tests.benchmarks.measure import Cost, in_turn, ratios
from tests.benchmarks.whole_job import MODELS

BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
SPARKS_OWN = 10_000


@dataclass(frozen=True)
class Road:
    """One way to score, in batches of so many rows."""

    name: str
    frame: DataFrame
    batch: int

    @property
    def label(self) -> str:
        return f"{self.name} {self.batch // 1000}k"


def save_model(kind: str, names: list[str], folder: Path) -> Path:
    rng = np.random.default_rng(5)
    inputs = pd.DataFrame(rng.uniform(size=(20_000, len(names))), columns=names)
    y = (inputs[names[0]] + inputs[names[1]] + rng.normal(scale=0.4, size=len(inputs)) > 1).astype(int)
    model = MODELS[kind]().fit(inputs, y)
    path = folder / f"model_{kind}"
    mlflow.sklearn.save_model(
        model,
        str(path),
        signature=infer_signature(inputs),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    return path


def naive(model_path: Path, features: DataFrame, names: list[str]) -> DataFrame:
    udf = mlflow.pyfunc.spark_udf(features.sparkSession, str(model_path), result_type="double", env_manager="local")
    return features.select("id", udf(F.struct(*names)).alias("probability"))


def adapter(model_path: Path, features: DataFrame, *, folder: Path, spoiled: float = 0.0) -> DataFrame:
    rows = features.withColumn("f0", F.when(F.rand(9) >= spoiled, F.col("f0"))) if spoiled else features
    inputs = rows.drop("id").schema
    contract = build_contract(model_path, inputs, positive_class=1, table="features")
    target = folder / f"{model_path.name}_{spoiled}"
    target.mkdir()
    path = prepare_adapter(model_path, digest=str(model_path), contract=contract, positive_class=1, folder=target)
    scored = with_predictions(rows, udf=build_udf(features.sparkSession, path), contract=contract)
    return scored.select("id", F.col(PROBABILITY).alias("probability"), F.col(ISSUE).alias("issue"))


def identity(features: DataFrame, names: list[str]) -> DataFrame:
    @F.pandas_udf("double")
    def first(*columns: pd.Series) -> pd.Series:
        return columns[0]

    return features.select("id", first(*names).alias("probability"))


def arrow(adapter_path: Path, features: DataFrame) -> DataFrame:
    path = str(adapter_path)

    def scored(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import mlflow.pyfunc  # noqa: PLC0415

        model = mlflow.pyfunc.load_model(path).get_raw_model()
        for batch in batches:
            matrix = np.column_stack([column.to_numpy(zero_copy_only=False) for column in batch.columns[1:]])
            probability, issue = model.with_issues(pd.DataFrame(matrix, copy=False))
            columns = [batch.column(0), pa.array(probability), pa.array(issue, pa.string())]
            yield pa.RecordBatch.from_arrays(columns, names=["id", "probability", "issue"])

    return features.mapInArrow(scored, "id long, probability double, issue string")


def table(spark: SparkSession, *, rows: int, width: int, partitions: int) -> DataFrame:
    columns = [F.rand(k).alias(f"f{k}") for k in range(width)]
    features = spark.range(0, rows, 1, partitions).select("id", *columns).cache()
    features.count()
    return features


def measure(spark: SparkSession, args: argparse.Namespace, folder: Path) -> None:
    names = [f"f{k}" for k in range(args.features)]
    features = table(spark, rows=args.rows, width=args.features, partitions=args.partitions)
    for kind in args.models.split(","):
        path = save_model(kind, names, folder)
        ours = adapter(path, features, folder=folder)
        roads = [
            Road("naive", naive(path, features, names), SPARKS_OWN),
            Road("adapter", ours, SPARKS_OWN),
            Road("adapter", ours, args.batch),
            Road("identity", identity(features, names), args.batch),
        ]
        if args.more:
            spoiled = adapter(path, features, folder=folder, spoiled=0.01)
            roads += [
                Road("naive", naive(path, features, names), args.batch),
                Road("adapter, 1 % of rows with a null", spoiled, args.batch),
                Road("arrow", arrow(folder / f"{path.name}_0.0" / "adapter", features), args.batch),
            ]
        taken = in_turn({road.label: partial(run, spark, road) for road in roads}, rounds=args.rounds)
        print(f"\n{kind}, {args.rows:,} rows x {args.features} doubles, {args.rounds} rounds in turn: min median max")
        report(taken, rows=args.rows, naive=roads[0].label, bound=roads[3].label)


def run(spark: SparkSession, road: Road) -> None:
    spark.conf.set(BATCH, road.batch)
    road.frame.write.format("noop").mode("overwrite").save()


def report(taken: dict[str, list[Cost]], *, rows: int, naive: str, bound: str) -> None:
    for label, runs in taken.items():
        speed = statistics.median(rows / each.seconds / 1e3 for each in runs)
        cpu = statistics.median(each.cpu / rows * 1e6 for each in runs)
        faster = "   ".join(f"{ratios(taken[other], runs)} x {other.split()[0]}" for other in (naive, bound))
        print(f"  {label:<44} {speed:7,.0f}k rows/s  {faster}   CPU {cpu:5.1f} s a million rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default="lr,hgb")
    parser.add_argument("--batch", type=int, default=50_000, help="rows of a batch to compare with Spark's own")
    parser.add_argument("--more", action="store_true", help="also naive in such batches, rows with nulls, mapInArrow")
    parser.add_argument("--master", default="local[2]")
    args = parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    session = SessionConfig(master=args.master, conf={"spark.driver.memory": "6g"})
    spark = start_session(session, app_name="benchmark of scoring")
    with tempfile.TemporaryDirectory() as folder:
        measure(spark, args, Path(folder))
    spark.stop()


if __name__ == "__main__":
    main()
