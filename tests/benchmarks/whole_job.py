"""The whole job against what a user would write instead, and what a run costs at the least.

Run with `python -m tests.benchmarks.whole_job [--rows 4000000,16000000] [--rounds 3] [--models lr,hgb]`. Prints Markdown
tables; of several sizes, all is measured at the first, and the others show how the first model's ratio goes on.

- naive: read Delta, `spark_udf` on a struct of all columns, overwrite, `avg((p - y)^2)`, and a 20-bin table by a second
  query. ours: a forced full run with everything on but the page. Both on one session and the same files, in turn.
- one process (where the extra `bench` is installed): deltalake, scikit-learn by batches, overwrite, the same figures,
  at growing sizes, with the size from which Spark is faster.
- fixed cost: a run on 1,000 rows and an unchanged one, in seconds and Spark jobs, beside a Delta table of one row.

Ratios are of the runs of one round. CPU is that of this process, the JVM and its Python workers.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from brierlake.commands.score import score
from brierlake.config import Config, SessionConfig
from brierlake.configfile import read_config
from brierlake.session import start_session
from tests.benchmarks.measure import in_turn, machine, ratios, spread

WIDTH = 20
BATCH = 50_000
MODELS = {
    "lr": LogisticRegression,
    "hgb": lambda: HistGradientBoostingClassifier(max_iter=100, early_stopping=False),
}


def names_of(width: int) -> list[str]:
    return [f"x{k}" for k in range(width)]


def write_features(spark: SparkSession, path: str, rows: int, *, width: int = WIDTH, days: int = 30) -> None:
    day = F.timestamp_seconds(F.lit(1_704_067_200) + (F.col("id") * days / F.lit(rows)).cast("int") * 86_400)
    columns = [F.randn(seed=k).alias(name) for k, name in enumerate(names_of(width))]
    frame = spark.range(rows, numPartitions=max(4, rows // 4_000_000)).select("id", day.alias("at"), *columns)
    outcome = (F.rand(seed=99) < 1 / (1 + F.exp(-(F.col("x0") - F.col("x1"))))).cast("int")
    frame.withColumn("y", outcome).write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)


def log_model(folder: Path, kind: str, *, width: int = WIDTH) -> str:
    """Registers the model for ours, and returns the address of the same logged for the naive way."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
    draw = np.random.default_rng(5)
    inputs = pd.DataFrame(draw.normal(size=(20_000, width)), columns=names_of(width))
    happened = draw.random(len(inputs)) < 1 / (1 + np.exp(-(inputs["x0"] - inputs["x1"])))
    model = MODELS[kind]().fit(inputs, happened.astype(int))
    found = mlflow.get_experiment_by_name(kind)
    experiment = found.experiment_id if found else mlflow.create_experiment(kind, (folder / "artifacts").as_uri())
    common = {"pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"}
    signature = infer_signature(inputs[:5], model.predict_proba(inputs[:5]))
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_metric("brier", 0.2)
        info = mlflow.sklearn.log_model(model, name="model", signature=signature, **common)
    with mlflow.start_run(experiment_id=experiment):
        naive = mlflow.sklearn.log_model(
            model, name="naive", signature=signature, pyfunc_predict_fn="predict_proba", **common
        )
    mlflow.register_model(info.model_uri, kind)
    return str(naive.model_uri)


def run_naively(spark: SparkSession, folder: Path, model_uri: str, *, width: int = WIDTH) -> None:
    udf = mlflow.pyfunc.spark_udf(spark, model_uri, result_type="double", env_manager="local")
    features = spark.read.format("delta").load(f"{folder}/lake/silver/features")
    scored = features.select("id", "at", "y", udf(F.struct(*names_of(width))).alias("p"))
    scored.write.format("delta").mode("overwrite").save(f"{folder}/naive")
    written = spark.read.format("delta").load(f"{folder}/naive")
    written.agg(F.avg((F.col("p") - F.col("y")) * (F.col("p") - F.col("y")))).collect()
    binned = written.groupBy(F.floor(F.col("p") * 20).alias("bin"))
    binned.agg(F.count("*"), F.avg("p"), F.avg("y")).collect()


def run_in_one_process(folder: Path, model_uri: str, *, width: int = WIDTH) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from deltalake import DeltaTable, write_deltalake  # noqa: PLC0415

    model = mlflow.sklearn.load_model(model_uri)
    table = DeltaTable(f"{folder}/lake/silver/features").to_pyarrow_dataset()
    parts, p, y = [], [], []
    for batch in table.to_batches(batch_size=BATCH):
        if not len(batch):
            continue
        inputs = pd.DataFrame({name: batch.column(name).to_numpy() for name in names_of(width)})
        p.append(model.predict_proba(inputs)[:, 1])
        y.append(batch.column("y").to_numpy(zero_copy_only=False))
        kept = [batch.column(name) for name in ("id", "at", "y")]
        parts.append(pa.RecordBatch.from_arrays([*kept, pa.array(p[-1])], names=["id", "at", "y", "p"]))
    write_deltalake(f"{folder}/single", pa.Table.from_batches(parts), mode="overwrite")
    probability, outcome = np.concatenate(p), np.concatenate(y)
    np.mean((probability - outcome) ** 2)
    bins = np.floor(probability * 20).astype(int)
    [np.bincount(bins, weights, minlength=20) for weights in (None, probability, outcome)]


def config_of(folder: Path, kind: str) -> Config:
    content = {
        "job": kind,
        "lakehouse": {"root": "lake", "gold": f"gold_{kind}"},
        "features": {"table": "features", "key": ["id"], "event_at": "at", "carry": ["y"]},
        "labels": {"outcome": "y"},
        "model": {"names": [kind]},
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db", "log_runs": False},  # `small_run` measures the page
    }
    path = folder / f"{kind}.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_config(path)


def run_ours(spark: SparkSession, config: Config, *, is_forced: bool = True) -> None:
    score(config, spark=spark, is_forced=is_forced, say=lambda _: None)


def compare(spark: SparkSession, folder: Path, kind: str, *, rounds: int) -> str:
    uri, config = log_model(folder, kind), config_of(folder, kind)
    roads: dict[str, Callable[[], object]] = {
        "naive": lambda: run_naively(spark, folder, uri),
        "ours": lambda: run_ours(spark, config),
    }
    costs = in_turn(roads, rounds=rounds)
    naive, ours = costs["naive"], costs["ours"]
    seconds = [spread(each.seconds for each in side) for side in (naive, ours)]
    return f"| {kind} | {seconds[0]} | {seconds[1]} | {ratios(ours, naive)} | {ratios(ours, naive, of='cpu')} |"


def compare_single(spark: SparkSession, folder: Path, *, sizes: list[int], rounds: int) -> list[str]:
    """Spark's naive way and ours against one process at each size, and from which size on Spark is faster."""
    uri, config, found, rows = log_model(folder, "lr"), config_of(folder, "lr"), {}, []
    for size in sizes:
        write_features(spark, f"{folder}/lake/silver/features", size)
        roads: dict[str, Callable[[], object]] = {
            "one process": lambda: run_in_one_process(folder, uri),
            "naive": lambda: run_naively(spark, folder, uri),
            "ours": lambda: run_ours(spark, config),
        }
        costs = in_turn(roads, rounds=rounds)
        found[size] = {name: statistics.median(each.seconds for each in costs[name]) for name in roads}
        single = costs["one process"]
        seconds = spread(each.seconds for each in single)
        rows.append(f"| {size:,} | {seconds} | {ratios(costs['naive'], single)} | {ratios(costs['ours'], single)} |")
    return [*rows, "", *(_crossover(found, name) for name in ("naive", "ours"))]


def _crossover(found: dict[int, dict[str, float]], name: str) -> str:
    """Straight lines through the smallest and the largest size."""
    small, large = min(found), max(found)
    slope = {each: (found[large][each] - found[small][each]) / (large - small) for each in found[small]}
    start = {each: found[small][each] - slope[each] * small for each in slope}
    told = []
    for cores, label in ((2, "2 cores"), (100, "100 cores, extrapolated")):
        gain = slope["one process"] - slope[name] * 2 / cores
        size = (start[name] - start["one process"]) / gain if gain > 0 else None
        told.append(f"with {label} " + (f"from {max(size, 0):,.0f} rows on" if size else "at no size"))
    return f"Spark ({name}) is faster than one process {'; '.join(told)}."


def fixed_cost(spark: SparkSession, folder: Path, *, rounds: int) -> list[str]:
    folder.mkdir()
    log_model(folder, "lr")
    config = config_of(folder, "lr")
    write_features(spark, f"{folder}/lake/silver/features", 1000)
    counted = spark.sparkContext._jsc.sc().dagScheduler()
    jobs: dict[str, list[int]] = {}

    def bare() -> None:
        spark.range(1).write.format("delta").mode("overwrite").save(f"{folder}/bare")
        spark.read.format("delta").load(f"{folder}/bare").collect()

    def counting(name: str, action: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            before = counted.numTotalJobs()
            action()
            jobs.setdefault(name, []).append(counted.numTotalJobs() - before)

        return run

    actions = {
        "one row written and read": bare,
        "a run on 1,000 rows": lambda: run_ours(spark, config),
        "unchanged": lambda: run_ours(spark, config, is_forced=False),
    }
    costs = in_turn({name: counting(name, action) for name, action in actions.items()}, rounds=rounds)
    return [
        f"| {name} | {spread(each.seconds for each in costs[name])} | {int(statistics.median(jobs[name]))} |"
        for name in actions
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="4000000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default="lr,hgb")
    given = parser.parse_args()
    spark = start_session(SessionConfig(master="local[2]", conf={"spark.driver.memory": "4g"}), app_name="whole job")
    sizes, models = [int(each) for each in given.rows.split(",")], given.models.split(",")
    print(f"{machine()}; rows of {WIDTH} doubles")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            "\n| rows | model | naive s | ours s | ours / naive, wall | ours / naive, CPU |\n|---|---|---|---|---|---|"
        )
        for size in sizes:
            write_features(spark, f"{folder}/lake/silver/features", size)
            for kind in models if size == sizes[0] else models[:1]:
                print(f"| {size:,} {compare(spark, folder, kind, rounds=given.rounds)}", flush=True)
        print("\n| what | seconds | Spark jobs |\n|---|---|---|")
        print("\n".join(fixed_cost(spark, folder / "small", rounds=given.rounds)), flush=True)
        if find_spec("deltalake") is None:
            print("\nOne process: not compared, the extra `bench` isn't installed.")
            return
        print("\n| rows | one process s | naive / one process | ours / one process |\n|---|---|---|---|")
        smaller = [sizes[0] // 40, sizes[0] // 4, sizes[0]]
        print("\n".join(compare_single(spark, folder, sizes=smaller, rounds=given.rounds)))


if __name__ == "__main__":
    main()
