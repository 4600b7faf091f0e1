"""The page's newer sections: what recalibrating alone wins, whether acting is worth it, and estimates before labels."""

import json
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.page.pages import APRIL, LAST, NOW, make_rows, make_runs, make_tables

from brierlake.brier import MAP_KINDS, fit_map, murphy_curve, net_benefit, tally_rows
from brierlake.page import COMPARED, Tables, render_page
from brierlake.page.decision_curves import find_decision_curve


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def recalibrated() -> pd.DataFrame:
    rows = make_rows()
    maps = [
        {
            "kind": kind,
            "status": "ok",
            "parameters": dict(fitted.parameters),
            "knots": [list(each) for each in fitted.knots],
            "brier": 0.1356,
            "difference": -0.0095,
            "log_e_value": float(np.log(1400)),
            "n_windows": 61,
        }
        for kind in MAP_KINDS
        if (fitted := fit_map(rows["probability"], rows["outcome"], kind=kind)).status == "ok"
    ]
    facts = {
        "model": "games",
        "recalibrates": 7,
        "version": 8,
        "fitted_on": {"first": "2024-03-01", "last": "2024-03-31", "windows": 31},
        "tried_on": {"first": "2024-04-01", "last": "2024-04-30", "windows": 30},
        "rows": 1800,
        "brier": 0.1451,
        "chosen": "isotonic",
        "maps": maps,
    }
    run = {**make_runs().iloc[0].to_dict(), "run_id": "20240508", "action": "recalibrate"}
    return pd.concat([make_runs(), pd.DataFrame([{**run, "recalibration": json.dumps(facts)}])], ignore_index=True)


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    tally = tally_rows(rows["probability"], rows["outcome"])
    curve = murphy_curve(tally)
    assert curve is not None
    blank: dict[str, Any] = dict.fromkeys(("grain", *COMPARED))
    models = {"champion_name": "games", "champion_version": 7, "challenger_name": "games", "challenger_version": 8}
    total = {
        **blank, **models, "grain": "all", "n": len(rows), "n_events": int(rows["outcome"].sum()), "is_current": True,
        "brier_champion": 0.2, "brier_challenger": 0.19, "difference": -0.01, "se_kind": "clustered",
        "verdict": "better", "log_e_value": 4.0, "n_windows": 30, "evidence_status": "ok", "benefit_difference": 0.004,
        "benefit_log_e_value": 3.5, "murphy_threshold": curve.threshold, "murphy_champion": curve.score,
        "murphy_challenger": curve.score * 0.9,
    }  # fmt: skip
    return pd.DataFrame([total])


@pytest.fixture(scope="module")
def tables() -> Tables:
    rows = make_rows()
    tables = make_tables(rows, runs=recalibrated(), comparison=compared(rows), threshold=0.2)
    metrics = tables.metrics
    for (start, part), grain in [
        *((each, "month") for each in rows.assign(m=_month(rows)).groupby("m")),
        ((None, rows), "all"),
    ]:
        at = (metrics["grain"] == grain) & metrics["slice_key"].isna() & metrics["model_name"].isna()
        at &= metrics["window_start"].isna() if start is None else metrics["window_start"] == start
        rate = part["outcome"].mean()
        metrics.loc[at, "net_benefit"] = net_benefit(part["probability"], part["outcome"], 0.2)
        metrics.loc[at, "net_benefit_all"] = rate - (1 - rate) / 4
        metrics.loc[at, "net_benefit_error"] = 0.0
    last = (metrics["grain"] == "window") & (metrics["window_start"] == LAST)
    names = ["estimated_brier", "estimated_base_rate", "estimate_error"]
    metrics.loc[last, names] = [0.1571, 0.2273, 0.0123]
    metrics.loc[last, "estimate_kind"] = "map"
    return tables


def _month(rows: pd.DataFrame) -> "pd.Series[Any]":
    return pd.to_datetime(rows["window_start"]).dt.to_period("M").dt.start_time.dt.date


@pytest.fixture(scope="module")
def page(tables: Tables) -> str:
    return render_page(tables, made_at=NOW + timedelta(days=1))


def test_it_says_what_recalibrating_alone_wins(page: str) -> None:
    assert (
        "Version 8 of games is version 7 recalibrated (isotonic): Brier \N{MINUS SIGN}0.0095 (0.1356 instead of 0.1451), "
        "evidence 1,400 : 1, 61 windows"
    ) in words(page)
    (label,) = set(re.findall(r'aria-label="(What each map makes[^"]*)"', page))
    assert "The chosen one (isotonic): 10% becomes" in label


def test_it_says_whether_acting_is_worth_it(page: str, tables: Tables) -> None:
    text = words(page)
    assert "One acts from 20.0% on" in text
    total = tables.total()
    assert f"{total['net_benefit']:.4f}" in text
    assert "challenger minus champion: +0.0040, evidence 33 : 1, 30 windows" in text
    (label,) = set(re.findall(r'aria-label="(Net benefit a row[^"]*)"', page))
    assert f"games 7 {total['net_benefit']:.4f}" in label
    assert "acting on none is 0" in label


def test_the_curve_is_that_of_the_rows(tables: Tables) -> None:
    curve = find_decision_curve(tables.compared()[-1])
    assert curve is not None
    rows = make_rows()
    for t, value in list(zip(curve.threshold, curve.champion, strict=True))[::10]:
        assert value == pytest.approx(net_benefit(rows["probability"], rows["outcome"], t), abs=1e-12)
    assert find_decision_curve(None) is None


def test_it_says_what_is_estimated(page: str) -> None:
    text = words(page)
    assert "Estimated, for labels aren't complete" in text.replace("&#39;", "'")
    assert "0.1571" in text
    assert "0.0123" in text


def test_without_any_of_it_the_page_says_so() -> None:
    text = words(render_page(make_tables(make_rows()), made_at=NOW))
    assert "No decision is configured" in text
    assert "By recalibrating alone" not in text
    assert "Estimated, for" not in text
    assert str(APRIL.year) in text
