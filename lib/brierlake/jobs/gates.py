"""Gates: bounds on metrics, judged window by window; a number that means little is not judged."""

import getpass
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from brierlake.brier import is_meaningful
from brierlake.config import GateConfig
from brierlake.jobs.run import Run
from brierlake.lakehouse.diagnostics import Figures, read_judged
from brierlake.lakehouse.windows import Window, month_of

Rows = Iterable[Mapping[str, Any]]
"""Rows of brier_metrics, as published."""


@dataclass(frozen=True)
class Breach:
    """One gate that was breached, where, and by what."""

    gate: str
    window: str
    """First day of the window; 'all' for the total."""
    slice_value: str | None
    value: float

    def __str__(self) -> str:
        where = f"{self.window} {self.slice_value}" if self.slice_value else self.window
        return f"{self.gate}: {self.value:.4g} in {where}"


def judge_published(run: Run, gates: Sequence[GateConfig], *, windows: Collection[Window]) -> tuple[Breach, ...]:
    """Returns what the gates say of windows whose metrics are in the table."""
    metrics = [row for grain in sorted({each.grain for each in gates}) for row in _read(run, gates, grain, windows)]
    return judge_gates(gates, metrics, windows=windows)


def _read(run: Run, gates: Sequence[GateConfig], grain: str, windows: Collection[Window]) -> Sequence[Figures]:
    """The rows that gates of this grain are about; all of the past only where a gate looks back."""
    about = [each for each in gates if each.grain == grain]
    is_lone = all(each.of == 1 for each in about)
    judged = _judged_windows(about[0], windows) if is_lone else None
    slices = {each.slice for each in about}
    return read_judged(run.spark, run.metrics, job=run.config.job, grain=grain, slices=slices, windows=judged)


def read_judged_past(run: Run, gates: Sequence[GateConfig]) -> Sequence[Figures]:
    """Returns the published windows that gates of several windows look back on."""
    looking_back = [each for each in gates if each.of > 1]
    return _read(run, looking_back, "window", ()) if looking_back else []


def judge_gates(gates: Sequence[GateConfig], metrics: Rows, *, windows: Collection[Window]) -> tuple[Breach, ...]:
    """Returns the breaches in these windows, or in their months and the total where a gate is about those.

    Args:
        metrics: Rows of the grains and slices that the gates are about; earlier windows too where `of` looks back.
    """
    rows = list(metrics)
    return tuple(breach for gate in gates for breach in _breaches(gate, rows, windows))


def _breaches(gate: GateConfig, rows: Sequence[Mapping[str, Any]], windows: Collection[Window]) -> list[Breach]:
    series: dict[str | None, list[tuple[Window, float]]] = {}
    for row in rows:
        if row["grain"] == gate.grain and row["slice_key"] == gate.slice and _is_judged(gate, row):
            series.setdefault(row["slice_value"], []).append((row["window_start"], float(row[gate.metric])))
    judged = _judged_windows(gate, windows)
    found = []
    for value, points in series.items():
        ordered = sorted(points, key=lambda point: point[0] or date.min)
        for place, (window, number) in enumerate(ordered):
            last = ordered[max(0, place + 1 - gate.of) : place + 1]
            if window in judged and sum(_is_outside(gate, each) for _, each in last) >= gate.breaches:
                named = "all" if gate.grain == "all" else str(window or "no time")
                found.append(Breach(gate=str(gate), window=named, slice_value=value, value=number))
    return found


def _judged_windows(gate: GateConfig, windows: Collection[Window]) -> set[Window]:
    if gate.grain == "all":
        return {None}
    return {month_of(window) for window in windows} if gate.grain == "month" else set(windows)


def _is_judged(gate: GateConfig, row: Mapping[str, Any]) -> bool:
    if row[gate.metric] is None or (row["n_labelled"] or 0) < gate.min_labelled:
        return False
    return is_meaningful(row, gate.metric)


def _is_outside(gate: GateConfig, value: float) -> bool:
    return (gate.min is not None and value < gate.min) or (gate.max is not None and value > gate.max)


def gate_facts(
    gates: Sequence[GateConfig], breaches: Iterable[Breach], *, held: Collection[Window], is_accepted: bool
) -> str | None:
    """Returns the gates and what they said as JSON, for the ledger; null: the config has none."""
    if not gates:
        return None
    facts = {
        "gates": [str(each) for each in gates],
        "breaches": [asdict(each) for each in breaches],
        "held": [str(each) for each in held],
        "accepted_by": getpass.getuser() if is_accepted else None,
    }
    return json.dumps(facts)
