"""What a recalibration says at a terminal: the maps, and what became of them."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from brierlake.brier.evidence import describe_evidence, is_evident
from brierlake.page.words import count, number
from brierlake.summaries import RecalibrateSummary
from brierlake.summary_parts import MapPart, SpanPart

_FITS = {
    "constant_probability": "all probabilities are the same",
    "decreasing": "no increasing map fits",
    "few_events": "fewer than 10 of either outcome",
    "not_converged": "the fit doesn't converge",
    "one_class": "only one outcome happened",
    "separation": "a threshold tells all outcomes: no best map exists",
    "unresolved_tail": "an outcome next to impossible happened",
}


def recalibration_facts(summary: RecalibrateSummary) -> Iterable[tuple[str, str]]:
    """Name and text of each line above the table."""
    yield "version", f"{summary.model} version {summary.recalibrates}"
    yield "fitted on", _span(summary.fitted_on)
    yield "tried on", f"{_span(summary.tried_on)}, {count(summary.rows)} labelled rows"
    yield "result", _result(summary)
    if summary.picture:
        yield "picture", summary.picture
    if summary.status in ("published", "unchanged"):
        yield "next", f"challenger: {{pin: {summary.model}@{summary.alias}}} in the config, then score and promote"


def _span(span: SpanPart) -> str:
    return f"{count(span.windows)} windows, {span.first} to {span.last}"


def _result(summary: RecalibrateSummary) -> str:
    chosen = next((each for each in summary.maps if each.kind == summary.chosen), None)
    if chosen is None or chosen.difference is None:
        return "nothing to win: no map is better with evidence of 20 : 1 or more"
    gain = f"{chosen.kind}: Brier {chosen.difference:+.4f}, {describe_evidence(chosen.log_e_value, chosen.n_windows)}"
    if summary.status == "planned":
        return f"{gain}; would be registered"
    already = " was registered already" if summary.status == "unchanged" else ""
    return f"{gain}; version {summary.version}{already}, alias {summary.alias}"


def maps_table(summary: RecalibrateSummary) -> Table:
    """One row a kind of map."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for name in ("map", "Brier", "difference", "evidence", ""):
        table.add_column(name, justify="left" if name in ("map", "") else "right", overflow="fold")
    table.add_row("none", number(summary.brier, 4), "", "", "")
    for each in summary.maps:
        style = "bold" if each.kind == summary.chosen else ""
        table.add_row(each.kind, number(each.brier, 4), _difference(each), _odds(each), Text(_told(each)), style=style)
    return table


def _difference(tried: MapPart) -> str:
    return "" if tried.difference is None else f"{tried.difference:+.4f}"


def _odds(tried: MapPart) -> str:
    if tried.evidence_status != "ok":
        return ""
    return describe_evidence(tried.log_e_value, tried.n_windows).removeprefix("evidence ").partition(",")[0]


def _told(tried: MapPart) -> str:
    if tried.status != "ok":
        return _FITS.get(tried.status, tried.status)
    if tried.evidence_status == "correlated":
        return "no evidence yet: windows hang together"
    if tried.evidence_status == "few_windows":
        return "too few windows yet"
    if tried.difference is not None and tried.difference < 0 and is_evident(tried.log_e_value):
        return "better"
    return "worse" if is_evident(tried.log_e_value) else "not proved"
