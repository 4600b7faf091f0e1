"""What all benchmarks measure with: seconds of wall and of CPU, and how they are shown."""

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pyspark


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float


def cpu_seconds() -> float:
    """CPU of this process and all below it, those that have ended included: the JVM and Spark's Python workers."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            stats[int(path.parent.name)] = int(fields[1]), sum(int(each) for each in fields[11:15])
    ours, size = {os.getpid()}, 0
    while size < len(ours):
        size = len(ours)
        ours |= {process for process, (parent, _) in stats.items() if parent in ours}
    return sum(stats[process][1] for process in ours if process in stats) / os.sysconf("SC_CLK_TCK")


def measured(action: Callable[[], object]) -> Cost:
    cpu, begun = cpu_seconds(), time.perf_counter()
    action()
    return Cost(time.perf_counter() - begun, cpu_seconds() - cpu)


def in_turn(roads: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, list[Cost]]:
    """Each road once unmeasured, then all of them in turn, round after round."""
    for road in roads.values():
        road()
    costs: dict[str, list[Cost]] = {name: [] for name in roads}
    for _ in range(rounds):
        for name, road in roads.items():
            costs[name].append(measured(road))
    return costs


def spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:.2f} / {statistics.median(ordered):.2f} / {ordered[-1]:.2f}"


def ratios(costs: list[Cost], base: list[Cost], *, of: str = "seconds") -> str:
    """Of the same round each."""
    return spread(getattr(ours, of) / getattr(other, of) for ours, other in zip(costs, base, strict=True))


def machine() -> str:
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return (
        f"{os.cpu_count()} cores, {int(memory.split()[1]) / 2**20:.0f} GiB, Python {platform.python_version()}, "
        f"Spark {pyspark.__version__}, MLflow {mlflow.__version__}; all figures: min / median / max"
    )
