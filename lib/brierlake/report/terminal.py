"""The summary as a person at a terminal wants it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brierlake.report.verdicts import is_meant

_SHOWN_BREACHES = 4
_SHOWN_CASTS, _SHOWN_PACKAGES = 3, 2
_MONTHS, _ISSUES, _WIDEST = 6, 1, 52
"""What fits into 24 lines of 80 columns."""
_STATUS = {
    "published": "green",
    "unchanged": "cyan",
    "diagnosed": "green",
    "planned": "cyan",
    "answered": "cyan",
    "held": "red",
    "written": "green",
}
_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "not_distinguishable": "not distinguishable yet",
    "too_few_labels": "too few labels yet",
}


def print_summary(summary: Mapping[str, Any], console: Console) -> None:
    """Prints a score, diagnose or plan summary; see `brierlake.jobs.summary` for what it holds."""
    status = summary["status"]
    title = Text.assemble(
        ("brierlake ", "bold"),
        f"{summary['action']} ",
        (summary["job"], "bold"),
        "  ",
        (status, f"bold {_STATUS.get(status, 'red')}"),
    )
    console.print(title)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in [
        *_model_facts(summary),
        *_row_facts(summary),
        *_checked_facts(summary),
        *_gate_facts(summary),
        *_label_facts(summary),
        *_challenger_facts(summary),
    ]:
        facts.add_row(name, Text(text))  # text would be read as markup
    console.print(facts)
    for name, text in _result_facts(summary):  # in one line each: paths and addresses are there to be copied
        console.print(Text.assemble((f"{name:<9}", "dim"), text), soft_wrap=True)
    if "tables" in summary:
        console.print(_tables_table(summary["tables"]))
    if "runs" in summary:
        console.print(_runs_table(summary["runs"]))
    diagnostics = summary.get("diagnostics")
    if diagnostics and diagnostics["total"]:
        console.print(_metrics_table(diagnostics["months"], diagnostics["total"]))
        console.print(Text(_reading(diagnostics["total"]), style="dim"))


def _tables_table(tables: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for name in ("table", "files before", "after", "MB"):
        table.add_column(name, justify="left" if name == "table" else "right", overflow="fold")
    for row in tables:
        size = f"{row['bytes'] / 1e6:.1f}"
        table.add_row(Text(row["table"]), f"{row['files_before']:,}", f"{row['files_after']:,}", size)
    return table


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for name in ("run", "model", "version", "value", ""):
        table.add_column(name, justify="right" if name in ("version", "value") else "left", overflow="fold")
    for row in runs:
        version = "" if row["model_version"] is None else str(row["model_version"])
        told = "registered" if row["is_registered"] else row["reason"] or ""
        names = (Text(row["run_name"]), Text(row["model_name"] or ""))
        table.add_row(*names, version, _number(row["value"], 4), Text(told))
    return table


def _model_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "alias" in summary:
        return [("alias", _move(summary)), ("why", summary["reason"])]
    model = summary.get("model")
    if model is None:
        return []
    if model["value"] is None:
        return [("model", f"{model['name']} version {model['version']} (pinned)")]
    text = f"{model['name']} version {model['version']}, {model['metric']} {model['value']:.4f}"
    others = [each for each in summary["candidates"] if not each["is_selected"]]
    rest = f", the best of {summary['eligible_count']} eligible versions" if others else ""
    facts = [("model", text + rest)]
    if others:
        following = ", ".join(
            f"{each['model_name']} {each['model_version']} {each['value']:.4f}" for each in others[:3]
        )
        facts.append(("next", following + (" (tied)" if others[0]["is_tied"] else "")))
    return facts


def _move(summary: Mapping[str, Any]) -> str:
    """Which version the alias was given to, and which one had it."""
    if summary["model"] is None:
        return f"{summary['alias']} stays as it is"
    old = "none" if summary["version_before"] is None else f"version {summary['version_before']}"
    new = f"version {summary['version']}"
    moved = f"is {new} already" if summary["status"] == "unchanged" else f"{old} -> {new}"
    return f"{summary['alias']} of {summary['model']}: {moved}"


def _checked_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The contract, where it is all that a plan has to show; and packages that aren't what the model asks for."""
    facts, features = [], summary.get("features")
    if features and summary["status"] == "planned":
        casts = ", ".join(f"{name} to {kind}" for name, kind in list(summary["casts"].items())[:_SHOWN_CASTS])
        facts.append(("features", f"{len(features):,} fit the model{f'; cast: {casts}' if casts else ''}"))
    for each in (summary.get("environment") or [])[:_SHOWN_PACKAGES]:
        there = f"driver {each['driver'] or 'none'}, executors {each['executors'] or 'none'}"
        facts.append(("package", f"{each['package']}: the model asks for {each['required'] or 'any'}; {there}"))
    return facts


def _row_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "windows_stale" not in summary:
        return []
    stale, current = summary["windows_stale"], summary["windows_current"]
    verb = "to score" if summary["status"] == "planned" else "scored"
    facts = [("windows", f"{stale:,} {verb}, {current:,} already current (scope {summary['scope']})")]
    if emptied := summary.get("windows_emptied"):
        shown = f"{', '.join(emptied[:3])}{' …' if len(emptied) > 3 else ''}"
        facts.append(("", f"{len(emptied):,} of them emptied, as the features hold no row of them: {shown}"))
    facts += [("table", f"{name}: {text}") for name, text in summary.get("table_changes", {}).items()]
    if stale and "rows_scored" in summary:
        rows = [f"{summary[name]:,}" for name in ("rows_in", "rows_scored", "rows_with_issue")]
        counts = "{} in, {} scored, {} with an issue".format(*rows)
        version = summary["predictions_version"]
        facts.append(("rows", counts + (f"; predictions version {version}" if version is not None else "")))
        facts += _issue_facts(summary["issues"], summary["issue_examples"])
    elif stale:
        facts.append(("rows", f"{summary['rows_in']:,} to score"))
    return facts


def _gate_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    breaches, held = summary.get("breaches") or [], summary.get("held_windows") or []
    facts = [("gate", _breach_text(each)) for each in breaches[:_SHOWN_BREACHES]]
    if len(breaches) > _SHOWN_BREACHES:
        facts.append(("", f"and {len(breaches) - _SHOWN_BREACHES} more"))
    if held:
        facts.append(("held", f"{', '.join(held[:3])}{' …' if len(held) > 3 else ''}: not published; --accept does"))
    if summary.get("is_accepted"):
        facts.append(("accepted", "published in spite of the breaches, as --accept asks"))
    return facts


def _breach_text(breach: Mapping[str, Any]) -> str:
    where = f"{breach['window']} {breach['slice_value'] or ''}".strip()
    return f"{breach['gate']}: {breach['value']:.4g} in {where}"


def _issue_facts(issues: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    ordered = sorted(issues.items(), key=lambda each: (-each[1], each[0]))
    facts = []
    for text, n in ordered[:_ISSUES]:
        facts.append(("issue", f"{text[:_WIDEST]}: {n:,} {'row' if n == 1 else 'rows'}"))
        if keys := "; ".join(examples.get(text, ())):
            facts.append(("", f"such as {keys if len(keys) <= _WIDEST else keys[: _WIDEST - 1] + '…'}"))
    if rest := ordered[_ISSUES:]:
        kinds = "kind" if len(rest) == 1 else "kinds"
        facts.append(("", f"{len(rest)} further {kinds} of issue: {sum(n for _, n in rest):,} rows"))
    return facts


def _label_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    diagnostics = summary.get("diagnostics")
    if not diagnostics or not diagnostics["total"]:
        return []
    total = diagnostics["total"]
    coverage = "none of the rows" if not total["coverage"] else f"{total['coverage']:.1%} of the rows"
    why = ", ".join(diagnostics.get("reasons") or ())
    again = (
        f"as of {diagnostics['as_of']}"
        if diagnostics.get("as_of")
        else f"{diagnostics['windows']:,} windows diagnosed again{f' ({why})' if why else ''}"
    )
    return [("labels", f"known for {coverage}; {again}"), *_odd_labels(diagnostics.get("labels")), *_flags(diagnostics)]


def _challenger_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    challenger = summary.get("challenger")
    if not challenger:
        return []
    total = challenger["total"]
    if challenger["status"] == "failed":
        return [("challenger", f"failed, the champion isn't touched by it: {challenger['error']}")]
    if total is None:
        return [
            ("challenger", "no eligible version comes after the champion" if challenger["status"] == "absent" else "-")
        ]
    name, version = total["challenger_name"], total["challenger_version"]
    text = f"{name} version {version}" if version is not None else f"several versions{f' of {name}' if name else ''}"
    if total["difference"] is None:
        return [("challenger", f"{text}: no labels yet")]
    low, high = total["difference_low"], total["difference_high"]
    interval = "" if low is None else f" ({low:+.4f} to {high:+.4f})"
    scores = f"Brier {total['brier_challenger']:.4f} against {total['brier_champion']:.4f}"
    return [("challenger", f"{text}: {scores}, {total['difference']:+.4f}{interval}: {_VERDICTS[total['verdict']]}")]


def _odd_labels(labels: Mapping[str, int] | None) -> list[tuple[str, str]]:
    told = (
        ("superseded", "replaced by a later label of the same key"),
        ("without_prediction", "keys have a label and no prediction"),
        ("in_several_windows", "keys are predicted in several windows"),
    )
    return [("", f"{labels[name]:,} {text}") for name, text in told if labels[name]] if labels else []


def _flags(diagnostics: Mapping[str, Any]) -> list[tuple[str, str]]:
    flagged = diagnostics.get("flagged", [])
    shown = [("flagged", f"{each['window_start'] or 'no time'}: {each['reason']}") for each in flagged[:2]]
    return [*shown, ("", f"and {len(flagged) - 2:,} more windows")] if len(flagged) > 2 else shown


def _result_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where else the results are, and what went wrong on the way there."""
    facts = [(name, summary[name]) for name in ("report", "mlflow") if summary.get(name)]
    return facts + [("note", text) for text in summary.get("notes", ())]


def _metrics_table(months: Sequence[Mapping[str, Any]], total: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("month", no_wrap=True)
    for name in ("rows", "labels", "Brier", "95 %", "expected", "base rate", "mean p", "skill"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in months[-_MONTHS:]:
        table.add_row(*_metric_cells((row["window_start"] or "no time")[:7], row))
    table.add_row(*_metric_cells("all", total), style="bold")
    return table


def _metric_cells(name: str, row: Mapping[str, Any]) -> list[str]:
    low, high = row["brier_low"], row["brier_high"]
    interval = f"{low:.4f}-{high:.4f}" if low is not None and high is not None else row["interval_status"] or ""
    return [
        name,
        f"{row['n_rows']:,}",
        _share(row["coverage"]) if row["label_status"] != "complete" else "all",
        _number(row["brier"], 4),
        interval,
        _number(row["expected_brier"], 4),
        _number(row["base_rate"], 3),
        _number(row["mean_probability"], 3),
        _number(row["skill"], 3) if is_meant(row) else "few",
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _reading(total: Mapping[str, Any]) -> str:
    text = (
        "Brier: smaller is better, beside the base rate. Expected: what it would be if calibrated. "
        "Skill: 1 is perfect, 0 no better than the base rate; few: too few events to tell."
    )
    if total["label_status"] == "preliminary":
        text += " Early labels are a biased sample: months that aren't fully labelled are preliminary."
    return text
