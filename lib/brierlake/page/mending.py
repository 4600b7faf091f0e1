"""Mending: what the latest recalibration found, for the page."""

import json
from dataclasses import dataclass
from typing import Any

from brierlake.brier import CalibrationMap
from brierlake.page.map_curves import MapCurve
from brierlake.page.sources import Row, Tables
from brierlake.page.words import signed


@dataclass(frozen=True)
class Mended:
    """The latest recalibrated version, and the maps that were tried for it."""

    run: Row
    facts: dict[str, Any]
    """As the summary of `recalibrate` has them."""
    chosen: dict[str, Any]
    curves: tuple[MapCurve, ...]


def find_mended(tables: Tables) -> Mended | None:
    """Return what the latest recalibrating run registered; None: none did."""
    run = tables.last_run("recalibrate")
    facts: dict[str, Any] = json.loads(run.get("recalibration") or "{}")
    chosen = next((each for each in facts.get("maps", ()) if each["kind"] == facts.get("chosen")), None)
    if chosen is None:
        return None
    curves = [
        MapCurve(_map_of(each), f"{each['kind']}: Brier {signed(each['difference'], 4)}", is_chosen=each is chosen)
        for each in facts["maps"]
        if each["status"] == "ok"
    ]
    return Mended(run, facts, chosen, tuple(curves))


def _map_of(tried: dict[str, Any]) -> CalibrationMap:
    knots = tuple((x, y) for x, y in tried["knots"])
    return CalibrationMap(tried["kind"], parameters=tried["parameters"], knots=knots)


def map_label(mended: Mended) -> str:
    """What the picture says, for those who can't see it."""
    chosen = mended.curves[[each.is_chosen for each in mended.curves].index(True)].map
    points = ", ".join(f"{p:.0%} becomes {float(chosen.apply([p])[0]):.0%}" for p in (0.1, 0.3, 0.5, 0.7, 0.9))
    return f"What each map makes of a probability. The chosen one ({chosen.kind}): {points}."
