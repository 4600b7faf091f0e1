"""How a run grows: with rows, features, keys (windows x slices) and versions in the registry; time and driver memory.

Run with `python -m tests.benchmarks.growth [--rows 1000000,4000000] [--features 5,20,100] [--keys 11,110,1100]
[--versions 10,100] [--plot growth.png]`. Each point is the second of two forced runs (the first warms up). Driver
memory is what the JVM's heap holds after the run and a collection, and this Python process's peak.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from brierlake.config import DiagnosticsConfig, SessionConfig
from brierlake.registry import connect, resolve_model
from brierlake.session import start_session
from tests.benchmarks.measure import machine, measured
from tests.benchmarks.whole_job import WIDTH, config_of, log_model, run_ours, write_features
from tests.world import log_version

FEW = 400_000
GROUPS = 10


@dataclass(frozen=True)
class Point:
    size: int
    seconds: float
    heap: float
    python: float
    """MiB."""


def heap_in_use(spark: SparkSession) -> float:
    """MiB of the driver's heap that a collection leaves."""
    jvm: Any = spark.sparkContext._jvm
    jvm.java.lang.System.gc()
    runtime = jvm.java.lang.Runtime.getRuntime()
    return float(runtime.totalMemory() - runtime.freeMemory()) / 2**20


def point(spark: SparkSession, size: int, work: Callable[[], object]) -> Point:
    work()
    seconds = measured(work).seconds
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Point(size, seconds, heap_in_use(spark), python)


def by_shape(spark: SparkSession, size: int, *, rows: int = FEW, width: int = WIDTH) -> Point:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_features(spark, f"{folder}/lake/silver/features", rows, width=width)
        log_model(folder, "lr", width=width)
        config = config_of(folder, "lr")
        return point(spark, size, lambda: run_ours(spark, config))


def by_keys(spark: SparkSession, size: int) -> Point:
    """A day has one key for all of its rows, and one for each of ten groups."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = f"{folder}/lake/silver/features"
        write_features(spark, path, FEW, days=max(1, size // (GROUPS + 1)))
        grouped = spark.read.format("delta").load(path).withColumn("team", (F.col("id") % GROUPS).cast("string"))
        grouped.write.format("delta").save(f"{folder}/lake/silver/grouped")
        log_model(folder, "lr")
        config = config_of(folder, "lr")
        features = config.features.model_copy(update={"table": "grouped", "carry": ("y", "team")})
        diagnostics = DiagnosticsConfig(slices=("team",), slice_grain="window")
        config = config.model_copy(update={"features": features, "diagnostics": diagnostics})
        return point(spark, size, lambda: run_ours(spark, config))


def by_versions(spark: SparkSession, size: int) -> Point:
    """Choosing the best of so many versions, in a SQLite-backed registry."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log_model(folder, "lr")
        config = config_of(folder, "lr")
        for _ in range(size - 1):
            log_version(folder, "lr", brier=[0.3, 0.25], strength=1.0)
        return point(spark, size, lambda: resolve_model(connect(config.mlflow), config.model))


def draw(found: dict[str, list[Point]], path: str) -> None:
    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3), layout="constrained")
    for axis, (what, points) in zip(axes, found.items(), strict=True):
        axis.loglog([each.size for each in points], [each.seconds for each in points], "o-", color="#2f6db3")
        axis.set(xlabel=what, ylabel="seconds")
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("rows", "1000000,4000000"),
        ("features", "5,20,100"),
        ("keys", "11,110,1100"),
        ("versions", "10,100"),
    ):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--plot")
    given = parser.parse_args()
    spark = start_session(SessionConfig(master="local[2]", conf={"spark.driver.memory": "4g"}), app_name="growth")
    ways: dict[str, Callable[[int], Point]] = {
        "rows": lambda size: by_shape(spark, size, rows=size),
        "features": lambda size: by_shape(spark, size, width=size),
        "keys": lambda size: by_keys(spark, size),
        "versions": lambda size: by_versions(spark, size),
    }
    print(machine())
    found: dict[str, list[Point]] = {}
    for what, way in ways.items():
        print(f"\n| {what} | seconds | driver heap after GC, MiB | driver Python peak, MiB |\n|---|---|---|---|")
        for size in [int(each) for each in getattr(given, what).split(",") if each]:
            made = way(size)
            found.setdefault(what, []).append(made)
            print(f"| {size:,} | {made.seconds:.2f} | {made.heap:,.0f} | {made.python:,.0f} |", flush=True)
    if given.plot and found:
        draw(found, given.plot)


if __name__ == "__main__":
    main()
