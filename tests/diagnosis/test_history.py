"""What many windows tell of one figure: days that hang together, the base rate before, and evidence."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from brierlake.brier import KeyFacts
from brierlake.config import DiagnosticsConfig, FeaturesConfig
from brierlake.diagnosis.history import PUBLISHED, History

FIRST = date(2024, 3, 1)
FEATURES = FeaturesConfig(table="t", key=("id",), event_at="at")
TRAINED = {("m", 1): datetime(2024, 1, 1, tzinfo=UTC), ("m", 2): datetime(2024, 4, 1, tzinfo=UTC)}


def sums_of(p: np.ndarray, y: np.ndarray, *, scored: int | None = None) -> dict[str, Any]:
    """The sums of one day, as one cluster."""
    s, r = (p - y) ** 2, y - p
    totals = {"n": len(p), "s": s.sum(), "y": y.sum(), "r": r.sum(), "z": ((1 - 2 * p) * r).sum()}
    pairs = [("n", "n"), ("s", "s"), ("y", "y"), ("r", "r"), ("z", "z")]
    found = {f"sum_{one}2": totals[one] ** 2 for one, _ in pairs}
    found |= {f"sum_{one}_n": totals[one] * len(p) for one in "syrz"} | {"sum_s_y": totals["s"] * totals["y"]}
    found |= {f"sum_{name}": totals[name] for name in "syrz"}
    return {**found, "n": len(p), "n_scored": scored or len(p), "clusters": 1, "sum_ss": (s**2).sum()}


def table_of(days: int, *, shift: float = 0.0, shock: float = 0.0, late: int = 0) -> list[dict[str, Any]]:
    """Windows of version 1, from day 40 on of version 2; month rows as a table has them; 100 rows a day."""
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    for place in range(days):
        p = rng.beta(2, 4, 100)
        chance = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + rng.normal(0, shock) + shift)))
        sums = sums_of(p, (rng.random(100) < chance).astype(float), scored=200 if place >= days - late else 100)
        start = FIRST + timedelta(days=place)
        key = {"model_name": "m", "model_version": 1 if place < 40 else 2, "slice_key": None, "slice_value": None}
        rows.append({**key, **sums, "grain": "window", "window_start": start})
        rows.append({**key, **sums, "grain": "month", "window_start": start.replace(day=1)})
    return rows


def facts_of(rows: list[dict[str, Any]], **settings: Any) -> dict[tuple[Any, ...], KeyFacts]:
    starts = {row["window_start"] for row in rows if row["grain"] == "window"}
    history = History(
        pa.Table.from_pylist(rows), settings=DiagnosticsConfig(**settings), features=FEATURES, trained=TRAINED
    )
    return history.facts(windows=starts, months={each.replace(day=1) for each in starts})


def published(grain: str, start: date | None) -> tuple[Any, ...]:
    return (*PUBLISHED, grain, start, None, None)


def test_days_are_clusters_from_ten_on() -> None:
    facts = facts_of(table_of(60))
    assert facts[published("window", FIRST)].clusters is None
    assert facts[published("month", FIRST)].clusters.clusters == 31
    assert facts[published("all", None)].clusters.clusters == 60
    assert facts["m", 2, "all", None, None, None].clusters.clusters == 20
    assert facts_of(table_of(9))[published("all", None)].clusters is None
    assert facts_of(table_of(60), cluster=None)[published("all", None)].clusters is None
    assert facts_of(table_of(9), cluster="window_start")[published("all", None)].clusters.clusters == 9


def test_skill_is_against_the_base_rate_of_the_windows_before() -> None:
    rows = table_of(60)
    facts = facts_of(rows)
    windows = [row for row in rows if row["grain"] == "window"]
    rate = sum(row["sum_y"] for row in windows[22:50]) / 2800
    assert facts[published("window", FIRST + timedelta(days=50))].reference_rate == pytest.approx(rate)
    assert facts[published("window", FIRST)].reference_rate is None, "nothing was known before"
    assert facts[published("all", None)].reference_rate is None
    before = sum(row["sum_y"] for row in windows[3:31]) / 2800
    assert facts[published("month", date(2024, 4, 1))].reference_rate == pytest.approx(before)
    short = facts_of(rows, reference_windows=5)
    rate = sum(row["sum_y"] for row in windows[45:50]) / 500
    assert short[published("window", FIRST + timedelta(days=50))].reference_rate == pytest.approx(rate)
    assert facts_of(rows, reference_windows=0)[published("window", FIRST + timedelta(days=50))].reference_rate is None


def test_evidence_is_from_complete_windows_that_were_not_trained_on() -> None:
    facts = facts_of(table_of(60, late=5))
    whole, first, second = (
        facts[(*version, "all", None, None, None)].evidence for version in (PUBLISHED, ("m", 1), ("m", 2))
    )
    assert first["evidence_status"] == "ok"
    assert first["n_windows"] == 40 // first["block"]
    # twenty days after its training, of which five have no complete labels
    assert second["n_windows"] == 15 // second["block"]
    assert whole["n_windows"] == 55 // whole["block"]
    assert first["log_e_value"] < np.log(20)
    assert first["sequence_low"] < 0 < first["sequence_high"]
    assert "log_e_value" not in facts[published("month", FIRST)].evidence


def test_windows_before_the_end_of_the_training_are_no_evidence() -> None:
    rows = [{**row, "model_version": 2} for row in table_of(31)]
    evidence = facts_of(rows)["m", 2, "all", None, None, None].evidence
    assert (evidence["evidence_status"], evidence["n_windows"], evidence["log_e_value"]) == ("in_sample", 0, 0.0)
    assert evidence["n_in_sample"] == 31
    strange = [{**row, "model_version": 3} for row in table_of(31)]
    assert facts_of(strange)["m", 3, "all", None, None, None].evidence["evidence_status"] == "in_sample"


def test_a_model_that_is_off_is_found_and_since_when_it_changed() -> None:
    calm, off = table_of(38), table_of(38, shift=0.6)
    moved = [
        {**row, "window_start": row["window_start"] + timedelta(days=38)} for row in off if row["grain"] == "window"
    ]
    rows = [{**row, "model_version": 1} for row in [*calm, *moved]]
    evidence = facts_of(rows)["m", 1, "all", None, None, None].evidence
    assert evidence["log_e_value"] > np.log(20)
    assert evidence["change_statistic"] >= 1000
    assert abs((evidence["changed_since"] - FIRST).days - 38) <= 10
    still = facts_of(table_of(38))["m", 1, "all", None, None, None].evidence
    assert still["changed_since"] is None


def test_what_windows_differ_by_beside_chance_is_known_from_those_before() -> None:
    day = published("window", FIRST + timedelta(days=50))
    calm, shaken = facts_of(table_of(60))[day].between, facts_of(table_of(60, shock=0.8))[day].between
    assert shaken["r"] > 0.08**2 > calm["r"]
    assert facts_of(table_of(60))[published("window", FIRST + timedelta(days=5))].between == {}
