"""Gates: bounds on metrics, checked window by window; a number that means little is not checked."""

import getpass
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from brierlake.brier import is_meaningful
from brierlake.brier.meaning import find_sure_ends
from brierlake.config import GateConfig
from brierlake.lakehouse.diagnostics import Figures, read_figures
from brierlake.lakehouse.tables import Table
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


def check_published(
    metrics: Table, gates: Sequence[GateConfig], *, job: str, windows: Collection[Window]
) -> tuple[Breach, ...]:
    """Return what the gates say of windows whose metrics are in the table."""
    grains = sorted({each.grain for each in gates})
    rows = [row for grain in grains for row in _read(metrics, gates, grain, job=job, windows=windows)]
    return check_gates(gates, rows, windows=windows)


def _read(
    metrics: Table, gates: Sequence[GateConfig], grain: str, *, job: str, windows: Collection[Window]
) -> Sequence[Figures]:
    """The rows that gates of this grain are about; all of the past only where a gate looks back."""
    about = [each for each in gates if each.grain == grain]
    checked = _checked_windows(about[0], windows) if all(each.of == 1 for each in about) else None
    return read_figures(metrics, job=job, grain=grain, slices={each.slice for each in about}, windows=checked)


def read_past(metrics: Table, gates: Sequence[GateConfig], *, job: str) -> Sequence[Figures]:
    """Return the published windows that gates of several windows look back on."""
    looking_back = [each for each in gates if each.of > 1]
    return _read(metrics, looking_back, "window", job=job, windows=()) if looking_back else []


def check_gates(gates: Sequence[GateConfig], metrics: Rows, *, windows: Collection[Window]) -> tuple[Breach, ...]:
    """Return the breaches in these windows, or in their months and the total where a gate is about those.

    Args:
        metrics: Rows of the grains and slices that the gates are about; earlier windows too where `of` looks back.
    """
    rows = list(metrics)
    return tuple(breach for gate in gates for breach in _breaches(gate, rows, windows))


def _breaches(gate: GateConfig, rows: Sequence[Mapping[str, Any]], windows: Collection[Window]) -> list[Breach]:
    series: dict[str | None, list[tuple[Window, Bounds]]] = {}
    for row in rows:
        if row["grain"] == gate.grain and row["slice_key"] == gate.slice and _is_checked(gate, row):
            series.setdefault(row["slice_value"], []).append((row["window_start"], _bounds(gate, row)))
    checked = _checked_windows(gate, windows)
    found = []
    for value, points in series.items():
        ordered = sorted(points, key=lambda point: point[0] or date.min)
        for place, (window, bounds) in enumerate(ordered):
            last = ordered[max(0, place + 1 - gate.of) : place + 1]
            if window in checked and sum(_is_outside(gate, each) for _, each in last) >= gate.breaches:
                named = "all" if gate.grain == "all" else str(window or "no time")
                found.append(Breach(gate=str(gate), window=named, slice_value=value, value=bounds.value))
    return found


def _checked_windows(gate: GateConfig, windows: Collection[Window]) -> set[Window]:
    if gate.grain == "all":
        return {None}
    return {month_of(window) for window in windows} if gate.grain == "month" else set(windows)


def _is_checked(gate: GateConfig, row: Mapping[str, Any]) -> bool:
    if row[gate.column] is None or (row["n_labelled"] or 0) < gate.min_labelled:
        return False
    return is_meaningful(row, gate.column)


@dataclass(frozen=True)
class Bounds:
    """A metric's value, and what it surely lies between: the value itself where there is no doubt about it."""

    value: float
    low: float
    high: float


def _bounds(gate: GateConfig, row: Mapping[str, Any]) -> Bounds:
    value = float(row[gate.column])
    if gate.judge == "value":
        return Bounds(value, value, value)
    low, high = find_sure_ends(row, gate.column)
    return Bounds(value, value if low is None else low, value if high is None else high)


def _is_outside(gate: GateConfig, bounds: Bounds) -> bool:
    return (gate.min is not None and bounds.high < gate.min) or (gate.max is not None and bounds.low > gate.max)


def gate_facts(
    gates: Sequence[GateConfig], breaches: Iterable[Breach], *, held: Collection[Window], is_accepted: bool
) -> str | None:
    """Return the gates and what they said as JSON, for the ledger; None: the config has none."""
    if not gates:
        return None
    facts = {
        "gates": [str(each) for each in gates],
        "breaches": [asdict(each) for each in breaches],
        "held": [str(each) for each in held],
        "accepted_by": getpass.getuser() if is_accepted else None,
    }
    return json.dumps(facts)
