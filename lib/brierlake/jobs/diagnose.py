"""Diagnose: predictions of the windows that changed, with the labels known so far, to cells, to metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import compute_cells, compute_metrics, merge_cells
from brierlake.config import LabelsConfig
from brierlake.errors import BrierlakeError, ConfigError, StorageError
from brierlake.jobs.groups import (
    GROUP,
    ROLE,
    Task,
    as_metric_cells,
    as_months,
    as_reliability,
    with_groups,
    with_provenance,
)
from brierlake.jobs.run import Run, record_failure, record_run
from brierlake.lakehouse.diagnostics import Made, part_condition, read_cells, read_headline, read_made
from brierlake.lakehouse.labels import (
    read_outcomes,
    read_touched_windows,
    validate_label_columns,
    validate_outcomes,
    with_outcomes,
)
from brierlake.lakehouse.predictions import WindowState, is_conflict, read_window_states
from brierlake.lakehouse.tables import (
    STORAGE_FAULTS,
    Pin,
    Table,
    create_table,
    is_there,
    pin_table,
    read_table,
    read_version,
    reason_of,
    replace_rows,
)
from brierlake.lakehouse.windows import Scope, Window, filter_condition, whole_months
from brierlake.schemas import CELLS, METRICS, RELIABILITY

_ATTEMPTS = 4
_HEADLINE = ("brier", "brier_se", "expected_brier", "base_rate", "coverage")


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnose run did: the windows that it recomputed, and the metrics by month and in total afterwards."""

    run_id: str
    windows: tuple[Window, ...]
    labels_version: int | None
    months: tuple[Mapping[str, Any], ...] = ()
    total: Mapping[str, Any] = field(default_factory=dict)

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
    return diagnosis


def diagnose_windows(run: Run, *, scope: Scope, is_forced: bool = False) -> Diagnosis:
    """The same without the record: a part of `score`."""
    task = _find_task(run, scope=scope, is_forced=is_forced)
    if task.stale:
        run.say(f"Diagnosing {len(task.stale):,} windows")
        cells_version = _write_cells(run, task)
        _write_metrics(run, task, cells_version=cells_version)
    months = read_headline(run.spark, _metrics(run), job=run.config.job, role=ROLE, grains=("month", "all"))
    return Diagnosis(
        run_id=run.run_id,
        windows=task.stale,
        labels_version=task.labels.version if task.labels else None,
        months=tuple(row.asDict() for row in months if row["grain"] == "month"),
        total=next((row.asDict() for row in months if row["grain"] == "all"), {}),
    )


def validate_labels(run: Run) -> None:
    """Raises before anything is scored where the labels can't be read as the config says."""
    labels = run.config.labels
    if labels is not None:
        pin = pin_table(run.spark, _labels_table(run, labels), setting="labels.table")
        columns = read_table(run.spark, pin.table, version=pin.version).columns
        validate_label_columns(columns, labels, run.config.features, table=pin.table.name)


def _cells(run: Run) -> Table:
    return run.gold(run.config.lakehouse.tables.cells)


def _metrics(run: Run) -> Table:
    return run.gold(run.config.lakehouse.tables.metrics)


def _labels_table(run: Run, labels: LabelsConfig) -> Table:
    return run.silver(labels.table or run.config.features.table)


def _find_task(run: Run, *, scope: Scope, is_forced: bool) -> Task:
    labels = run.config.labels
    pin = pin_table(run.spark, _labels_table(run, labels), setting="labels.table") if labels else None
    states = read_window_states(run.spark, run.predictions, scope=whole_months(scope))
    made = read_made(run.spark, _metrics(run), job=run.config.job, role=ROLE)
    suspects = {window for window in {*states, *made} if scope.has(window)}
    current = set() if is_forced else {window for window in suspects if _is_made_from(made, states, window)}
    current -= _touched_by_labels(run, pin, {window: made[window] for window in current})
    return Task(
        run=run,
        states=states,
        made=made,
        stale=tuple(sorted(suspects - current, key=str)),
        labels=pin,
    )


def _is_made_from(made: Mapping[Window, Made], states: Mapping[Window, WindowState], window: Window) -> bool:
    before, state = made.get(window), states.get(window)
    return before is not None and state is not None and not state.is_mixed and before.predictions_id == state.run_id


def _touched_by_labels(run: Run, pin: Pin | None, made: Mapping[Window, Made]) -> set[Window]:
    labels = run.config.labels
    unlabelled = {window for window, each in made.items() if (each.labels_version is None) != (pin is None)}
    read = {
        window: each
        for window, each in made.items()
        if each.labels_version is not None and each.labels_as_of is not None
    }
    if labels is None or pin is None or not read:
        return unlabelled
    versions = [each.labels_version for each in read.values() if each.labels_version is not None]
    touched = read_touched_windows(
        run.spark,
        pin,
        labels,
        run.config.features,
        predictions=read_table(run.spark, run.predictions).where(filter_condition(read)),
        since_version=min(versions),
        since=min(each.labels_as_of for each in read.values() if each.labels_as_of),
        as_of=run.started_at,
    )
    if touched is None:
        return unlabelled | {window for window, each in read.items() if each.labels_version != pin.version}
    return unlabelled | {window for window, last in touched.items() if _is_newer(last, read[window])}


def _is_newer(last: tuple[int, datetime | None], before: Made) -> bool:
    version, known_at = last
    is_changed = before.labels_version is None or version > before.labels_version
    return is_changed or (known_at is not None and before.labels_as_of is not None and known_at > before.labels_as_of)


def _write_cells(run: Run, task: Task) -> int:
    """Replaces the cells of the stale windows and of their months; returns the version that it made."""
    table = _cells(run)
    create_table(run.spark, table, CELLS)
    fresh = compute_cells(_rows_by_group(run, task), by=GROUP).persist()
    try:
        if not fresh.where(F.col("outcome") < 0).isEmpty():
            _refuse_outcomes(run, task)
        kept = read_cells(run.spark, table, job=run.config.job, role=ROLE).where(
            f"grain = 'window' AND {filter_condition(task.kept)}"
        )
        by_window = fresh.where("grain = 'window'").unionByName(kept.select(*fresh.columns))
        months = by_window.transform(as_months, window=run.config.features.window)
        cells = fresh.unionByName(merge_cells(months, by=GROUP)).transform(with_provenance, task=task, spec=CELLS)
        where = part_condition(job=run.config.job, role=ROLE, windows=task.stale, months=task.months, has_total=False)
        _replace(run, cells, table, where=where)
        return read_version(run.spark, table)
    finally:
        fresh.unpersist()


def _rows_by_group(run: Run, task: Task) -> DataFrame:
    """Predictions with outcomes, once for each group of cells that a row counts in."""
    diagnostics, features = run.config.diagnostics, run.config.features
    windows = task.stale if not diagnostics.slices or diagnostics.slice_grain == "window" else (*task.stale, *task.kept)
    rows = read_table(run.spark, run.predictions).where(filter_condition(windows))
    if task.labels and run.config.labels:
        outcomes = read_outcomes(run.spark, task.labels, run.config.labels, features, as_of=run.started_at)
        rows = rows.transform(with_outcomes, outcomes, key=features.key)
    else:
        rows = rows.withColumn("outcome", F.lit(None).cast("int"))
    return rows.transform(
        with_groups,
        stale=filter_condition(task.stale),
        slices=diagnostics.slices,
        slice_grain=diagnostics.slice_grain,
    )


def _refuse_outcomes(run: Run, task: Task) -> None:
    labels, features = run.config.labels, run.config.features
    if labels is not None and task.labels is not None:
        outcomes = read_outcomes(run.spark, task.labels, labels, features, as_of=run.started_at)
        validate_outcomes(outcomes, labels, key=features.key, table=task.labels.table.name)


def _write_metrics(run: Run, task: Task, *, cells_version: int) -> None:
    """Replaces the metrics of the stale windows, their months and the total, and of what is compared with them."""
    reliability = run.gold(run.config.lakehouse.tables.reliability)
    create_table(run.spark, reliability, RELIABILITY)
    create_table(run.spark, _metrics(run), METRICS)
    cells = read_cells(run.spark, _cells(run), job=run.config.job, role=ROLE, version=cells_version)
    keyed = cells.transform(as_metric_cells, task=task, reference=run.config.diagnostics.reference)
    metrics = compute_metrics(keyed, by=GROUP, level=run.config.diagnostics.level)
    metrics = metrics.withColumn("cells_version", F.lit(cells_version)).persist()
    try:
        where = part_condition(
            job=run.config.job,
            role=ROLE,
            windows=list(task.judged("window")),
            months=list(task.judged("month")),
            has_total=True,
        )
        _replace(
            run,
            metrics.transform(as_reliability).transform(with_provenance, task=task, spec=RELIABILITY),
            reliability,
            where=where,
        )
        _replace(run, metrics.transform(with_provenance, task=task, spec=METRICS), _metrics(run), where=where)
    finally:
        metrics.unpersist()


def _replace(run: Run, rows: DataFrame, table: Table, *, where: str) -> None:
    for _ in range(_ATTEMPTS):
        try:
            replace_rows(rows.coalesce(1), table, where=where, tag=run.run_id)
        except STORAGE_FAULTS as error:
            if is_conflict(error):
                continue
            raise StorageError.failed("write", table.name, reason_of(error)) from error
        return
    raise StorageError.conflict(table.name, _ATTEMPTS)
