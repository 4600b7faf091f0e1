"""Kills runs at random moments, many times, and compares what is there in the end with an undisturbed run.

    python -m tests.faults.storm [--kills 50] [--seed 1]

In each round a fresh world is scored by processes that are killed (driver and JVM) after a random time, several in a
row; then the same command runs to its end. The rounds' tables must equal the undisturbed ones row for row, ids and
times aside, sums to 1e-12. Ends with exit code 1 where one doesn't.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.session import start_session
from tests.faults.processes import copy_world, read_tables, run, run_and_kill, validate_equal
from tests.world import lay_out, log_versions

IN_A_ROW = 5


def make_source(spark: SparkSession, folder: Path) -> Path:
    store = folder / "store"
    store.mkdir()
    log_versions(store)
    (folder / "source").mkdir()
    return lay_out(spark, store, folder / "source").folder


def disturb(source: Path, folder: Path, draw: random.Random, *, seconds: float, kills: int) -> int:
    """Kills one process after the other until one gets to its end, or enough are killed; returns how many were."""
    copy_world(source, folder)
    killed = 0
    while killed < kills:
        # the first seconds start Python and the JVM: nothing of ours is under way yet
        if not run_and_kill(folder, "score", seconds=draw.uniform(0.25, 1.0) * seconds):
            break  # it got to its end: nothing is left to be disturbed
        killed += 1
    ended = run(folder, "score")
    if ended.code != 0:
        raise RuntimeError(f"the run after the kills ended with {ended.code}:\n{ended.output}")
    return killed


def storm(spark: SparkSession, folder: Path, *, kills: int, seed: int) -> bool:
    source = make_source(spark, folder)
    begun = time.monotonic()
    ended = run(copy_world(source, folder / "undisturbed"), "score")
    seconds = time.monotonic() - begun
    if ended.code != 0:
        raise RuntimeError(ended.output)
    expected: dict[str, pd.DataFrame] = read_tables(spark, folder / "undisturbed")
    print(f"seed {seed}; an undisturbed run takes {seconds:.0f} s")
    draw, done, is_fine, place = random.Random(seed), 0, True, 0
    while done < kills:
        place += 1
        world = folder / f"world-{place}"
        done += disturb(source, world, draw, seconds=seconds, kills=min(IN_A_ROW, kills - done))
        try:
            validate_equal(read_tables(spark, world), expected)
            print(f"round {place}: {done} kills so far, tables equal", flush=True)
        except AssertionError as error:
            is_fine = False
            print(f"round {place}: {done} kills so far, TABLES DIFFER\n{error}", flush=True)
    return is_fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    spark = start_session(SessionConfig(master="local[1]"), app_name="storm")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if storm(spark, Path(folder), kills=given.kills, seed=given.seed) else 1)


if __name__ == "__main__":
    main()
