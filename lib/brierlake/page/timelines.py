"""Pictures over time: Brier beside what was expected and the base rate, its terms by month, and drift of the scores."""

import math
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from brierlake.brier import is_meaningful
from brierlake.page.incidents import Incident
from brierlake.page.sources import Row
from brierlake.page.style import BAD, BASE, BRIER, EXPECTED, GAIN, INK, LOSS, MUTED, PAPER, QUIET, WIDE, styled, tidy
from brierlake.page.views import month_end
from brierlake.page.words import is_known, month, number

Side = Literal["left", "center", "right"]
Height = Literal["top", "center", "bottom"]

_SHARES = [0, 0.5, 1]
_TERMS = {
    "discrimination": (None, "what it knows, larger is better"),
    "miscalibration": ("////", "what it loses, smaller is better"),
}


def draw_timeline(
    windows: Sequence[Row], months: Sequence[Row], incidents: Sequence[Incident], *, width: float
) -> Figure:
    """Brier (month and window) with expected Brier and the base rate's; what was said and what happened; coverage."""
    is_wide = width >= WIDE
    with styled():
        figure = Figure(figsize=(width, 5.6 if is_wide else 5.9), layout="constrained")
        score, rates, labels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 0.7))
        _draw_scores(score, windows, months, is_wide=is_wide)
        _draw_rates(rates, windows, months, is_wide=is_wide)
        _draw_coverage(labels, windows)
        _mark(
            score,
            [each.window for each in sorted(incidents, key=lambda each: not each.is_grave)],
            windows,
            name="brier",
            is_wide=is_wide,
        )
        _date_axis(labels, is_wide=is_wide)
    return figure


def _values(rows: Sequence[Row], name: str) -> list[float]:
    return [float(row[name]) if is_known(row.get(name)) else math.nan for row in rows]


def _highest(values: Sequence[float], *, least: float) -> float:
    return max([value for value in values if not math.isnan(value)] + [least])


def _starts(rows: Sequence[Row]) -> list[float]:
    return [float(mdates.date2num(row["window_start"])) for row in rows]  # type: ignore[no-untyped-call]


def _draw_scores(axes: Axes, windows: Sequence[Row], months: Sequence[Row], *, is_wide: bool) -> None:
    top = _top(windows, months, is_wide=is_wide)
    brier = np.array(_values(windows, "brier"))
    axes.plot(_starts(windows), np.where(brier <= top, brier, np.nan), ".", color=QUIET, markersize=3)
    for row in months:
        _steps(axes, row)
    axes.set_ylim(0, top)
    axes.set_title("Brier score (smaller is better)")
    _legend(
        axes,
        [("Brier", BRIER, "-"), ("expected if calibrated", EXPECTED, "--"), ("base rate alone", BASE, ":")],
        is_wide=is_wide,
    )
    tidy(axes)


def _steps(axes: Axes, row: Row) -> None:
    ends = [mdates.date2num(row["window_start"]), mdates.date2num(month_end(row["window_start"]))]  # type: ignore[no-untyped-call]
    for name, colour, dashes, thick in (
        ("reference_brier", BASE, ":", 1.6), ("expected_brier", EXPECTED, "--", 1.6), ("brier", BRIER, "-", 2.2),
    ):  # fmt: skip
        if is_known(row.get(name)) and (name != "reference_brier" or is_meaningful(row, "skill")):
            axes.plot(ends, [row[name]] * 2, color=colour, linestyle=dashes, linewidth=thick, solid_capstyle="butt")
    if is_known(row.get("brier_low")) and row.get("interval_status") != "withheld":
        axes.fill_between(ends, row["brier_low"], row["brier_high"], color=BRIER, alpha=0.22, linewidth=0)


def _top(windows: Sequence[Row], months: Sequence[Row], *, is_wide: bool) -> float:
    """Upper end of the axis: a few wild windows must not flatten all others; they are marked at the rim instead."""
    shown = [value for name in ("brier", "reference_brier", "expected_brier") for value in _values(months, name)]
    daily = [value for value in _values(windows, "brier") if not math.isnan(value)]
    usual = [float(np.quantile(daily, 0.97))] if daily else []
    known = [value for value in [*shown, *usual] if not math.isnan(value)]
    return max(known, default=0.25) * (1.3 if is_wide else 1.55)


def _mark(axes: Axes, days: Sequence[date], windows: Sequence[Row], *, name: str, is_wide: bool) -> None:
    """Triangles at windows that stand out, at the rim where they lie beyond it."""
    top = axes.get_ylim()[1]
    for row in windows:
        value = row.get(name)
        if not is_known(value) or (row["window_start"] not in days and value <= top):
            continue
        height = min(float(value), top * (0.955 if is_wide else 0.82))
        at = mdates.date2num(row["window_start"])  # type: ignore[no-untyped-call]
        axes.plot([at], [height], "^", color=BAD, markersize=6, clip_on=False, zorder=5)
        if row["window_start"] in days[:1]:
            text = f"{row['window_start'].day} {row['window_start']:%b}: {number(value, 2)}"
            _write(axes, text, (at, height), shift=(-6, 0), ha="right", va="center", color=BAD)


def _draw_rates(axes: Axes, windows: Sequence[Row], months: Sequence[Row], *, is_wide: bool) -> None:
    starts = _starts(windows)
    axes.plot(starts, _values(windows, "mean_probability"), ".", color=EXPECTED, markersize=2.5, alpha=0.6)
    axes.plot(starts, _values(windows, "base_rate"), ".", color=BRIER, markersize=2.5, alpha=0.6)
    for row in months:
        ends = [mdates.date2num(row["window_start"]), mdates.date2num(month_end(row["window_start"]))]  # type: ignore[no-untyped-call]
        for name, colour, dashes in (("mean_probability", EXPECTED, "--"), ("base_rate", BRIER, "-")):
            if is_known(row.get(name)):
                axes.plot(ends, [row[name]] * 2, color=colour, linestyle=dashes, linewidth=2)
        if is_known(row.get("base_rate")) and is_known(row.get("mean_probability")):
            axes.fill_between(ends, row["base_rate"], row["mean_probability"], color=BAD, alpha=0.12, linewidth=0)
    highest = _highest([*_values(months, "mean_probability"), *_values(months, "base_rate")], least=0.1)
    axes.set_ylim(0, min(1.0, highest * 2.4))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("What it said, and what happened")
    _legend(axes, [("mean probability", EXPECTED, "--"), ("base rate", BRIER, "-")], is_wide=is_wide)
    tidy(axes)


def _draw_coverage(axes: Axes, windows: Sequence[Row]) -> None:
    axes.fill_between(_starts(windows), _values(windows, "coverage"), step="post", color=QUIET, alpha=0.55, linewidth=0)
    axes.set_ylim(0, 1.02)
    axes.set_yticks(_SHARES)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("Share of labels known")
    tidy(axes)


def _date_axis(axes: Axes, *, is_wide: bool) -> None:
    first, last = axes.get_xlim()
    most = 9 if is_wide else 5
    days = last - first
    locator = (
        mdates.DayLocator(interval=math.ceil(days / most))  # type: ignore[no-untyped-call]
        if days < 62
        else mdates.MonthLocator(interval=math.ceil(days / 30.4 / most))  # type: ignore[no-untyped-call]
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%d %b" if days < 62 else "%b %Y"))  # type: ignore[no-untyped-call]


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str]], *, is_wide: bool) -> None:
    """One line a series above the plot's top, in the colour and dashes of its line."""
    for name, colour, dashes in entries:
        axes.plot([], [], color=colour, linestyle=dashes, label=name)
    columns = len(entries) if is_wide else 2
    legend = axes.legend(
        loc="upper left", ncols=columns, handlelength=1.8, columnspacing=1, borderaxespad=0.1, labelspacing=0.2
    )
    legend.set_in_layout(False)


def draw_terms(months: Sequence[Row], *, width: float) -> Figure:
    """What the model knows and what it loses, by month; the difference over the uncertainty is the skill."""
    with styled():
        figure = Figure(figsize=(width, 2.9), layout="constrained")
        axes = figure.subplots()
        at = np.arange(len(months))
        _bars(axes, at - 0.2, months, term="discrimination", colour=GAIN)
        _bars(axes, at + 0.2, months, term="miscalibration", colour=LOSS)
        step = math.ceil(len(months) / (12 if width >= WIDE else 6))
        names = [month(row["window_start"]).replace(" ", "\n") for row in months]
        axes.set_xticks(at[::step], names[::step])
        highest = _highest([*_values(months, "discrimination"), *_values(months, "miscalibration")], least=1e-6)
        axes.set_ylim(0, highest * 1.45)
        axes.legend(loc="upper left", ncols=2 if width >= WIDE else 1, borderaxespad=0.1)
        axes.tick_params(axis="x", length=0)
        tidy(axes)
    return figure


def _bars(axes: Axes, at: NDArray[np.floating[Any]], months: Sequence[Row], *, term: str, colour: str) -> None:
    hatch, meaning = _TERMS[term]
    values = _values(months, term)
    edge = PAPER if hatch else colour
    axes.bar(at, values, 0.36, color=colour, label=f"{term}: {meaning}", hatch=hatch, edgecolor=edge, linewidth=0)
    digits = 3 if _highest(values, least=0) >= 0.01 else 4
    for x, value in zip(at, values, strict=True):
        if not math.isnan(value) and len(months) <= 12:
            _write(
                axes, f"{value:.{digits}f}".lstrip("0"), (x, value), shift=(0, 2), ha="center", va="bottom", color=INK
            )


def _write(
    axes: Axes, text: str, at: tuple[float, float], *, shift: tuple[int, int], ha: Side, va: Height, color: str
) -> None:
    axes.annotate(text, at, xytext=shift, textcoords="offset points", ha=ha, va=va, color=color, fontsize=8)


_DRIFT = (
    ("mean_probability", EXPECTED, "Mean probability", "{x:.0%}"),
    ("expected_brier", BASE, "Expected Brier score", "{x:.2f}"),
    ("drift_js", MUTED, "Divergence from the reference", "{x:.2g}"),
)


def draw_drift(windows: Sequence[Row], incidents: Sequence[Incident], *, width: float) -> Figure:
    """Two label-free series: mean probability, and how far the scores moved from the reference."""
    is_wide = width >= WIDE
    days = {each.window for each in incidents}
    with styled():
        figure = Figure(figsize=(width, 4.8), layout="constrained")
        for axes, (name, colour, title, form) in zip(figure.subplots(3, 1, sharex=True), _DRIFT, strict=True):
            _draw_panel(axes, windows, days, name=name, colour=colour)
            axes.set_title(title)
            axes.yaxis.set_major_formatter(StrMethodFormatter(form))
        if incidents:
            _name_worst(figure.axes[0], incidents[0], windows)
        _date_axis(figure.axes[-1], is_wide=is_wide)
    return figure


def _draw_panel(axes: Axes, windows: Sequence[Row], days: Collection[date], *, name: str, colour: str) -> None:
    starts, values = _starts(windows), _values(windows, name)
    axes.plot(starts, values, color=colour, linewidth=1.1)
    axes.set_ylim(0, _highest(values, least=1e-6) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    for row, x, y in zip(windows, starts, values, strict=True):
        if row["window_start"] in days and not math.isnan(y):
            axes.plot([x], [y], "^", color=BAD, markersize=6, zorder=5, clip_on=False)
    tidy(axes)


def _name_worst(axes: Axes, worst: Incident, windows: Sequence[Row]) -> None:
    value = next(row["mean_probability"] for row in windows if row["window_start"] == worst.window)
    at = mdates.date2num(worst.window)  # type: ignore[no-untyped-call]
    text = f"{worst.window.day} {worst.window:%b}: {number(value, 2)}"
    _write(axes, text, (at, value), shift=(-7, 0), ha="right", va="center", color=BAD)
