"""One calm style for all pictures: what colours mean, and from a figure to an inline SVG that follows the page.

Figures are drawn in the light theme's colours; in the SVG each becomes a CSS variable, so that dark mode and print
change pictures along with the text. Text stays text: it can be read aloud, searched and is drawn in the page's font.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1f2a37", "#566372", "#d8dee6", "#fefefe"
BRIER, EXPECTED, BASE, BAD = "#0b5fa5", "#a84b05", "#4f5b69", "#b3261e"
GAIN, LOSS, QUIET = "#1c7c54", "#a84b06", "#808d9b"
LOW_3, LOW_2, LOW_1, LEVEL, HIGH_1, HIGH_2, HIGH_3 = (
    "#8fbbe8", "#b9d5f1", "#deebf8", "#f1f3f6", "#fce6d2", "#f8cba2", "#f2a96b",
)  # fmt: skip
GREYED: Final = "#f7f8f9"

VARIABLES: Final[Mapping[str, str]] = {
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", BRIER: "brier", EXPECTED: "expected", BASE: "base",
    BAD: "bad", GAIN: "gain", LOSS: "loss", QUIET: "quiet", LOW_3: "low3", LOW_2: "low2", LOW_1: "low1",
    LEVEL: "level", HIGH_1: "high1", HIGH_2: "high2", HIGH_3: "high3", GREYED: "greyed",
}  # fmt: skip
"""CSS variable of each colour."""

DARK: Final[Mapping[str, str]] = {
    "ink": "#e7ecf2", "muted": "#a3b0bd", "grid": "#333d49", "paper": "#14191f", "brier": "#6fb3f2",
    "expected": "#f0a35c", "base": "#b3bfcb", "bad": "#ff8a80", "gain": "#58c08e", "loss": "#f0a35d",
    "low3": "#1f5c96", "low2": "#1d4670", "low1": "#1b3249", "level": "#222a33", "high1": "#4a3520", "high2": "#6b451c",
    "high3": "#935713", "greyed": "#1a2027", "quiet": "#72808f",
}  # fmt: skip
"""The same variables on a dark page."""

WIDE, NARROW = 9.2, 3.7
"""Inches. At the page's full width, and on a phone, either comes to about 12 px of text."""

_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "text.color": INK,
    "text.parse_math": False,  # what users' values hold is text: $5_$10
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.6,
    "hatch.color": PAPER,
    "path.simplify": True,
}

_DIGITS = re.compile(r"(\d\.\d\d)\d+")


@contextmanager
def styled() -> Iterator[None]:
    """Everything that is drawn inside is drawn in this style; matplotlib's settings are left as they were."""
    with mpl.rc_context(_SETTINGS):
        yield


def as_svg(figure: Figure, *, name: str, label: str) -> str:
    """Return an inline SVG that scales to its container.

    Args:
        figure: Drawn within `styled`.
        name: Unique on the page.
        label: What the picture says, for those who can't see it.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        canvas: Any = FigureCanvasSVG(figure)  # savefig would draw twice
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    box = re.search(r'viewBox="([^"]+)"', text)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r'(id="|#)(?=[A-Za-z0-9_]{6,})', rf"\g<1>{name}-", body)
    body = re.sub(r"'?DejaVu Sans'?(?:, *[^;\"]*)?", "inherit", body)
    body = re.sub(r' (?:d|x|y|transform|points)="[^"]*"', lambda match: _DIGITS.sub(r"\1", match.group()), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    size = box.group(1) if box else "0 0 100 100"
    return f'<svg class="{escape(name)}" viewBox="{size}" role="img" aria-label="{escape(label)}">{body}'


def tidy(axes: Axes, *, has_grid: str = "y") -> None:
    axes.grid(visible=False)
    axes.grid(visible=True, axis=has_grid)  # type: ignore[arg-type] # one of x, y, both
    axes.spines["left"].set_visible(False)
    if has_grid == "both":
        axes.tick_params(axis="both", length=0)
