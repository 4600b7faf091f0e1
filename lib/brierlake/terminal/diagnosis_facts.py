"""What is said of labels, evidence, decisions and a challenger, and the table of months."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from brierlake.brier import is_meaningful
from brierlake.brier.evidence import describe_evidence, is_evident
from brierlake.summary_parts import ChallengerPart, DiagnosticsPart, LabelsPart, MetricsPart
from brierlake.terminal.facts import Fact, number

_MONTHS = 6
"""What fits into 24 lines of 80 columns."""
_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "not_distinguishable": "not distinguishable yet",
    "too_few_labels": "too few labels yet",
    "in_sample": "one of them was trained on these windows",
    "no_windows": "nothing has a time, so nothing tells what came after the training",
}


def label_facts(diagnostics: DiagnosticsPart) -> Iterable[Fact]:
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
    acting = f"net benefit {total.net_benefit:.4f} a row, {number(total.net_benefit_all, 4)} on all rows"
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


def challenger_text(challenger: ChallengerPart) -> str:
    total = challenger.total
    if challenger.status == "failed":
        return f"failed, the champion isn't touched by it: {challenger.error}"
    if total is None:
        return "no eligible version comes after the champion" if challenger.status == "absent" else "-"
    name, version = total.challenger_name, total.challenger_version
    text = f"{name} version {version}" if version is not None else f"several versions{f' of {name}' if name else ''}"
    if total.difference is None:
        return f"{text}: no labels yet"
    scores = f"Brier {number(total.brier_challenger, 4)} against {number(total.brier_champion, 4)}"
    found = describe_evidence(total.log_e_value, total.n_windows)
    left_out = (
        f"; {total.n_in_sample:,} windows left out, from before the end of a training" if total.n_in_sample else ""
    )
    changed = f"; the difference has changed, found on {total.changed_on}" if total.changed_on else ""
    return f"{text}: {scores}, {total.difference:+.4f}: {_VERDICTS[total.verdict]} ({found}{left_out}){changed}"


def metrics_table(months: Sequence[MetricsPart], total: MetricsPart) -> Table:
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
        number(row.brier, 4),
        interval,
        number(row.expected_brier, 4),
        number(row.base_rate, 3),
        number(row.mean_probability, 3),
        number(row.skill, 3) if is_meaningful(vars(row), "skill") else "few",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def reading(total: MetricsPart) -> str:
    text = (
        "Brier: smaller is better, beside the base rate. Expected: what it would be if calibrated. "
        "Skill: 1 is perfect, 0 no better than the base rate; few: too few events to tell."
    )
    if total.label_status == "preliminary":
        text += " Early labels are a biased sample: months that aren't fully labelled are preliminary."
    return text
