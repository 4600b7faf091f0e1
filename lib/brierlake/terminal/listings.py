"""Tables and windows as a person at a terminal wants them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brierlake.page.words import DASH, between, count, interval, number, share
from brierlake.summaries import CandidatesSummary, RunsSummary, ShowSummary

_MARKS = {"good": ("✓", "green"), "watch": ("!", "yellow"), "bad": ("✗", "red"), "unknown": ("?", "dim")}
_STATUS = {"published": "green", "failed": "red", "held": "yellow"}


def _table(columns: Sequence[str], *, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def print_runs(listing: RunsSummary, console: Console) -> None:
    right = ("windows", "rows", "Brier", "base rate")
    table = _table(("started (UTC)", "what", "status", "version", *right), right=right)
    for row in listing.rows:
        version = f"{row['model_name']} {row['model_version']}" if row["model_name"] else DASH
        figures = [count(row["window_count"]), count(row["rows_in"]), number(row["brier"], 4), number(row["base_rate"])]
        status = Text(row["status"], style=_STATUS.get(row["status"], ""))
        table.add_row(
            row["started_at"][:16],
            Text(f"{row['action']} {row['scope'] or ''}".strip()),
            status,
            Text(version),
            *figures,
        )
    console.print(table)
    for row in listing.rows:
        if row["error"]:
            console.print(Text(f"{row['started_at'][:16]}  {row['error']}", style="dim"))


def print_candidates(listing: CandidatesSummary, console: Console) -> None:
    rows = listing.rows
    console.print(Text(f"looked at by run {rows[0]['run_id']}, {rows[0]['looked_at']} UTC", style="dim"))
    right = ("rank", "step", rows[0]["metric_name"] or "value")
    table = _table(("rank", "version", right[2], "step", "logged (UTC)", ""), right=right)
    for row in rows:
        told = "chosen" if row["is_selected"] else row["reason"] or ("tied" if row["is_tied"] else "")
        if row["is_selected"] and row.get("recalibrates"):
            told = f"chosen: {row['recalibrates']}"
        style = "bold" if row["is_selected"] else "" if row["is_eligible"] else "dim"
        version = f"{row['model_name']} {row['model_version']}"
        logged_at = (row["logged_at"] or DASH)[:16]
        table.add_row(
            count(row["rank"]),
            Text(version),
            number(row["value"], 4),
            count(row["step"]),
            logged_at,
            Text(told),
            style=style,
        )
    console.print(table)


def print_window(listing: ShowSummary, console: Console) -> None:
    row, verdict = listing.metrics, listing.verdict
    mark, style = _MARKS[verdict.level]
    console.print(Text.assemble((f"{listing.window} ", "bold"), (f"{mark} {verdict.words}", f"bold {style}")))
    console.print(Text(verdict.reason))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for made in listing.made_by:
        of = f" = {made['recalibrates']}" if made.get("recalibrates") else ""
        version = f"{made['model_name']} {made['model_version']}{of}, features version {made['features_version']}"
        facts.add_row("made by", Text(f"{version}, run {made['run_id']}: {count(made['rows'])} rows"))
    issues = (row["n_rows"] or 0) - (row["n_scored"] or 0)
    facts.add_row("rows", f"{count(row['n_rows'])}, of which {count(issues)} with an issue")
    facts.add_row("labels", f"{count(row['n_labelled'])} known ({share(row['coverage'])})")
    facts.add_row("Brier", f"{number(row['brier'], 4)}, {interval(row)}; expected {number(row['expected_brier'], 4)}")
    facts.add_row("base rate", f"{number(row['base_rate'])}; mean probability {number(row['mean_probability'])}")
    facts.add_row("skill", between(row["skill"], row.get("skill_low"), row.get("skill_high")))
    facts.add_row("drift", f"Jensen-Shannon {number(row['drift_js'])}, PSI {number(row['drift_psi'])}")
    console.print(facts)
    if listing.months:
        console.print(_months(listing.months))


def _months(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = ("rows", "labels", "Brier", "expected", "base rate", "mean p")
    table = _table(("month", *names), right=names)
    for row in rows:
        figures = [number(row[name], 4) for name in ("brier", "expected_brier")]
        rates = [number(row[name]) for name in ("base_rate", "mean_probability")]
        table.add_row(str(row["window_start"])[:7], count(row["n_rows"]), share(row["coverage"]), *figures, *rates)
    return table
