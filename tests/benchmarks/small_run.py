"""What a small run costs beside one row written and read: `python -m tests.benchmarks.small_run [--rounds 3] [--cold]`.

A forced score of 1,000 rows in 30 windows, with everything on, and a score that finds nothing to do, in a warm session;
with --cold also from the shell, beside `spark-submit` of a script that reads one row. Ratios are of the same round.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.commands.score import score
from brierlake.config import SessionConfig
from brierlake.session import start_session
from tests.benchmarks import history
from tests.benchmarks.measure import Cost, in_turn, machine, ratios, spread
from tests.quick import QUICK_COMPILER
from tests.world import World

_READ_ONE = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension").config(
    "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog").getOrCreate()
print(spark.read.format("delta").load({path!r}).collect())
"""


def count_jobs(spark: SparkSession, action: Callable[[], object]) -> int:
    """Spark jobs that an action starts, by the number that the scheduler would give the next one."""
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    before = scheduler.nextJobId()
    action()
    return int(scheduler.nextJobId()) - int(before)


def one_row(spark: SparkSession, folder: Path) -> None:
    path = str(folder / f"one-{time.time_ns()}")
    spark.createDataFrame([(1,)], "a int").write.format("delta").save(path)
    spark.read.format("delta").load(path).collect()


def show(name: str, costs: list[Cost], base: list[Cost], jobs: int) -> None:
    seconds = spread(cost.seconds for cost in costs)
    print(f"| {name} | {seconds} | {ratios(costs, base)} | {ratios(costs, base, of='cpu')} | {jobs} |", flush=True)


def warm(spark: SparkSession, world: World, *, rounds: int) -> None:
    def run(*, is_forced: bool) -> None:
        score(world.config, spark=spark, is_forced=is_forced, say=lambda _: None)

    roads = {
        "one row written and read": lambda: one_row(spark, world.folder),
        "1,000 rows, 30 windows": lambda: run(is_forced=True),
        "unchanged": lambda: run(is_forced=False),
    }
    costs = in_turn(roads, rounds=rounds)
    print("\n| warm | s | ratio, wall | ratio, CPU | Spark jobs |\n|---|---|---|---|---|")
    for name, road in roads.items():
        show(name, costs[name], costs["one row written and read"], count_jobs(spark, road))


def cold(world: World, *, rounds: int) -> None:
    """From the shell, each time a process of its own."""
    one = world.folder / "one"
    script = world.folder / "read_one.py"
    script.write_text(_READ_ONE.format(path=str(one)), encoding="utf-8")
    jars = ["--packages", world.spark.conf.get("spark.jars.packages") or ""]
    world.spark.createDataFrame([(1,)], "a int").write.format("delta").save(str(one))
    world.spark.stop()
    submit = Path(sys.executable).parent / "spark-submit"

    def call(*words: str, jvm: str = "") -> Callable[[], object]:
        env = {**os.environ, "MPLBACKEND": "Agg", "JAVA_TOOL_OPTIONS": jvm}
        return lambda: subprocess.run(words, check=True, capture_output=True, env=env)

    scored = (sys.executable, "-m", "brierlake", "score", "--config", world.path, "--quiet")
    roads = {
        "spark-submit that reads one row": call(str(submit), "--master", "local[2]", *jars, str(script)),
        "1,000 rows, 30 windows": call(*scored, "--force"),
        "the same, in a JVM that compiles quickly": call(*scored, "--force", jvm=QUICK_COMPILER),
        "unchanged": call(*scored),
        "unchanged, in a JVM that compiles quickly": call(*scored, jvm=QUICK_COMPILER),
    }
    costs = in_turn(roads, rounds=rounds)
    print("\n| cold, from the shell | s | ratio, wall | ratio, CPU | Spark jobs |\n|---|---|---|---|---|")
    for name in roads:
        print(
            f"| {name} | {spread(cost.seconds for cost in costs[name])} | "
            f"{ratios(costs[name], costs['spark-submit that reads one row'])} | | |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    print(machine())
    history.PER_DAY = 34
    with tempfile.TemporaryDirectory(prefix="brierlake-small-") as folder:
        spark = start_session(SessionConfig(master="local[2]"), app_name="small run")
        world = history.make_world(spark, Path(folder))
        history.add_days(world, 0, 30)
        warm(spark, world, rounds=given.rounds)
        if given.cold:
            cold(world, rounds=given.rounds)


if __name__ == "__main__":
    main()
