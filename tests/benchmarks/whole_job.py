"""The whole job against the Spark job that a user would write instead, and what a run costs at the least.

Run with `python -m tests.benchmarks.whole_job [--rows 4000000] [--rounds 3] [--models lr,hgb]`. Prints a Markdown table.

naive: read Delta, `spark_udf` on a struct of all columns, overwrite, `avg((p - y)^2)`, and a 20-bin table by a second
query. ours: a forced full run with everything on. Both on one session and the same files, in turn; the ratio is of
each pair. CPU is that of this process, the JVM and its Python workers. Then: a run on 1,000 rows and an unchanged one,
in seconds and Spark jobs, beside writing and reading a Delta table of one row.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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

from brierlake.config import SessionConfig
from brierlake.configfile import read_config
from brierlake.jobs.run import start_run
from brierlake.jobs.score import Asked, score
from brierlake.lakehouse.windows import Scope
from brierlake.session import start_session

FEATURES = [f"x{k}" for k in range(20)]
MODELS = {
    "lr": LogisticRegression,
    "hgb": lambda: HistGradientBoostingClassifier(max_iter=100, early_stopping=False),
}


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float


def cpu_seconds() -> float:
    """User and system time of this process and all below it, those that have ended included."""
    ticks, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        ticks[int(stat.parent.name)] = sum(int(each) for each in fields[11:15])
    family, grown = {os.getpid()}, True
    while grown:
        grown = False
        for child, parent in parents.items():
            if parent in family and child not in family:
                family.add(child)
                grown = True
    return sum(ticks.get(each, 0) for each in family) / os.sysconf("SC_CLK_TCK")


def measured(action: Callable[[], object]) -> Cost:
    cpu, begun = cpu_seconds(), time.perf_counter()
    action()
    return Cost(time.perf_counter() - begun, cpu_seconds() - cpu)


def write_features(spark: SparkSession, path: str, rows: int) -> None:
    day = F.timestamp_seconds(F.lit(1_704_067_200) + (F.col("id") * 30 / F.lit(rows)).cast("int") * 86_400)
    columns = [F.randn(seed=k).alias(name) for k, name in enumerate(FEATURES)]
    frame = spark.range(rows, numPartitions=4).select("id", day.alias("at"), *columns)
    outcome = (F.rand(seed=99) < 1 / (1 + F.exp(-(F.col("x0") - F.col("x1"))))).cast("int")
    frame.withColumn("y", outcome).write.format("delta").mode("overwrite").save(path)


def log_model(folder: Path, kind: str) -> str:
    """Registers the model for ours, and returns the address of the same logged for the naive way."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
    draw = np.random.default_rng(5)
    inputs = pd.DataFrame(draw.normal(size=(20_000, len(FEATURES))), columns=FEATURES)
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


def run_naively(spark: SparkSession, folder: Path, model_uri: str) -> None:
    udf = mlflow.pyfunc.spark_udf(spark, model_uri, result_type="double", env_manager="local")
    features = spark.read.format("delta").load(f"{folder}/lake/silver/features")
    scored = features.select("id", "at", "y", udf(F.struct(*FEATURES)).alias("p"))
    scored.write.format("delta").mode("overwrite").save(f"{folder}/naive")
    written = spark.read.format("delta").load(f"{folder}/naive")
    written.agg(F.avg((F.col("p") - F.col("y")) * (F.col("p") - F.col("y")))).collect()
    binned = written.groupBy(F.floor(F.col("p") * 20).alias("bin"))
    binned.agg(F.count("*"), F.avg("p"), F.avg("y")).collect()


def config_of(folder: Path, kind: str) -> Path:
    content = {
        "job": kind,
        "lakehouse": {"root": "lake", "gold": f"gold_{kind}"},
        "features": {"table": "features", "key": ["id"], "event_at": "at", "carry": ["y"]},
        "labels": {"outcome": "y"},
        "model": {"names": [kind]},
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
    }
    path = folder / f"{kind}.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def spread(values: list[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def compare(spark: SparkSession, folder: Path, kind: str, *, rounds: int) -> list[str]:
    naive_uri = log_model(folder, kind)
    config = read_config(config_of(folder, kind))

    def ours() -> None:
        score(start_run(spark, config, say=lambda _: None), scope=Scope(), asked=Asked(is_forced=True))

    run_naively(spark, folder, naive_uri)  # both once before, so that neither pays for a cold JVM
    ours()
    pairs = [(measured(lambda: run_naively(spark, folder, naive_uri)), measured(ours)) for _ in range(rounds)]
    wall = [ours.seconds / naive.seconds for naive, ours in pairs]
    cpu = [ours.cpu / naive.cpu for naive, ours in pairs]
    seconds = [spread([pair[side].seconds for pair in pairs]) for side in (0, 1)]
    return [f"| {kind} | {seconds[0]} | {seconds[1]} | {spread(wall)} | {spread(cpu)} |"]


def fixed_cost(spark: SparkSession, folder: Path, *, rounds: int) -> list[str]:
    write_features(spark, f"{folder}/lake/silver/features", 1000)
    config = read_config(config_of(folder, "lr"))
    counted = spark.sparkContext._jsc.sc().dagScheduler()

    def bare() -> None:
        spark.range(1).write.format("delta").mode("overwrite").save(f"{folder}/bare")
        spark.read.format("delta").load(f"{folder}/bare").collect()

    def forced() -> None:
        score(start_run(spark, config, say=lambda _: None), scope=Scope(), asked=Asked(is_forced=True))

    def unchanged() -> None:
        score(start_run(spark, config, say=lambda _: None), scope=Scope())

    rows = []
    for name, action in (("one row written and read", bare), ("a run on 1,000 rows", forced), ("unchanged", unchanged)):
        action()
        seconds, jobs = [], []
        for _ in range(rounds):
            before = counted.numTotalJobs()
            seconds.append(measured(action).seconds)
            jobs.append(counted.numTotalJobs() - before)
        rows.append(f"| {name} | {spread(seconds)} | {int(statistics.median(jobs))} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default="lr,hgb")
    given = parser.parse_args()
    spark = start_session(SessionConfig(master="local[2]", conf={"spark.driver.memory": "4g"}), app_name="whole job")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {given.rows:,} rows x {len(FEATURES)} doubles")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_features(spark, f"{folder}/lake/silver/features", given.rows)
        print("\n| model | naive s (min / median / max) | ours s | ours / naive, wall | ours / naive, CPU |")
        print("|---|---|---|---|---|")
        for kind in given.models.split(","):
            print("\n".join(compare(spark, folder, kind, rounds=given.rounds)), flush=True)
        print("\n| what | seconds (min / median / max) | Spark jobs |\n|---|---|---|")
        print("\n".join(fixed_cost(spark, folder, rounds=given.rounds)))


if __name__ == "__main__":
    main()
