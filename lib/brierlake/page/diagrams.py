"""Reliability diagrams, and slices as a heatmap."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from brierlake.page.style import (
    BRIER,
    GREYED,
    HIGH_1,
    HIGH_2,
    HIGH_3,
    INK,
    LEVEL,
    LOW_1,
    LOW_2,
    LOW_3,
    MUTED,
    PAPER,
    QUIET,
    WIDE,
    styled,
    tidy,
)  # fmt: skip
from brierlake.page.views import Cell, Curve, Grid
from brierlake.page.words import DASH, count, is_known

_STEPS = ((0.10, HIGH_3, LOW_3), (0.05, HIGH_2, LOW_2), (0.02, HIGH_1, LOW_1))
_TICKS = [0, 0.25, 0.5, 0.75, 1]


def draw_reliability(curves: Sequence[Curve], *, width: float) -> Figure:
    """Large diagrams, now and in the reference period, each with the spread of its scores below."""
    across = len(curves) if width >= WIDE else 1
    down = math.ceil(len(curves) / across)
    with styled():
        figure = Figure(
            figsize=(
                width if len(curves) > 1 or width < WIDE else width * 0.55,
                5.4 * down if width >= WIDE else 4.6 * down,
            ),
            layout="constrained",
        )
        grid = figure.add_gridspec(2 * down, across, height_ratios=[4, 1] * down)
        for place, curve in enumerate(curves):
            row, column = divmod(place, across)
            axes = figure.add_subplot(grid[2 * row, column])
            _draw_curve(axes, curve, has_words=True)
            axes.set_title(f"{curve.name}: {count(curve.row['n_labelled'])} labelled rows")
            _draw_spread(figure.add_subplot(grid[2 * row + 1, column], sharex=axes), curve)
    return figure


def draw_small_reliability(curves: Sequence[Curve], *, width: float) -> Figure:
    """One small diagram a month: which months were off, at a glance."""
    across = min(len(curves), 6 if width >= WIDE else 2)
    down = math.ceil(len(curves) / across)
    with styled():
        figure = Figure(figsize=(width, (1.75 if width >= WIDE else 2.0) * down + 0.1), layout="constrained")
        for place, curve in enumerate(curves):
            axes = figure.add_subplot(down, across, place + 1)
            _draw_curve(axes, curve, has_words=False)
            axes.set_title(curve.name)
            axes.tick_params(labelleft=place % across == 0)
    return figure


def _draw_curve(axes: Axes, curve: Curve, *, has_words: bool) -> None:
    blocks = [row for row in curve.blocks if is_known(row["mean_probability_labelled"])]
    at = [row["mean_probability_labelled"] for row in blocks]
    banded = [row for row in blocks if is_known(row["band_low"])]
    if banded:
        places = [row["mean_probability_labelled"] for row in banded]
        axes.fill_between(
            places,
            [row["band_low"] for row in banded],
            [row["band_high"] for row in banded],
            color=QUIET,
            alpha=0.35,
            linewidth=0,
            label="where a calibrated model would lie",
        )
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2)
    axes.plot(
        at,
        [row["event_rate"] for row in blocks],
        color=BRIER,
        linewidth=2 if has_words else 1.6,
        label="what happened (isotonic fit)",
    )
    bins = [row for row in curve.bins if row.get("n_labelled") and is_known(row.get("event_rate_low"))]
    if has_words and bins:
        rates = [row["event_rate"] for row in bins]
        axes.errorbar(
            [row["mean_probability_labelled"] for row in bins],
            rates,
            yerr=[
                [max(rate - row["event_rate_low"], 0.0) for rate, row in zip(rates, bins, strict=True)],
                [max(row["event_rate_high"] - rate, 0.0) for rate, row in zip(rates, bins, strict=True)],
            ],
            fmt="o",
            markersize=3,
            elinewidth=0.9,
            color=INK,
            label="bins, with 95 % intervals",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    if not has_words:
        axes.set_aspect("equal", adjustable="box")
    ticks = _TICKS if has_words else [0, 0.5, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    tidy(axes, has_grid="both")
    if has_words:
        axes.set_ylabel("share that happened")
        axes.legend(loc="upper left", borderaxespad=0.3)
        axes.text(
            0.97,
            0.06,
            "below the dotted line:\nit promised too much",
            ha="right",
            va="bottom",
            color=MUTED,
            fontsize=7.5,
        )


def _draw_spread(axes: Axes, curve: Curve) -> None:
    heights = [row["n_scored"] for row in curve.bins]
    axes.bar(
        [row["lower"] for row in curve.bins],
        heights,
        [row["upper"] - row["lower"] for row in curve.bins],
        align="edge",
        color=QUIET,
        edgecolor=PAPER,
        linewidth=0.5,
    )
    axes.set_xlabel("probability")
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")
    axes.set_ylabel("rows")
    tidy(axes)


def draw_slices(grid: Grid, *, width: float) -> Figure:
    """Slices by month: percentage points that the mean probability lies above (+) or below the base rate."""
    is_wide = width >= WIDE
    keep = slice(None) if is_wide else slice(-4, None)
    months = grid.months[-13:] if is_wide else grid.months[keep]
    cells = [row[-len(months) :] for row in grid.cells]
    with styled():
        figure = Figure(figsize=(width, 0.34 * len(cells) + 0.4), layout="constrained")
        axes = figure.subplots()
        for y, row in enumerate(cells):
            for x, cell in enumerate(row):
                _draw_cell(axes, x, y, cell, is_wide=is_wide)
        axes.set_xlim(0, len(months))
        axes.set_ylim(len(cells), 0)
        axes.set_xticks([each + 0.5 for each in range(len(months))], [_short(each, is_wide=is_wide) for each in months])
        axes.set_yticks(
            [each + 0.5 for each in range(len(cells))], [_cut(each, 22 if is_wide else 9) for each in grid.names]
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def _short(name: str, *, is_wide: bool) -> str:
    return name if is_wide else name.split(" ", maxsplit=1)[0]


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _draw_cell(axes: Axes, x: int, y: int, cell: Cell | None, *, is_wide: bool) -> None:
    if cell is None or cell.gap is None:
        axes.text(x + 0.5, y + 0.5, DASH, ha="center", va="center", color=MUTED, fontsize=7.5)
        return
    axes.add_patch(Rectangle((x + 0.02, y + 0.06), 0.96, 0.88, facecolor=_colour(cell), linewidth=0))
    text = _points(cell.gap, cell.error)
    text = f"({text})" if cell.is_small else text
    axes.text(
        x + 0.5,
        y + 0.5,
        text,
        ha="center",
        va="center",
        color=MUTED if cell.is_small else INK,
        fontsize=8 if is_wide else 7,
    )


def _points(off: float, error: float | None) -> str:
    """Percentage points, whole, with the 95 % error."""
    rounded = round(off * 100)
    text = f"{rounded:+d}".replace("-", "\N{MINUS SIGN}") if rounded else "0"
    if error is None:
        return text
    wide = 196 * error
    return f"{text} ±{wide:.0f}" if wide >= 0.95 else f"{text} ±{wide:.1f}".replace("±0", "±")


def _colour(cell: Cell) -> str:
    if cell.is_small or cell.gap is None:
        return GREYED
    if not cell.is_sure:
        return LEVEL
    return next((high if cell.gap > 0 else low for least, high, low in _STEPS if abs(cell.gap) >= least), LEVEL)
