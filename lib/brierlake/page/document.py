"""The page: one self-contained HTML file, from tables to text."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from brierlake import __version__
from brierlake.brier import FEWEST, is_meaningful
from brierlake.brier.evidence import describe_evidence
from brierlake.page import words
from brierlake.page.alt_texts import curve_label, decision_label, drift_label, slices_label, terms_label, timeline_label
from brierlake.page.decision_curves import draw_decision_curve, find_decision_curve
from brierlake.page.diagrams import draw_reliability, draw_slices, draw_small_reliability
from brierlake.page.incidents import Incident, find_incidents, find_latest_verdict
from brierlake.page.map_curves import draw_map_curves
from brierlake.page.mending import Mended, find_mended, map_label
from brierlake.page.sources import Row, Tables, as_rows
from brierlake.page.style import DARK, NARROW, VARIABLES, WIDE, as_svg
from brierlake.page.timelines import draw_drift, draw_terms, draw_timeline
from brierlake.page.verdicts import Verdict, find_verdict, gap
from brierlake.page.views import (
    Grid,
    find_contrast,
    find_departure,
    labelled_months,
    month_curves,
    reliability_pair,
    slice_grids,
    slice_name,
)  # fmt: skip

_CANDIDATES, _VERSIONS, _FORETOLD = 10, 4, 10
_WORDS = (
    "between",
    "count",
    "day",
    "interval",
    "is_known",
    "moment",
    "month",
    "number",
    "share",
    "signed",
)
SECTIONS = (
    ("verdict", "Is it fine?"),
    ("time", "Brier over time"),
    ("reliability", "Reliability"),
    ("terms", "What it knows and loses"),
    ("slices", "Slices"),
    ("drift", "Drift"),
    ("decisions", "Decisions"),
    ("rows", "Rows"),
    ("version", "Version"),
    ("challenger", "Challenger"),
    ("lineage", "Lineage"),
)
"""Ids and short names of the page's sections, in the order of the questions that people ask."""


@dataclass(frozen=True)
class VerdictRow:
    """A row of brier_metrics with its verdict."""

    name: str
    row: Row
    verdict: Verdict


def render_page(tables: Tables, *, made_at: datetime) -> str:
    """Return the report as HTML that needs nothing else: styles and pictures are inside, and there are no scripts."""
    room = files(__package__)
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update({name: getattr(words, name) for name in _WORDS})
    environment.globals.update(
        gap=gap,
        is_meaningful=is_meaningful,
        FEWEST=FEWEST,
        slice_name=slice_name,
        describe_evidence=describe_evidence,
    )
    template = environment.from_string(room.joinpath("page.html.j2").read_text(encoding="utf-8"))
    css = Markup(_theme() + room.joinpath("page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return template.render(css=css, version=__version__, made_at=made_at, tables=tables, **_content(tables))


def _content(tables: Tables) -> dict[str, Any]:
    windows = [row for row in tables.published("window") if row["window_start"] is not None]
    months = [row for row in tables.published("month") if row["window_start"] is not None]
    incidents = find_incidents(windows, drift_alert=tables.drift_alert)
    now, earlier = reliability_pair(tables)
    grids = slice_grids(tables)
    total = tables.total()
    contrast = find_contrast(months)
    mended = find_mended(tables)
    return {
        "total": total,
        "whole": VerdictRow("as published", total, find_verdict(total)),
        "versions": _versions(tables),
        "earlier_versions": max(0, len(tables.of_versions("all")) - _VERSIONS),
        "months": [VerdictRow(words.month(row["window_start"]), row, find_verdict(row)) for row in months],
        "latest": windows[-1] if windows else total,
        "foretold": [row for row in windows if words.is_known(row.get("estimated_brier"))][-_FORETOLD:],
        "mended": mended,
        "latest_verdict": find_latest_verdict(windows, incidents),
        "incidents": incidents,
        "window_count": len(windows) or 1,
        "smallest": min((row["n_scored"] for row in windows), default=None),
        "largest": max((row["n_scored"] for row in windows), default=None),
        "corp_error": max((row["corp_error"] for row in months if words.is_known(row.get("corp_error"))), default=None),
        "small": month_curves(tables),
        "sections": SECTIONS,
        "contrast": contrast,
        "departures": [(each.name, row) for each in (now, earlier) if each and (row := find_departure(each))],
        "now": now,
        "earlier": earlier,
        "grids": grids,
        "has_slices": bool(tables.slices("all")),
        "pictures": _pictures(tables, windows, months, incidents, grids, mended=mended),
        **_lineage(tables),
    }


def _versions(tables: Tables) -> list[VerdictRow]:
    """Each version by the latest month it has labels for, and by all its rows; those that scored last come first."""
    rows, months = [], tables.of_versions("month")

    def last_month(whole: Row) -> str:
        return max((str(each["window_start"] or "") for each in months if _is_of(each, whole)), default="")

    for whole in sorted(tables.of_versions("all"), key=last_month, reverse=True)[:_VERSIONS]:
        name = f"{whole['model_name']} version {int(whole['model_version'])}"
        own = [each for each in months if _is_of(each, whole)]
        latest = next((each for each in reversed(own) if is_meaningful(each, "skill")), None)
        if latest is not None and len(own) > 1:
            rows.append(VerdictRow(f"{name}, {words.month(latest['window_start'])}", latest, find_verdict(latest)))
        rows.append(VerdictRow(f"{name}, all it scored", whole, find_verdict(whole)))
    return rows


def _theme() -> str:
    """The colours that pictures and text share, for light and for dark."""
    light = ";".join(f"--{variable}:{colour}" for colour, variable in VARIABLES.items())
    dark = ";".join(f"--{variable}:{colour}" for variable, colour in DARK.items())
    return f":root{{{light}}}@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"


def _is_of(row: Row, other: Row) -> bool:
    return (row["model_name"], row["model_version"]) == (other["model_name"], other["model_version"])


def _lineage(tables: Tables) -> dict[str, Any]:
    run = tables.last_run()
    scored = tables.last_run("score")
    candidates = as_rows(tables.candidates.sort_values("rank")) if len(tables.candidates) else []
    return {
        "run": run,
        "scored": scored,
        "recent": as_rows(tables.runs.sort_values("run_id", ascending=False).head(8)) if len(tables.runs) else [],
        "candidates": [each for each in candidates if each["is_eligible"]][:_CANDIDATES],
        "refused": [each for each in candidates if not each["is_eligible"]],
        "candidate_count": len(candidates),
        "issues": as_rows(tables.issues),
        "libraries": dict(_mapping(run.get("libraries"))),
        "comparison": tables.compared(),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        return dict(json.loads(value))
    return dict(value or {})


def _slices_of(grid: Grid, width: float) -> Figure:
    return draw_slices(grid, width=width)


def _pictures(
    tables: Tables,
    windows: Sequence[Row],
    months: Sequence[Row],
    incidents: Sequence[Incident],
    grids: Sequence[Grid],
    *,
    mended: Mended | None,
) -> dict[str, Markup]:
    """Each picture twice, for wide and for narrow screens; only one of the two is shown, and read aloud."""
    now, earlier = reliability_pair(tables)
    pair = [each for each in (now, earlier) if each is not None]
    small = month_curves(tables)
    judged = labelled_months(tables)
    made: dict[str, Markup] = {}

    def add(name: str, label: str, draw: Callable[[float], Figure]) -> None:
        both = [
            as_svg(draw(width), name=f"{name}-{kind}", label=label).replace('<svg class="', f'<svg class="{kind} ', 1)
            for kind, width in (("wide", WIDE), ("narrow", NARROW))
        ]
        made[name] = Markup("".join(both))  # noqa: S704 - drawn here, its texts escaped by matplotlib

    if windows:
        add("timeline", timeline_label(months), lambda width: draw_timeline(windows, months, incidents, width=width))
        add("drift", drift_label(incidents), lambda width: draw_drift(windows, incidents, width=width))
    if pair:
        add("reliability", curve_label(pair), lambda width: draw_reliability(pair, width=width))
    if len(small) > 2:
        add("by-month", curve_label(small), lambda width: draw_small_reliability(small, width=width))
    if mended is not None:
        add("map", map_label(mended), lambda width: draw_map_curves(mended.curves, width=width))
    if curve := find_decision_curve(next(iter(reversed(tables.compared())), None)):
        label = decision_label(curve, threshold=tables.threshold)
        add("decisions", label, lambda width: draw_decision_curve(curve, threshold=tables.threshold, width=width))
    if judged:
        add("terms", terms_label(judged), lambda width: draw_terms(judged, width=width))
    for place, grid in enumerate(grids):
        add(f"slices-{place}", slices_label(grid), partial(_slices_of, grid))
    return made
