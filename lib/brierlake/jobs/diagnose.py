"""Diagnose: predictions of the windows that changed, with the labels known so far, to cells, to metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from brierlake.config import LabelsConfig
from brierlake.errors import BrierlakeError, ConfigError, StorageError
from brierlake.jobs.groups import Task
from brierlake.jobs.judging import write_diagnostics
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.jobs.touched import find_touched
from brierlake.lakehouse.diagnostics import Figures, Made, find_made, read_published
from brierlake.lakehouse.labels import validate_label_columns
from brierlake.lakehouse.predictions import WindowState, read_window_states
from brierlake.lakehouse.tables import Table, is_there, pin_table, read_table
from brierlake.lakehouse.windows import Scope, Window, whole_months

CHAMPION = "champion"
_HEADLINE = ("brier", "brier_se", "expected_brier", "base_rate", "coverage")


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnose run did: the windows that it recomputed, and the metrics by month and in total afterwards."""

    run_id: str
    windows: tuple[Window, ...]
    labels_version: int | None
    months: tuple[Figures, ...] = ()
    total: Figures = field(default_factory=dict)

    @property
    def headline(self) -> Mapping[str, Any]:
        return {name: self.total.get(name) for name in _HEADLINE}


def diagnose(run: Run, *, scope: Scope, is_forced: bool = False) -> Diagnosis:
    """Recomputes the diagnostics of the windows whose predictions or labels changed, and records the run.

    Raises:
        ConfigError: The config names no labels.
        ContractError: The labels lack a column, hold an unknown class, or contradict each other.
        StorageError: There are no predictions yet, or a table can't be read or written.
    """
    if run.config.labels is None:
        raise ConfigError.no_labels_section(run.config.job)
    try:
        if not is_there(run.spark, run.predictions):
            raise StorageError.no_table(run.predictions.name, setting="lakehouse.tables.predictions; `score` makes it:")
        diagnosis = diagnose_windows(run, scope=scope, is_forced=is_forced)
    except BrierlakeError as error:
        record_failure(run, action="diagnose", error=error)
        raise
    if diagnosis.windows:
        _record(run, diagnosis, scope=scope)
    return diagnosis


def _record(run: Run, diagnosis: Diagnosis, *, scope: Scope) -> None:
    days = [window for window in diagnosis.windows if window is not None]
    facts = {
        "scope": str(scope),
        "window_count": len(diagnosis.windows),
        "first_window": min(days, default=None),
        "last_window": max(days, default=None),
        "predictions_table": run.predictions.name,
        "labels_version": diagnosis.labels_version,
        **diagnosis.headline,
    }
    record_run(run, action="diagnose", status="published", exit_code=0, facts=facts)


def diagnose_windows(
    run: Run, *, scope: Scope, is_forced: bool = False, states: Mapping[Window, WindowState] | None = None
) -> Diagnosis:
    """The same without the record: a part of `score`, which may know the `states` of the scope's windows already."""
    metrics = run.gold(run.config.lakehouse.tables.metrics)
    published = read_published(run.spark, metrics, job=run.config.job, role=CHAMPION)
    task = _find_task(run, scope=scope, is_forced=is_forced, states=states, made=find_made(published))
    if task.stale:
        run.say(f"Diagnosing {len(task.stale):,} windows")
        published = _overlaid(published, write_diagnostics(run, task), task=task)
    return Diagnosis(
        run_id=run.run_id,
        windows=task.stale,
        labels_version=task.labels.version if task.labels else None,
        months=tuple(row for row in published if row["grain"] == "month"),
        total=next((row for row in published if row["grain"] == "all"), {}),
    )


def _overlaid(before: Iterable[Figures], fresh: Iterable[Figures], *, task: Task) -> list[Figures]:
    """What the metrics table holds as published after these were written, in order of time."""
    replaced = {("all", None), *((grain, each) for grain in ("window", "month") for each in task.judged(grain))}
    rows = [row for row in before if (row["grain"], row["window_start"]) not in replaced]
    return sorted([*rows, *fresh], key=lambda row: row["window_start"] or date.min)


def validate_labels(run: Run) -> None:
    """Raises before anything is scored where the labels can't be read as the config says."""
    labels = run.config.labels
    if labels is not None:
        pin = pin_table(run.spark, _labels_table(run, labels), setting="labels.table")
        columns = read_table(run.spark, pin.table, version=pin.version).columns
        validate_label_columns(columns, labels, run.config.features, table=pin.table.name)


def _labels_table(run: Run, labels: LabelsConfig) -> Table:
    return run.silver(labels.table or run.config.features.table)


def _find_task(
    run: Run,
    *,
    scope: Scope,
    is_forced: bool,
    states: Mapping[Window, WindowState] | None,
    made: Mapping[Window, Made],
) -> Task:
    labels = run.config.labels
    pin = pin_table(run.spark, _labels_table(run, labels), setting="labels.table") if labels else None
    if states is None or whole_months(scope) != scope:
        states = read_window_states(run.spark, run.predictions, scope=whole_months(scope))
    suspects = {window for window in {*states, *made} if scope.has(window)}
    current = set() if is_forced else {window for window in suspects if _is_made_from(made, states, window)}
    current -= find_touched(run, pin, {window: made[window] for window in current}, predictions=run.predictions)
    return Task(
        run=run,
        role=CHAMPION,
        predictions=run.predictions,
        states=states,
        made=made,
        stale=tuple(sorted(suspects - current, key=str)),
        labels=pin,
        as_of=run.started_at,
    )


def _is_made_from(made: Mapping[Window, Made], states: Mapping[Window, WindowState], window: Window) -> bool:
    before, state = made.get(window), states.get(window)
    return before is not None and state is not None and not state.is_mixed and before.predictions_id == state.run_id
