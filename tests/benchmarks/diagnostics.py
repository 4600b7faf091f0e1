"""What diagnosing costs, as ratios from one run: `python -m tests.benchmarks.diagnostics --size small|100m|1b`.

Compared in interleaved rounds over one Parquet table of probabilities and outcomes: the whole one-pass aggregate (cells
with four moments) against a bare `avg((p-y)*(p-y))`. Then: metrics of one key and of 10,000, the memory that the driver
needed, and what others need for a Brier score and a table of 20 bins on the same files (where they are installed).
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from brierlake.brier import compute_cells, compute_metrics, compute_records
from brierlake.config import SessionConfig
from brierlake.session import start_session
from tests.benchmarks.measure import in_turn, measured, ratios, spread

SIZES = {"small": 2_000_000, "100m": 100_000_000, "1b": 1_000_000_000}


def write_rows(spark: SparkSession, path: str, n: int) -> DataFrame:
    """Skewed probabilities, mildly miscalibrated outcomes, and 30 days to slice by."""
    p = F.rand(1) * F.rand(2)
    rows = spark.range(0, n, 1, max(4, n // 10_000_000)).select(p.alias("probability"), (F.col("id") % 30).alias("day"))
    rows = rows.withColumn("outcome", (F.rand(3) < F.pow("probability", F.lit(1.1))).cast("int"))
    rows.write.mode("overwrite").parquet(path)
    return spark.read.parquet(path)


def bare(rows: DataFrame) -> None:
    error = F.col("probability") - F.col("outcome")
    rows.agg(F.avg(error * error)).collect()


def drain(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def compare_passes(rows: DataFrame, rounds: int) -> None:
    roads: dict[str, Callable[[], Any]] = {
        "bare avg((p-y)^2)": lambda: bare(rows),
        "cells, one key": lambda: drain(compute_cells(rows, by=[])),
        "cells, 30 keys": lambda: drain(compute_cells(rows, by=["day"])),
    }
    costs = in_turn(roads, rounds=rounds)
    base, *others = roads
    print(f"{base}: {spread(each.seconds for each in costs[base])} s in {rounds} rounds")
    for name in others:
        print(f"{name}: {spread(each.seconds for each in costs[name])} s, ratio {ratios(costs[name], costs[base])}")


def time_keys(spark: SparkSession, rows: DataFrame) -> None:
    cells = compute_cells(rows, by=[]).withColumn("key", F.lit(1)).toArrow()
    compute_records(cells, by=["key"])
    runs = [measured(lambda: compute_records(cells, by=["key"])).seconds for _ in range(5)]
    print(f"all metrics of one key ({cells.num_rows:,} cells): {1000 * statistics.median(runs):.1f} ms")
    many = spark.createDataFrame(cells.drop_columns("key")).crossJoin(
        spark.range(10_000).select(F.col("id").alias("key"))
    )
    few = many.where(F.col("cell_id") % 40_000_000 == 0)
    seconds = measured(lambda: drain(compute_metrics(few, by=["key"]))).seconds
    print(f"10,000 keys inside Spark: {seconds:.1f} s, {seconds / 10:.2f} ms a key; none of them met on the driver")


def driver_memory(spark: SparkSession) -> str:
    """Peak of the JVM's heap pools, and of the process as the system saw it."""
    jvm: Any = spark.sparkContext._jvm
    pools = jvm.java.lang.management.ManagementFactory.getMemoryPoolMXBeans()
    heap = sum(pool.getPeakUsage().getUsed() for pool in pools if pool.getType().name() == "HEAP")
    pid = jvm.java.lang.ProcessHandle.current().pid()
    status = Path(f"/proc/{pid}/status")
    peak = next((line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")), "0")
    most = jvm.java.lang.Runtime.getRuntime().maxMemory()
    return f"driver heap: at most {most / 2**20:,.0f} MiB, peak used {heap / 2**20:,.0f} MiB; process {int(peak) / 1024:,.0f} MiB"


def by_duckdb(path: str) -> None:
    duckdb: Any = import_module("duckdb")
    source = f"read_parquet('{path}/*.parquet')"
    bins = "least(greatest(ceil(probability * 20), 1), 20)"
    duckdb.sql(f"SET threads = 2; SELECT avg((probability - outcome) ** 2) FROM {source}").fetchall()
    duckdb.sql(f"SELECT {bins}, count(*), avg(probability), avg(outcome) FROM {source} GROUP BY 1").fetchall()


def by_polars(path: str) -> None:
    pl: Any = import_module("polars")
    p, y = pl.col("probability"), pl.col("outcome")
    frame = pl.scan_parquet(f"{path}/*.parquet")
    frame.select(((p - y) ** 2).mean()).collect(engine="streaming")
    bins = (p * 20).ceil().clip(1, 20).alias("bin")
    frame.group_by(bins).agg(pl.len(), p.mean(), y.mean()).collect(engine="streaming")


def by_sklearn(rows: DataFrame) -> None:
    table = rows.select("probability", "outcome").toArrow()
    p, y = (np.asarray(table.column(name)) for name in ("probability", "outcome"))
    brier_score_loss(y, p)
    calibration_curve(y, p, n_bins=20)


def compare_others(rows: DataFrame, path: str, *, can_collect: bool) -> None:
    print(
        f"ours (all cells, all metrics): {measured(lambda: compute_metrics(compute_cells(rows, by=[]), by=[]).collect()).seconds:.1f} s"
    )
    for name, work in (("duckdb", by_duckdb), ("polars", by_polars)):
        if find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        work(path)
        print(f"{name} (Brier and 20 bins): {measured(lambda work=work: work(path)).seconds:.1f} s")
    if can_collect:
        print(f"scikit-learn after collecting (Brier and 20 bins): {measured(lambda: by_sklearn(rows)).seconds:.1f} s")
    else:
        print("scikit-learn after collecting: not tried, the rows don't fit the driver")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the rows are written (about 9 bytes each); default: a temporary one")
    asked = parser.parse_args()
    heap = "1g" if asked.size == "1b" else "4g"
    conf = {"spark.driver.memory": heap, "spark.driver.maxResultSize": "3g"}
    spark = start_session(SessionConfig(master="local[2]", conf=conf), app_name="diagnostics benchmark")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = f"{folder}/rows"
        n = SIZES[asked.size]
        seconds = measured(lambda: write_rows(spark, path, n)).seconds
        rows = spark.read.parquet(path)
        print(f"{n:,} rows, written in {seconds:.0f} s", flush=True)
        if asked.size == "1b":
            seconds = measured(lambda: compute_metrics(compute_cells(rows, by=["day"]), by=["day"]).collect()).seconds
            print(f"30 days diagnosed in {seconds:.0f} s; {driver_memory(spark)}")
            return
        compare_passes(rows, asked.rounds)
        time_keys(spark, rows)
        print(driver_memory(spark))
        compare_others(rows, path, can_collect=asked.size == "small" or heap == "4g")
    spark.stop()


if __name__ == "__main__":
    main()
