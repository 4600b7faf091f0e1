"""Decision curves: net benefit at each threshold, beside acting on all rows and on none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from brierlake.brier import benefit_from_score
from brierlake.page.sources import Row
from brierlake.page.style import BASE, BRIER, EXPECTED, MUTED, WIDE, styled, tidy
from brierlake.page.words import is_known

_LARGEST = 0.95


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits (T,) at thresholds (T,) of the two versions that serve, and of acting on all rows."""

    threshold: Sequence[float]
    champion: Sequence[float]
    challenger: Sequence[float]
    treat_all: Sequence[float]
    names: tuple[str, str]


def find_decision_curve(total: Row | None) -> DecisionCurve | None:
    """Make it of Murphy's curves in the pair's total row of brier_compare; None where there are none."""
    curves = [
        total.get(name) if total else None for name in ("murphy_threshold", "murphy_champion", "murphy_challenger")
    ]
    if total is None or any(each is None or not len(each) for each in curves) or not total["n"]:
        return None
    t, champion, challenger = (np.asarray(each, float) for each in curves)
    rate = total["n_events"] / total["n"]
    keep = (t > 0) & (t <= _LARGEST)
    treat_all = rate - (1 - rate) * t[keep] / (1 - t[keep])
    return DecisionCurve(
        threshold=t[keep].tolist(),
        champion=benefit_from_score(champion[keep], t[keep], rate).tolist(),
        challenger=benefit_from_score(challenger[keep], t[keep], rate).tolist(),
        treat_all=treat_all.tolist(),
        names=(_named(total, "champion"), _named(total, "challenger")),
    )


def _named(total: Row, role: str) -> str:
    name, number = total[f"{role}_name"], total[f"{role}_version"]
    return f"{name} {int(number)}" if is_known(name) and is_known(number) else role


def draw_decision_curve(curve: DecisionCurve, *, threshold: float | None, width: float) -> Figure:
    """The higher, the better; where acting on all or on none is higher, the model isn't worth asking."""
    with styled():
        figure = Figure(figsize=(width, 3.4 if width >= WIDE else 3.0), layout="constrained")
        axes = figure.subplots()
        t = np.asarray(curve.threshold)
        axes.axhline(0, color=MUTED, linewidth=1.2, linestyle=":", label="act on none")
        axes.plot(t, curve.treat_all, color=BASE, linestyle="--", linewidth=1.3, label="act on all")
        axes.plot(t, curve.champion, color=BRIER, linewidth=2.2, label=f"{curve.names[0]} (champion)")
        axes.plot(t, curve.challenger, color=EXPECTED, linewidth=1.4, label=f"{curve.names[1]} (challenger)")
        if threshold is not None:
            axes.axvline(threshold, color=MUTED, linewidth=1)
        highest = max(*curve.champion, *curve.challenger, curve.treat_all[0])
        axes.set_ylim(-0.25 * highest if highest > 0 else -0.01, 1.1 * highest if highest > 0 else 0.01)
        axes.set_xlim(0, _LARGEST)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("act from this probability on")
        axes.set_ylabel("net benefit a row")
        axes.legend(loc="upper right", borderaxespad=0.3)
        tidy(axes, has_grid="both")
    return figure
