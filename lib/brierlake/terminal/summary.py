"""The summary as a person at a terminal wants it."""

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brierlake.summaries import (
    CandidatesSummary,
    DiagnoseSummary,
    InitSummary,
    MaintainSummary,
    PlannedSummary,
    PromoteSummary,
    RecalibrateSummary,
    RegisterSummary,
    ReportSummary,
    ResultsSummary,
    RunsSummary,
    ScoreSummary,
    ShowSummary,
    Summary,
)
from brierlake.summary_parts import (
    RegistrationPart,
    TablePart,
)
from brierlake.terminal.diagnosis_facts import challenger_text, label_facts, metrics_table, reading
from brierlake.terminal.facts import Fact, number
from brierlake.terminal.listings import print_candidates, print_runs, print_window
from brierlake.terminal.recalibrating import maps_table, recalibration_facts
from brierlake.terminal.scoring_facts import checked_facts, gate_facts, held_facts, model_facts, row_facts

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
        console.print(metrics_table(summary.diagnostics.months, summary.diagnostics.total))
        console.print(Text(reading(summary.diagnostics.total), style="dim"))


def _facts(summary: Summary) -> Iterable[Fact]:
    if isinstance(summary, PromoteSummary):
        yield from (("alias", _move(summary)), ("why", summary.reason))
    if isinstance(summary, RecalibrateSummary):
        yield from recalibration_facts(summary)
    if isinstance(summary, PlannedSummary):
        yield from model_facts(summary)
        yield from row_facts(summary)
        yield from checked_facts(summary)
    if isinstance(summary, ScoreSummary | DiagnoseSummary):
        yield from gate_facts(summary.breaches)
        if isinstance(summary, ScoreSummary):
            yield from held_facts(summary)
        if summary.diagnostics:
            yield from label_facts(summary.diagnostics)
        if summary.challenger:
            yield "challenger", challenger_text(summary.challenger)


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
        table.add_row(*names, version, number(row.value, 4), Text(told))
    return table


def _move(summary: PromoteSummary) -> str:
    """Which version the alias was given to, and which one had it."""
    if summary.model is None:
        return f"{summary.alias} stays as it is"
    old = "none" if summary.version_before is None else f"version {summary.version_before}"
    new = f"version {summary.version}"
    moved = f"is {new} already" if summary.status == "unchanged" else f"{old} -> {new}"
    return f"{summary.alias} of {summary.model}: {moved}"


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
