"""How a run grows: with rows, features, keys (windows x slices) and versions in the registry; time and driver memory.

Run with `python -m tests.benchmarks.growth [--rows 1000000,4000000] [--features 5,20,100] [--keys 11,110,1100]
[--versions 10,100] [--plot growth.png]`. Each point is the second of two forced runs (the first warms up), and from
MANY rows on the only one. Driver memory is what the JVM's heap holds after the run and a collection, and this Python
process's peak so far.
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

from brierlake.config import DiagnosticsConfig, ModelConfig, SessionConfig
from brierlake.registry import connect, resolve_model
from brierlake.session import start_session
from tests.benchmarks.measure import machine, measured
from tests.benchmarks.registry import filled_registry
from tests.benchmarks.whole_job import WIDTH, config_of, log_model, run_ours, write_features

FEW, MANY = 400_000, 10_000_000
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


def point(spark: SparkSession, size: int, work: Callable[[], object], *, is_warm: bool = False) -> Point:
    if not is_warm:
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
        return point(spark, size, lambda: run_ours(spark, config), is_warm=rows >= MANY)


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
    """Choosing the best of so many versions, on an MLflow server."""
    with filled_registry(("lr",), versions=size) as config:
        return point(spark, size, lambda: resolve_model(connect(config), ModelConfig(names=("lr",))))


def draw(found: dict[str, list[Point]], path: str) -> None:
    """Seconds above, memory below; a dotted line grows as its size does."""
    figure, axes = plt.subplots(
        2, len(found), figsize=(3.2 * len(found), 5), layout="constrained", sharex="col", sharey="row", squeeze=False
    )
    for (above, below), (what, points) in zip(axes.T, found.items(), strict=True):
        sizes = [each.size for each in points]
        above.loglog(sizes, [each.seconds for each in points], "o-", color="#2f6db3")
        linear = [points[-1].seconds * each / sizes[-1] for each in sizes]
        above.loglog(sizes, linear, ":", color="#888888", label="linear" if above is axes[0][0] else None)
        below.loglog(sizes, [each.heap for each in points], "s-", color="#b3572f", label="JVM heap after a collection")
        below.loglog(sizes, [each.python for each in points], "^-", color="#5b8f3a", label="Python, peak so far")
        below.set(xlabel=what)
        for axis in (above, below):
            axis.grid(alpha=0.3)
    axes[0][0].set(ylabel="seconds", ylim=(0.1, None))
    axes[1][0].set(ylabel="driver memory, MiB", ylim=(10, 2000))
    axes[0][0].legend(frameon=False)
    axes[1][0].legend(frameon=False)
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
