"""Diagnose: predictions of the windows that changed, with the labels known so far, to cells, to metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Any

from brierlake.brier.meaning import FEWEST_CLUSTERS
from brierlake.brier.outliers import Outlier, find_outliers
from brierlake.config import AUTO
from brierlake.diagnosis.computing import compute_answer, write_diagnostics
from brierlake.diagnosis.gates import Breach, check_published, gate_facts
from brierlake.diagnosis.pooling import pool_figures
from brierlake.diagnosis.recomputation import Recomputation, Subject, open_subject
from brierlake.diagnosis.stale import find_stale_windows, has_strange
from brierlake.errors import BrierlakeError, ConfigError, GateError
from brierlake.lakehouse.diagnostics import Figures, find_provenances, read_published
from brierlake.lakehouse.label_checks import validate_label_types
from brierlake.lakehouse.labels import LabelCounts, count_labels
from brierlake.lakehouse.predictions import WindowState, read_window_states
from brierlake.lakehouse.tables import is_there, pin_table, read_table
from brierlake.lakehouse.windows import Scope, Window, whole_months
from brierlake.run.context import Run, Say
from brierlake.run.ledger import record_failure, record_run
from brierlake.run.training_ends import gather_trained
from brierlake.summary_parts import DiagnosticsPart, EstimatePart, FlagPart, LabelsPart, MetricsPart

_CERTAIN = 0.01
"""Expected Brier score below which a model is nearly certain of every row."""


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnose run did: the windows that it recomputed, and the figures as published afterwards."""

    windows: tuple[Window, ...]
    labels_version: int | None
    figures: tuple[Figures, ...] = ()
    """Metrics as published, over all rows: of the scope's windows, of all months, and the total; in order of time."""
    labels: LabelCounts | None = None
    """What the whole labels table says beside the predictions; None: not counted."""
    as_of: datetime | None = None
    """Set where this answers for a time in the past, for the scope's windows only: nothing was written."""
    flagged: tuple[Outlier, ...] = ()
    """Windows of the scope whose scores stand out."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why windows were recomputed, and how many for each reason."""
    breaches: tuple[Breach, ...] = ()
    """What the gates say; filled by `diagnose_and_record`, not where it is a part of a score run."""
    cluster: str | None = AUTO
    """As `diagnostics.cluster` has it."""
    threshold: float | None = None
    """Where decisions are made; None: none are."""

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
        own = set(self.windows)
        rows = [row for row in self.figures if row["grain"] == "window" and row["window_start"] in own]
        return pool_figures(rows, is_by_window=self.cluster == AUTO)


def diagnose_and_record(run: Run, *, scope: Scope, is_forced: bool = False) -> Diagnosis:
    """Recompute the diagnostics of the windows whose predictions or labels changed, and record the run.

    Without labels in the config it is the label-free half: expected scores and drift.

    Raises:
        ContractError: The labels lack a column, hold an unknown class, or contradict each other.
        StorageError: There are no predictions yet, or a table can't be read or written.
    """
    try:
        with run.timed("diagnose"):
            subject = _open_published(run)
            diagnosis = diagnose_windows(subject, scope=scope, is_forced=is_forced, say=run.say)
            if diagnosis.windows and scope.is_full:
                diagnosis = replace(diagnosis, labels=_count_labels(subject))
            diagnosis = replace(diagnosis, breaches=_check_gates(run, diagnosis))
    except BrierlakeError as error:
        record_failure(run, action="diagnose", error=error)
        raise
    if diagnosis.windows:
        with run.timed("record"):
            _record(run, diagnosis, scope=scope)
    return diagnosis


def answer(run: Run, *, scope: Scope, as_of: datetime) -> Diagnosis:
    """Answer for a time in the past, by the labels known then, and write nothing.

    Raises:
        ConfigError: `as_of` lies in the future, or the labels don't say since when they are known.
        ContractError: The labels lack a column, hold an unknown class, or contradict each other.
        StorageError: There are no predictions yet, or a table can't be read.
    """
    if as_of > run.started_at:
        raise ConfigError.as_of_in_future(as_of)
    if run.config.labels is not None and run.config.labels.known_at is None:
        raise ConfigError.as_of_needs_times()
    subject = _open_published(run)
    _validate_label_types(subject)
    states = read_window_states(subject.predictions, scope=scope)
    recomputation = Recomputation(subject=subject, states=states, known={}, stale=tuple(states), as_of=as_of)
    figures = _in_order(compute_answer(recomputation)) if states else ()
    return Diagnosis(
        windows=(),
        labels_version=subject.labels.pin.version if subject.labels else None,
        figures=figures,
        flagged=tuple(_find_flagged(figures, subject)),
        as_of=as_of,
        threshold=subject.threshold,
    )


def _find_flagged(figures: Iterable[Figures], subject: Subject) -> list[Outlier]:
    windows = [row for row in figures if row["grain"] == "window"]
    return find_outliers(windows, drift_alert=subject.settings.drift_alert)


def _open_published(run: Run) -> Subject:
    run.look_at_size(pin_table(run.lake.predictions, setting="lakehouse.tables.predictions; `score` makes it:"))
    return open_subject(run, find_trained=partial(gather_trained, run))


def diagnose_windows(
    subject: Subject,
    *,
    scope: Scope,
    say: Say,
    is_forced: bool = False,
    states: Mapping[Window, WindowState] | None = None,
) -> Diagnosis:
    """Recompute what changed, and record nothing: a part of a score run.

    Args:
        states: What the scope's windows hold, where that is known already.
    """
    published = read_published(subject.lake.metrics, job=subject.stamp.job, role=subject.role)
    _validate_label_types(subject)
    recomputation, reasons = _plan(subject, published, scope=scope, is_forced=is_forced, states=states, say=say)
    if recomputation.stale:
        say(f"Diagnosing {len(recomputation.stale):,} windows")
        published = _replaced(published, write_diagnostics(recomputation, say=say), recomputation)
    return Diagnosis(
        windows=recomputation.stale,
        labels_version=subject.labels.pin.version if subject.labels else None,
        figures=_in_order(row for row in published if row["grain"] != "window" or scope.has(row["window_start"])),
        flagged=tuple(each for each in _find_flagged(published, subject) if scope.has(each.window_start)),
        reasons=reasons,
        cluster=subject.settings.cluster,
        threshold=subject.threshold,
    )


def _plan(
    subject: Subject,
    published: Iterable[Figures],
    *,
    scope: Scope,
    is_forced: bool,
    states: Mapping[Window, WindowState] | None,
    say: Say,
) -> tuple[Recomputation, Mapping[str, int]]:
    """Return what is to be recomputed, and for how many windows each reason holds."""
    known = find_provenances(published)
    # sums of several windows mean nothing where some are by other settings, or other labels: all are made anew
    if has_strange(subject, known):
        scope, states = Scope(), None
    if states is None or whole_months(scope) != scope:
        states = read_window_states(subject.predictions, scope=whole_months(scope))
    reasons = find_stale_windows(subject, known, states, scope=scope, is_forced=is_forced, say=say)
    recomputation = Recomputation(
        subject=subject,
        states=states,
        known=known,
        stale=tuple(sorted(reasons, key=str)),
        as_of=subject.stamp.at,
    )
    return recomputation, Counter(reasons.values())


def _validate_label_types(subject: Subject) -> None:
    if subject.labels is not None and is_there(subject.predictions):
        validate_label_types(subject.labels, keyed=read_table(subject.predictions).schema)


def _replaced(before: Iterable[Figures], fresh: Iterable[Figures], recomputation: Recomputation) -> list[Figures]:
    """What the metrics table holds as published after these were written."""
    own = {("all", None), *((grain, each) for grain in ("window", "month") for each in recomputation.computed(grain))}
    return [*(row for row in before if (row["grain"], row["window_start"]) not in own), *fresh]


def _in_order(figures: Iterable[Figures]) -> tuple[Figures, ...]:
    return tuple(sorted(figures, key=lambda row: row["window_start"] or date.min))


def _check_gates(run: Run, diagnosis: Diagnosis) -> tuple[Breach, ...]:
    """What the gates say of the windows diagnosed now; where there are none, of those that were diagnosed last."""
    if not run.config.gates:
        return ()
    windows = set(diagnosis.windows)
    rows = [row for row in diagnosis.figures if row["grain"] == "window"]
    if not windows and rows:
        latest = max(row["run_id"] for row in rows)
        windows = {row["window_start"] for row in rows if row["run_id"] == latest}
    return check_published(run.lake.metrics, run.config.gates, job=run.config.job, windows=windows)


def _count_labels(subject: Subject) -> LabelCounts | None:
    labels = subject.labels
    if labels is None or labels.config.table is None:
        return None
    return count_labels(labels, predictions=read_table(subject.predictions), as_of=subject.stamp.at)


def _record(run: Run, diagnosis: Diagnosis, *, scope: Scope) -> None:
    days = [window for window in diagnosis.windows if window is not None]
    facts = {
        "scope": str(scope),
        "window_count": len(diagnosis.windows),
        "first_window": min(days, default=None),
        "last_window": max(days, default=None),
        "predictions_table": run.lake.predictions.name,
        "labels_version": diagnosis.labels_version,
        **diagnosis.headline,
        "gates": gate_facts(run.config.gates, diagnosis.breaches, held=(), is_accepted=False),
    }
    record_run(run, action="diagnose", status="published", exit_code=diagnosis.exit_code, facts=facts)


def describe_diagnosis(diagnosis: Diagnosis) -> DiagnosticsPart:
    """Return the part of a summary that tells of the diagnostics."""
    return DiagnosticsPart(
        windows=len(diagnosis.windows),
        reasons=dict(diagnosis.reasons),
        labels_version=diagnosis.labels_version,
        labels=LabelsPart(**vars(diagnosis.labels)) if diagnosis.labels else None,
        as_of=diagnosis.as_of,
        warnings=_find_warnings(diagnosis.total),
        flagged=[_flag_part(each) for each in diagnosis.flagged],
        months=[_metrics_part(row) for row in diagnosis.months],
        total=_metrics_part(diagnosis.total) if diagnosis.total else None,
        estimates=[_estimate_part(row) for row in diagnosis.figures if row.get("estimated_brier") is not None],
        threshold=diagnosis.threshold,
    )


def _estimate_part(row: Figures) -> EstimatePart:
    return EstimatePart(**{name: row[name] for name in EstimatePart.model_fields})


def _find_warnings(total: Figures) -> list[str]:
    """What a reader of the figures must know to conclude from them."""
    if not total or not total["n_labelled"]:
        return []
    warnings = []
    if total["se_kind"] == "independent":
        warnings.append(
            f"Rows are taken as independent: there are labels of fewer than {FEWEST_CLUSTERS} days (clusters). Where "
            "rows share their errors, as those of a day do, errors are too small"
        )
    if left_out := total.get("n_in_sample"):
        what = "No window counts" if total["evidence_status"] == "in_sample" else f"{left_out:,} windows don't count"
        warnings.append(
            f"{what} as evidence: as far as is known, they are from before the end of the training. Log it with "
            "log_features(..., trained_until=...), tag the version brierlake.trained_until, or set model.trained_until"
        )
    return warnings


def _flag_part(outlier: Outlier) -> FlagPart:
    row = outlier.row
    parts = [
        f"{name.replace('_', ' ')} {row[name]:.3f} (usually {outlier.usual[name]:.3f})" for name in outlier.distances
    ]
    if outlier.has_drifted:
        parts.append(f"scores moved by {row['drift_js']:.2f} from the reference")
    certain = ": nearly certain of every row" if row["expected_brier"] < _CERTAIN else ""
    return FlagPart(
        window_start=row["window_start"],
        reason=", ".join(parts) + certain,
        **{name: row[name] for name in ("drift_js", "drift_psi", "mean_probability", "expected_brier")},
    )


def _metrics_part(row: Figures) -> MetricsPart:
    return MetricsPart.model_validate({name: row.get(name) for name in MetricsPart.model_fields})
