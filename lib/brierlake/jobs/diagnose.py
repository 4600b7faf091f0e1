"""Diagnose: predictions of the windows that changed, with the labels known so far, to cells, to metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from brierlake.errors import BrierlakeError, ConfigError, GateError, StorageError
from brierlake.jobs.gates import Breach, gate_facts, judge_published
from brierlake.jobs.judging import answer, write_diagnostics
from brierlake.jobs.pinning import pin_labels
from brierlake.jobs.pooling import pool_figures
from brierlake.jobs.recipe import compute_diagnostics_recipe
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.jobs.task import Task
from brierlake.jobs.touched import find_strange, find_touched
from brierlake.lakehouse.diagnostics import CHAMPION, Figures, Made, find_made, read_published
from brierlake.lakehouse.label_checks import validate_label_types
from brierlake.lakehouse.labels import LabelCounts, count_labels
from brierlake.lakehouse.predictions import WindowState, read_window_states
from brierlake.lakehouse.tables import Pin, Table, is_there, read_table
from brierlake.lakehouse.windows import Scope, Window, whole_months


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnose run did: the windows that it recomputed, and the figures as published afterwards."""

    run_id: str
    windows: tuple[Window, ...]
    labels_version: int | None
    figures: tuple[Figures, ...] = ()
    """Metrics as published, over all rows: of the scope's windows, of all months, and the total; in order of time."""
    labels: LabelCounts | None = None
    """What the whole labels table says beside the predictions; null: not counted."""
    as_of: datetime | None = None
    """Set where this answers for a time in the past: nothing was written, and only the scope's windows were judged."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why windows were recomputed, and how many for each reason."""
    breaches: tuple[Breach, ...] = ()
    """What the gates say; filled by `diagnose`, not where it is a part of `score`."""

    @property
    def exit_code(self) -> int:
        return GateError.exit_code if self.breaches else 0

    @property
    def months(self) -> tuple[Figures, ...]:
        return tuple(row for row in self.figures if row["grain"] == "month")

    @property
    def total(self) -> Figures:
        return next((row for row in self.figures if row["grain"] == "all"), {})

    @property
    def headline(self) -> Mapping[str, Any]:
        """Figures of the windows that were recomputed, all together."""
        judged = set(self.windows)
        rows = [row for row in self.figures if row["grain"] == "window" and row["window_start"] in judged]
        return pool_figures(rows)


def diagnose(run: Run, *, scope: Scope, is_forced: bool = False, as_of: datetime | None = None) -> Diagnosis:
    """Recomputes the diagnostics of the windows whose predictions or labels changed, and records the run.

    Without labels in the config it is the label-free half: expected scores and drift.

    Args:
        as_of: Answers for a time in the past instead, by the labels known then, and writes nothing.

    Raises:
        ConfigError: `as_of` lies in the future, or the labels don't say since when they are known.
        ContractError: The labels lack a column, hold an unknown class, or contradict each other.
        StorageError: There are no predictions yet, or a table can't be read or written.
    """
    try:
        if not is_there(run.spark, run.predictions):
            raise StorageError.no_table(run.predictions.name, setting="lakehouse.tables.predictions; `score` makes it:")
        if as_of is not None:
            return _answer(run, scope=scope, as_of=as_of)
        diagnosis = diagnose_windows(run, scope=scope, is_forced=is_forced)
        if diagnosis.windows and scope.is_full:
            diagnosis = replace(diagnosis, labels=_count_labels(run))
        diagnosis = replace(diagnosis, breaches=_breaches(run, diagnosis))
    except BrierlakeError as error:
        record_failure(run, action="diagnose", error=error)
        raise
    if diagnosis.windows:
        _record(run, diagnosis, scope=scope)
    return diagnosis


def _breaches(run: Run, diagnosis: Diagnosis) -> tuple[Breach, ...]:
    """What the gates say of the windows judged now; where there are none, of those that were judged last."""
    if not run.config.gates:
        return ()
    windows = set(diagnosis.windows)
    rows = [row for row in diagnosis.figures if row["grain"] == "window"]
    if not windows and rows:
        latest = max(row["run_id"] for row in rows)
        windows = {row["window_start"] for row in rows if row["run_id"] == latest}
    return judge_published(run, run.config.gates, windows=windows)


def _answer(run: Run, *, scope: Scope, as_of: datetime) -> Diagnosis:
    labels = run.config.labels
    if as_of > run.started_at:
        raise ConfigError.as_of_in_future(as_of)
    if labels is not None and labels.known_at is None:
        raise ConfigError.as_of_needs_times()
    pin = pin_labels(run)
    _validate_label_types(run, pin, run.predictions)
    states = read_window_states(run.spark, run.predictions, scope=scope)
    task = Task(
        run=run,
        role=CHAMPION,
        predictions=run.predictions,
        states=states,
        made={},
        stale=tuple(states),
        labels=pin,
        as_of=as_of,
        recipe=compute_diagnostics_recipe(run.config),
    )
    return Diagnosis(
        run_id=run.run_id,
        windows=(),
        labels_version=task.labels.version if task.labels else None,
        figures=_ordered(answer(run, task)) if states else (),
        as_of=as_of,
    )


def _count_labels(run: Run) -> LabelCounts | None:
    labels, pin = run.config.labels, pin_labels(run)
    if labels is None or pin is None or labels.table is None:
        return None
    predictions = read_table(run.spark, run.predictions)
    return count_labels(run.spark, pin, labels, run.config.features, predictions=predictions, as_of=run.started_at)


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
        "gates": gate_facts(run.config.gates, diagnosis.breaches, held=(), is_accepted=False),
    }
    record_run(run, action="diagnose", status="published", exit_code=diagnosis.exit_code, facts=facts)


def diagnose_windows(
    run: Run,
    *,
    scope: Scope,
    is_forced: bool = False,
    states: Mapping[Window, WindowState] | None = None,
    features: Pin | None = None,
    role: str = CHAMPION,
    predictions: Table | None = None,
) -> Diagnosis:
    """The same without the record: a part of `score`.

    Args:
        states: What the scope's windows hold, where that is known already.
        features: The features version that was scored: labels beside the features are read from it.
    """
    metrics = run.gold(run.config.lakehouse.tables.metrics)
    published = read_published(run.spark, metrics, job=run.config.job, role=role)
    pin = pin_labels(run, features=features)
    _validate_label_types(run, pin, predictions or run.predictions)
    task, reasons = _find_task(
        run,
        scope=scope,
        is_forced=is_forced,
        states=states,
        made=find_made(published),
        pin=pin,
        role=role,
        predictions=predictions or run.predictions,
    )
    if task.stale:
        run.say(f"Diagnosing {len(task.stale):,} windows")
        published = _overlaid(published, write_diagnostics(run, task), task=task)
    return Diagnosis(
        run_id=run.run_id,
        windows=task.stale,
        labels_version=task.labels.version if task.labels else None,
        figures=_ordered(row for row in published if row["grain"] != "window" or scope.has(row["window_start"])),
        reasons=reasons,
    )


def _validate_label_types(run: Run, pin: Pin | None, predictions: Table) -> None:
    labels = run.config.labels
    if labels is not None and pin is not None and is_there(run.spark, predictions):
        keyed = read_table(run.spark, predictions).schema
        validate_label_types(run.spark, pin, labels, run.config.features, keyed=keyed)


def _overlaid(before: Iterable[Figures], fresh: Iterable[Figures], *, task: Task) -> list[Figures]:
    """What the metrics table holds as published after these were written."""
    replaced = {("all", None), *((grain, each) for grain in ("window", "month") for each in task.judged(grain))}
    return [*(row for row in before if (row["grain"], row["window_start"]) not in replaced), *fresh]


def _ordered(figures: Iterable[Figures]) -> tuple[Figures, ...]:
    return tuple(sorted(figures, key=lambda row: row["window_start"] or date.min))


def _find_task(
    run: Run,
    *,
    scope: Scope,
    is_forced: bool,
    states: Mapping[Window, WindowState] | None,
    made: Mapping[Window, Made],
    pin: Pin | None,
    role: str,
    predictions: Table,
) -> tuple[Task, Mapping[str, int]]:
    """Returns what is to be recomputed, and for how many windows each reason holds."""
    recipe, labels_id = compute_diagnostics_recipe(run.config), pin.table_id if pin else None
    others = find_strange(made, recipe=recipe, labels_id=labels_id)
    # sums of several windows mean nothing where some are by other settings, or other labels: all are made anew
    if any(others.values()):
        scope, states = Scope(), None
    if states is None or whole_months(scope) != scope:
        states = read_window_states(run.spark, predictions, scope=whole_months(scope))
    suspects = {window for window in {*states, *made} if scope.has(window)}
    reasons = {
        window: FORCED if is_forced else _reason(made.get(window), states.get(window), others.get(window))
        for window in suspects
    }
    current = {window: made[window] for window, reason in reasons.items() if reason is None}
    reasons |= dict.fromkeys(find_touched(run, pin, current, predictions=predictions), LABELS)
    stale = sorted((window for window, reason in reasons.items() if reason), key=str)
    task = Task(
        run=run,
        role=role,
        predictions=predictions,
        states=states,
        made=made,
        stale=tuple(stale),
        labels=pin,
        as_of=run.started_at,
        recipe=recipe,
    )
    return task, Counter(reason for reason in reasons.values() if reason)


PREDICTIONS, LABELS, FORCED = "predictions changed", "labels changed", "as --force asks"
"""Why windows are diagnosed again; see `find_strange` for more."""


def _reason(before: Made | None, state: WindowState | None, strangeness: str | None) -> str | None:
    if before is None or state is None or state.is_mixed or before.predictions_id != state.run_id:
        return PREDICTIONS
    return strangeness
