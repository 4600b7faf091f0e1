"""Maps that mend probabilities, as curves: what each makes of what the model says."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from brierlake.brier import CalibrationMap, Trial
from brierlake.page.style import BASE, BRIER, EXPECTED, GAIN, MUTED, WIDE, styled, tidy

_COLOURS = {"shift": BASE, "platt": GAIN, "beta": EXPECTED, "isotonic": BRIER}
_STYLES = {"shift": "-", "platt": "--", "beta": "-.", "isotonic": "-"}
_TICKS = [0, 0.25, 0.5, 0.75, 1]
_AT = np.linspace(0, 1, 1001)


@dataclass(frozen=True)
class MapCurve:
    """One map, and what its legend says."""

    map: CalibrationMap
    label: str
    is_chosen: bool


def draw_map_curves(curves: Sequence[MapCurve], *, width: float) -> Figure:
    """What each map makes of each probability; below the dotted line it takes probabilities down."""
    with styled():
        is_wide = width >= WIDE
        size = width * 0.5 if is_wide else width
        figure = Figure(figsize=(width, size * 0.95), layout="constrained")
        axes = figure.add_subplot(figure.add_gridspec(1, 2)[0, 0]) if is_wide else figure.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2)
        for curve in curves:
            axes.plot(
                _AT,
                curve.map.apply(_AT),
                color=_COLOURS[curve.map.kind],
                linestyle=_STYLES[curve.map.kind],
                linewidth=2.6 if curve.is_chosen else 1.3,
                label=curve.label,
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xticks(_TICKS)
        axes.set_yticks(_TICKS)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("what the model says")
        axes.set_ylabel("what the map makes of it")
        if is_wide:
            axes.legend(loc="upper left", bbox_to_anchor=(1.03, 1.0), borderaxespad=0.0)
        else:
            axes.legend(loc="upper left", borderaxespad=0.3)
        tidy(axes, has_grid="both")
    return figure


def draw_maps(trial: Trial) -> str:
    """Return a picture of all maps that could be fitted, as an SVG file's text."""
    curves = [
        MapCurve(
            each.map,
            f"{each.kind}{'' if each.difference is None else f': Brier {each.difference:+.4f}'}",
            is_chosen=trial.chosen is each,
        )
        for each in trial.maps
        if each.map.status == "ok"
    ]
    buffer = io.StringIO()
    figure = draw_map_curves(curves, width=WIDE)
    with styled():
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    return buffer.getvalue()
