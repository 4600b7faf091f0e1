"""Real processes of the real command, and what their tables must look like in the end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 240
OWN_ACCOUNT = {
    "run_id",
    "scored_at",
    "computed_at",
    "looked_at",
    "predictions_id",
    "cells_version",
    "labels_as_of",
    "recipe",
}
"""Ids and times, and the recipe, which names the registry: what two worlds differ in."""
COMPARED = {
    "predictions": ["id"],
    "brier_cells": ["model_name", "grain", "window_start", "slice_key", "slice_value", "cell_id", "outcome"],
    "brier_metrics": ["model_name", "grain", "window_start", "slice_key", "slice_value"],
    "brier_reliability": ["model_name", "grain", "window_start", "slice_key", "slice_value", "kind", "position"],
}


@dataclass(frozen=True)
class Ended:
    code: int
    output: str


def start(folder: Path, *arguments: str, moment: str = "never") -> "subprocess.Popen[str]":
    """Starts the command on the world in a folder, as the leader of a process group of its own."""
    command = [sys.executable, "-m", "tests.faults.victim", moment, *arguments, "--config", str(folder / "job.yml")]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYSPARK_", "SPARK_"))
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**clean, "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: "subprocess.Popen[str]") -> Ended:
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    return Ended(process.returncode, output)


def run(folder: Path, *arguments: str, moment: str = "never") -> Ended:
    return finish(start(folder, *arguments, moment=moment))


def kill(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def run_and_kill(folder: Path, *arguments: str, seconds: float) -> bool:
    """Kills the command after so many seconds; returns whether it was still running."""
    process = start(folder, *arguments)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        return True
    return False


def copy_world(source: Path, target: Path) -> Path:
    """Another world of the same rows, labels and models, with no output yet."""
    shutil.copytree(source, target)
    return target


def read_tables(spark: SparkSession, folder: Path) -> dict[str, pd.DataFrame]:
    """The output of a world, without ids and times, in the order of its keys."""
    found = {}
    for name, key in COMPARED.items():
        rows = spark.read.format("delta").load(str(folder / "lake" / "gold" / name)).toPandas()
        kept = rows.drop(columns=[each for each in rows.columns if each in OWN_ACCOUNT])
        found[name] = kept.sort_values(key, ignore_index=True)
    return found


def validate_equal(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, rows in expected.items():
        pd.testing.assert_frame_equal(found[name], rows, rtol=1e-12, atol=1e-15, obj=name)


def python_workers(process: "subprocess.Popen[str]") -> list[int]:
    """Process ids of the Python workers that a run's JVM has forked."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,pgid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()]
    ours = {row[0] for row in rows if int(row[2]) == process.pid}
    daemons = {row[0] for row in rows if row[1] in ours and "pyspark.daemon" in row[3]}  # in a group of their own
    return [int(row[0]) for row in rows if row[1] in daemons]


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mounts a disk of this size at a folder (root may)."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        for _ in range(20):
            if subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.5)


def mount_again(folder: Path, options: Sequence[str]) -> None:
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(folder)], check=True)
