"""What one daily run costs in tables that hold 10, 100 and 1,000 days, and how many files daily runs leave behind.

Run with `python -m tests.benchmarks.history [--days 10,100,1000] [--daily 0]`. Each size is filled by one run; then
three more days are appended and scored one by one, with labels. `--daily N` makes N daily runs instead, and prints the
files of each table on the way. One session; the sizes are measured one after the other, so compare ratios.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.configfile import read_config
from brierlake.lakehouse.tables import read_detail
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import score_windows
from brierlake.session import start_session
from tests.world import World, labels_of, log_version

FIRST = date(2021, 1, 1)
PER_DAY = 200
ROUNDS = 3
TABLES = ("predictions", "brier_cells", "brier_metrics", "brier_reliability", "candidates", "runs")


def make_days(first: int, count: int) -> pd.DataFrame:
    draw = np.random.default_rng(first)
    n = PER_DAY * count
    start = pd.Timestamp(FIRST + timedelta(days=first), tz="UTC")
    at = (
        start
        + pd.to_timedelta(np.repeat(np.arange(count), PER_DAY), "D")
        + pd.to_timedelta(np.tile(np.arange(PER_DAY) * 5, count), "min")
    )
    x1, x2 = draw.normal(size=n), draw.normal(size=n)
    y = (draw.random(n) < 1 / (1 + np.exp(-(x1 - 0.5 * x2)))).astype("int32")
    ids = np.arange(n) + first * PER_DAY
    return pd.DataFrame({"id": ids, "at": at, "x1": x1, "x2": x2, "team": np.where(x1 > 0, "red", "blue"), "y": y})


def make_world(spark: SparkSession, folder: Path) -> World:
    log_version(folder, "first", brier=[0.2], strength=1.0)
    content = {
        "job": "games",
        "lakehouse": {"root": "lake"},
        "features": {"table": "games", "key": ["id"], "event_at": "at", "carry": ["team"]},
        "labels": {"table": "results", "outcome": "y", "known_at": "known_at"},
        "model": {"names": ["first"]},
        "diagnostics": {"slices": ["team"]},
        "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
    }
    (folder / "job.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return World(spark=spark, folder=folder, config=read_config(folder / "job.yml"), rows=pd.DataFrame())


def add_days(world: World, first: int, count: int) -> None:
    rows = make_days(first, count)
    world.append(rows.drop(columns="y"), "games")
    world.append(labels_of(rows), "results")


def score_day(world: World, day: int) -> float:
    start = time.perf_counter()
    first = FIRST + timedelta(days=day)
    score_windows(world.run(), scope=Scope(first, first + timedelta(days=1)))
    return time.perf_counter() - start


def files_touched(world: World, since: dict[str, int]) -> dict[str, int]:
    touched = {}
    for name, version in since.items():
        history = world.spark.sql(f"DESCRIBE HISTORY {world.gold(name).sql}").where(f"version > {version}").collect()
        metrics = [row["operationMetrics"] for row in history]
        touched[name] = sum(
            int(each.get("numFiles", 0)) + int(each.get("numRemovedFiles", 0)) for each in metrics if each
        )
    return touched


def measure(spark: SparkSession, days: int) -> tuple[list[float], dict[str, int]]:
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(spark, Path(folder))
        add_days(world, 0, days)
        score_windows(world.run(), scope=Scope())
        seconds = []
        for extra in range(ROUNDS):
            add_days(world, days + extra, 1)
            before = world.versions()
            seconds.append(score_day(world, days + extra))
        return seconds, files_touched(world, before)


def live(spark: SparkSession, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = replace(make_world(spark, Path(folder)))
        print("| daily runs | seconds | " + " | ".join(TABLES) + " |")
        for day in range(runs):
            add_days(world, day, 1)
            seconds = score_day(world, day)
            if (day + 1) % max(runs // 8, 1) == 0:
                files = [str(read_detail(world.gold(name))["numFiles"]) for name in TABLES]
                print(f"| {day + 1} | {seconds:.1f} | " + " | ".join(files) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", default="10,100,1000")
    parser.add_argument("--daily", type=int, default=0)
    given = parser.parse_args()
    spark = start_session(SessionConfig(master="local[2]"), app_name="history")
    if given.daily:
        live(spark, given.daily)
        return
    measure(spark, 2)  # the JVM warms up
    first: float | None = None
    print(
        "| days in the tables | seconds for one more day (min, median, max) | of the first | files written and removed |"
    )
    print("|---|---|---|---|")
    for days in [int(each) for each in given.days.split(",")]:
        seconds, files = measure(spark, days)
        median = statistics.median(seconds)
        first = first or median
        shown = ", ".join(f"{each:.2f}" for each in (min(seconds), median, max(seconds)))
        print(f"| {days} | {shown} | {median / first:.2f} | {files} |", flush=True)


if __name__ == "__main__":
    main()
