"""The summary as a person at a terminal wants it."""

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brierlake.brier import is_meaningful
from brierlake.brier.evidence import describe_evidence, is_evident
from brierlake.summaries import (
    BreachPart,
    CandidatesSummary,
    ChallengerPart,
    DiagnoseSummary,
    DiagnosticsPart,
    InitSummary,
    LabelsPart,
    MaintainSummary,
    MetricsPart,
    PlannedSummary,
    PlanSummary,
    PromoteSummary,
    RecalibrateSummary,
    RegisterSummary,
    RegistrationPart,
    ReportSummary,
    ResultsSummary,
    RunsSummary,
    ScoreSummary,
    ShowSummary,
    Summary,
    TablePart,
)
from brierlake.terminal.listings import print_candidates, print_runs, print_window
from brierlake.terminal.recalibrating import maps_table, recalibration_facts

Fact = tuple[str, str]
"""A name and what is said of it."""

_SHOWN_BREACHES = 4
_SHOWN_CASTS, _SHOWN_PACKAGES = 3, 2
_MONTHS, _ISSUES, _WIDEST = 6, 1, 52
"""What fits into 24 lines of 80 columns."""
_NOTEBOOK_COLUMNS = 100
_PRE = '<pre style="font-family: monospace; line-height: 1.35; white-space: pre">{code}</pre>'
_STATUS = {
    "published": "green",
    "unchanged": "cyan",
    "diagnosed": "green",
    "planned": "cyan",
    "answered": "cyan",
    "held": "red",
    "written": "green",
    "nothing_to_win": "cyan",
}
_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "not_distinguishable": "not distinguishable yet",
    "too_few_labels": "too few labels yet",
    "in_sample": "one of them was trained on these windows",
    "no_windows": "nothing has a time, so nothing tells what came after the training",
}


def print_summary(summary: Summary, console: Console) -> None:
    """Print any command's summary."""
    match summary:
        case RunsSummary():
            print_runs(summary, console)
        case CandidatesSummary():
            print_candidates(summary, console)
        case ShowSummary():
            print_window(summary, console)
        case InitSummary():
            console.print(f"Wrote {summary.output}. Next: brierlake plan --config {summary.output}", soft_wrap=True)
        case _:
            _print_work(summary, console)


def render_html(summary: Summary) -> str:
    """Return the same as HTML, for a notebook."""
    console = Console(record=True, width=_NOTEBOOK_COLUMNS, file=StringIO(), highlight=False)
    print_summary(summary, console)
    return console.export_html(inline_styles=True, code_format=_PRE)


def _print_work(summary: Summary, console: Console) -> None:
    """Print what a command did: a title, facts, and a table."""
    console.print(
        Text.assemble(
            ("brierlake ", "bold"),
            f"{summary.action} ",
            (summary.job, "bold"),
            "  ",
            (summary.status.replace("_", " "), f"bold {_STATUS.get(summary.status, 'red')}"),
        )
    )
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(summary):
        facts.add_row(name, Text(text))  # text would be read as markup
    console.print(facts)
    for name, text in _result_facts(summary):  # in one line each: paths and addresses are there to be copied
        console.print(Text.assemble((f"{name:<9}", "dim"), text), soft_wrap=True)
    if isinstance(summary, MaintainSummary):
        console.print(_tables_table(summary.tables))
    if isinstance(summary, RegisterSummary):
        console.print(_runs_table(summary.runs))
    if isinstance(summary, RecalibrateSummary):
        console.print(maps_table(summary))
    if isinstance(summary, ScoreSummary | DiagnoseSummary) and summary.diagnostics and summary.diagnostics.total:
        console.print(_metrics_table(summary.diagnostics.months, summary.diagnostics.total))
        console.print(Text(_reading(summary.diagnostics.total), style="dim"))


def _facts(summary: Summary) -> Iterable[Fact]:
    if isinstance(summary, PromoteSummary):
        yield from (("alias", _move(summary)), ("why", summary.reason))
    if isinstance(summary, RecalibrateSummary):
        yield from recalibration_facts(summary)
    if isinstance(summary, PlannedSummary):
        yield from _model_facts(summary)
        yield from _row_facts(summary)
        yield from _checked_facts(summary)
    if isinstance(summary, ScoreSummary | DiagnoseSummary):
        yield from _gate_facts(summary.breaches)
        if isinstance(summary, ScoreSummary):
            yield from _held_facts(summary)
        if summary.diagnostics:
            yield from _label_facts(summary.diagnostics)
        if summary.challenger:
            yield "challenger", _challenger_text(summary.challenger)


def _tables_table(tables: Sequence[TablePart]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for name in ("table", "files before", "after", "MB"):
        table.add_column(name, justify="left" if name == "table" else "right", overflow="fold")
    for row in tables:
        table.add_row(Text(row.table), f"{row.files_before:,}", f"{row.files_after:,}", f"{row.bytes / 1e6:.1f}")
    return table


def _runs_table(runs: Sequence[RegistrationPart]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for name in ("run", "model", "version", "value", ""):
        table.add_column(name, justify="right" if name in ("version", "value") else "left", overflow="fold")
    for row in runs:
        version = "" if row.model_version is None else str(row.model_version)
        told = "registered" if row.is_registered else row.reason or ""
        names = (Text(row.run_name), Text(row.model_name or ""))
        table.add_row(*names, version, _number(row.value, 4), Text(told))
    return table


def _model_facts(summary: PlannedSummary) -> Iterable[Fact]:
    model = summary.model
    if model.recalibrates:
        yield "model", f"{model.name} version {model.version} = {model.recalibrates}"
        return
    if model.value is None:
        yield "model", f"{model.name} version {model.version} (pinned)"
        return
    text = f"{model.name} version {model.version}, {model.metric} {model.value:.4f}"
    others = [each for each in summary.candidates if not each.is_selected]
    yield "model", text + (f", the best of {summary.eligible_count} eligible versions" if others else "")
    if others:
        following = ", ".join(f"{each.model_name} {each.model_version} {_number(each.value, 4)}" for each in others[:3])
        yield "next", following + (" (tied)" if others[0].is_tied else "")


def _move(summary: PromoteSummary) -> str:
    """Which version the alias was given to, and which one had it."""
    if summary.model is None:
        return f"{summary.alias} stays as it is"
    old = "none" if summary.version_before is None else f"version {summary.version_before}"
    new = f"version {summary.version}"
    moved = f"is {new} already" if summary.status == "unchanged" else f"{old} -> {new}"
    return f"{summary.alias} of {summary.model}: {moved}"


def _checked_facts(summary: PlannedSummary) -> Iterable[Fact]:
    """The contract, where it is all that a plan has to show; and packages that aren't what the model asks for."""
    if summary.features and summary.status == "planned":
        casts = ", ".join(f"{name} to {kind}" for name, kind in list((summary.casts or {}).items())[:_SHOWN_CASTS])
        yield "features", f"{len(summary.features):,} fit the model{f'; cast: {casts}' if casts else ''}"
    for each in (summary.environment or [])[:_SHOWN_PACKAGES]:
        there = f"driver {each.driver or 'none'}, executors {each.executors or 'none'}"
        yield "package", f"{each.package}: the model asks for {each.required or 'any'}; {there}"


def _row_facts(summary: PlannedSummary) -> Iterable[Fact]:
    stale, current = summary.windows_stale, summary.windows_current
    verb = "to score" if summary.status == "planned" else "scored"
    yield "windows", f"{stale:,} {verb}, {current:,} already current (scope {summary.scope})"
    if emptied := summary.windows_emptied:
        shown = f"{', '.join(emptied[:3])}{' …' if len(emptied) > 3 else ''}"
        yield "", f"{len(emptied):,} of them emptied, as the features hold no row of them: {shown}"
    if isinstance(summary, PlanSummary):
        yield from (("table", f"{name}: {text}") for name, text in summary.table_changes.items())
    if stale and isinstance(summary, ScoreSummary):
        counts = f"{summary.rows_in:,} in, {summary.rows_scored:,} scored, {summary.rows_with_issue:,} with an issue"
        version = summary.predictions_version
        yield "rows", counts + (f"; predictions version {version}" if version is not None else "")
        yield from _issue_facts(summary.issues, summary.issue_examples)
    elif stale:
        yield "rows", f"{summary.rows_in:,} to score"


def _gate_facts(breaches: Sequence[BreachPart]) -> Iterable[Fact]:
    yield from (("gate", _breach_text(each)) for each in breaches[:_SHOWN_BREACHES])
    if len(breaches) > _SHOWN_BREACHES:
        yield "", f"and {len(breaches) - _SHOWN_BREACHES} more"


def _held_facts(summary: ScoreSummary) -> Iterable[Fact]:
    if held := summary.held_windows:
        yield "held", f"{', '.join(held[:3])}{' …' if len(held) > 3 else ''}: not published; --accept does"
    if summary.is_accepted:
        yield "accepted", "published in spite of the breaches, as --accept asks"


def _breach_text(breach: BreachPart) -> str:
    where = f"{breach.window} {breach.slice_value or ''}".strip()
    return f"{breach.gate}: {breach.value:.4g} in {where}"


def _issue_facts(issues: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> Iterable[Fact]:
    ordered = sorted(issues.items(), key=lambda each: (-each[1], each[0]))
    for text, n in ordered[:_ISSUES]:
        yield "issue", f"{text[:_WIDEST]}: {n:,} {'row' if n == 1 else 'rows'}"
        if keys := "; ".join(examples.get(text, ())):
            yield "", f"such as {keys if len(keys) <= _WIDEST else keys[: _WIDEST - 1] + '…'}"
    if rest := ordered[_ISSUES:]:
        kinds = "kind" if len(rest) == 1 else "kinds"
        yield "", f"{len(rest)} further {kinds} of issue: {sum(n for _, n in rest):,} rows"


def _label_facts(diagnostics: DiagnosticsPart) -> Iterable[Fact]:
    total = diagnostics.total
    if not total:
        return
    coverage = "none of the rows" if not total.coverage else f"{total.coverage:.1%} of the rows"
    why = ", ".join(diagnostics.reasons)
    again = (
        f"as of {diagnostics.as_of.isoformat()}"
        if diagnostics.as_of
        else f"{diagnostics.windows:,} windows diagnosed again{f' ({why})' if why else ''}"
    )
    yield "labels", f"known for {coverage}; {again}"
    yield from _odd_labels(diagnostics.labels)
    flagged = diagnostics.flagged
    yield from (("warning", text) for text in diagnostics.warnings)
    yield from _estimate_facts(diagnostics)
    yield from _decision_facts(diagnostics)
    yield from _evidence_facts(total)
    yield from (("flagged", f"{each.window_start or 'no time'}: {each.reason}") for each in flagged[:2])
    if len(flagged) > 2:
        yield "", f"and {len(flagged) - 2:,} more windows"


def _estimate_facts(diagnostics: DiagnosticsPart) -> Iterable[Fact]:
    if not diagnostics.estimates:
        return
    last = diagnostics.estimates[-1]
    off = "" if last.estimate_error is None else f"; such estimates were off by {last.estimate_error:.4f}"
    yield "estimated", f"{last.window_start}: Brier {last.estimated_brier:.4f}, for its labels aren't complete{off}"


def _decision_facts(diagnostics: DiagnosticsPart) -> Iterable[Fact]:
    total = diagnostics.total
    if diagnostics.threshold is None or total is None or total.net_benefit is None:
        return
    acting = f"net benefit {total.net_benefit:.4f} a row, {_number(total.net_benefit_all, 4)} on all rows"
    yield "decision", f"acting from {diagnostics.threshold:.3g} on: {acting}, 0 on none"


def _evidence_facts(total: MetricsPart) -> Iterable[Fact]:
    """What all windows together say of the calibration."""
    if total.evidence_status == "correlated":
        yield "calibration", "no evidence yet: windows hang together, and too few blocks of them don't"
    if total.evidence_status != "ok":
        return
    found = describe_evidence(total.log_e_value, total.n_windows)
    words = "miscalibrated" if is_evident(total.log_e_value) else "no miscalibration found"
    yield "calibration", f"{words} ({found})"
    if total.changed_since:
        yield "", f"it has changed, probably since {total.changed_since}"


def _odd_labels(labels: LabelsPart | None) -> Iterable[Fact]:
    if labels is None:
        return
    for n, text in (
        (labels.superseded, "replaced by a later label of the same key"),
        (labels.without_prediction, "keys have a label and no prediction"),
        (labels.in_several_windows, "keys are predicted in several windows"),
    ):
        if n:
            yield "", f"{n:,} {text}"


def _challenger_text(challenger: ChallengerPart) -> str:
    total = challenger.total
    if challenger.status == "failed":
        return f"failed, the champion isn't touched by it: {challenger.error}"
    if total is None:
        return "no eligible version comes after the champion" if challenger.status == "absent" else "-"
    name, version = total.challenger_name, total.challenger_version
    text = f"{name} version {version}" if version is not None else f"several versions{f' of {name}' if name else ''}"
    if total.difference is None:
        return f"{text}: no labels yet"
    scores = f"Brier {_number(total.brier_challenger, 4)} against {_number(total.brier_champion, 4)}"
    found = describe_evidence(total.log_e_value, total.n_windows)
    left_out = (
        f"; {total.n_in_sample:,} windows left out, from before the end of a training" if total.n_in_sample else ""
    )
    changed = f"; the difference has changed, found on {total.changed_on}" if total.changed_on else ""
    return f"{text}: {scores}, {total.difference:+.4f}: {_VERDICTS[total.verdict]} ({found}{left_out}){changed}"


def _result_facts(summary: Summary) -> Iterable[Fact]:
    """Where else the results are, and what went wrong on the way there."""
    if isinstance(summary, ReportSummary | ResultsSummary) and summary.report:
        yield "report", summary.report
    if isinstance(summary, ResultsSummary):
        if summary.mlflow:
            yield "mlflow", summary.mlflow
        yield from (("note", text) for text in summary.notes)
        if summary.seconds:
            yield "seconds", ", ".join(f"{step} {seconds:,.1f}" for step, seconds in summary.seconds.items())


def _metrics_table(months: Sequence[MetricsPart], total: MetricsPart) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("month", no_wrap=True)
    for name in ("rows", "labels", "Brier", "95 %", "expected", "base rate", "mean p", "skill"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in months[-_MONTHS:]:
        table.add_row(*_metric_cells(f"{row.window_start:%Y-%m}" if row.window_start else "no time", row))
    table.add_row(*_metric_cells("all", total), style="bold")
    return table


def _metric_cells(name: str, row: MetricsPart) -> list[str]:
    low, high = row.brier_low, row.brier_high
    interval = f"{low:.4f}-{high:.4f}" if low is not None and high is not None else row.interval_status or ""
    return [
        name,
        f"{row.n_rows:,}",
        _share(row.coverage) if row.label_status != "complete" else "all",
        _number(row.brier, 4),
        interval,
        _number(row.expected_brier, 4),
        _number(row.base_rate, 3),
        _number(row.mean_probability, 3),
        _number(row.skill, 3) if is_meaningful(vars(row), "skill") else "few",
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _reading(total: MetricsPart) -> str:
    text = (
        "Brier: smaller is better, beside the base rate. Expected: what it would be if calibrated. "
        "Skill: 1 is perfect, 0 no better than the base rate; few: too few events to tell."
    )
    if total.label_status == "preliminary":
        text += " Early labels are a biased sample: months that aren't fully labelled are preliminary."
    return text
