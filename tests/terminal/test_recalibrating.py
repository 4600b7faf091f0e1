"""What a recalibration says at a terminal: each map with its difference, and what became of them."""

import io
from datetime import date
from typing import Any

import pytest
from rich.console import Console

from brierlake.summaries import RecalibrateSummary
from brierlake.summary_parts import MapPart, SpanPart
from brierlake.terminal.summary import print_summary, render_html


def a_map(kind: Any, **other: Any) -> MapPart:
    told = {
        "status": "ok",
        "parameters": {},
        "knots": [],
        "brier": 0.1363,
        "difference": -0.0088,
        "log_e_value": 5.1,
        "n_windows": 61,
        "evidence_status": "ok",
        "error": 1e-8,
    }
    return MapPart.model_validate({**told, **other, "kind": kind})


MAPS = [
    a_map("shift", difference=-0.0081, brier=0.137, log_e_value=2.7),
    a_map("platt"),
    a_map("beta", status="separation", brier=None, difference=None, log_e_value=0.0, evidence_status="no_windows"),
    a_map("isotonic", difference=0.0095, brier=0.155, log_e_value=6.0),
]


def printed(**other: Any) -> str:
    told: dict[str, Any] = {
        "run_id": "r",
        "job": "flights",
        "status": "published",
        "model": "mlp",
        "recalibrates": 2,
        "version": 4,
        "alias": "recalibrated",
        "fitted_on": SpanPart(first=date(2013, 8, 1), last=date(2013, 9, 30), windows=61),
        "tried_on": SpanPart(first=date(2013, 10, 1), last=date(2013, 11, 30), windows=61),
        "rows": 56_157,
        "brier": 0.1451,
        "chosen": "platt",
        "maps": MAPS,
        "picture": None,
    }
    summary = RecalibrateSummary(**{**told, **other})
    console = Console(file=io.StringIO(), width=110, highlight=False)
    print_summary(summary, console)
    assert "mlp version 2" in render_html(summary)
    return str(console.file.getvalue())  # type: ignore[attr-defined] # StringIO


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "platt: Brier -0.0088, evidence 164 : 1, 61 windows; version 4, alias recalibrated"),
        ({}, "challenger: {pin: mlp@recalibrated} in the config, then score and promote"),
        ({}, "61 windows, 2013-10-01 to 2013-11-30, 56,157 labelled rows"),
        ({"status": "planned", "version": None}, "61 windows; would be registered"),
        ({"status": "unchanged"}, "version 4 was registered already"),
        (
            {"status": "nothing_to_win", "version": None, "alias": None, "chosen": None},
            "nothing to win: no map is better with evidence of 20 : 1 or more",
        ),
        ({"picture": "maps.svg"}, "maps.svg"),
    ],
)
def test_it_says_what_became_of_it(other: dict[str, Any], said: str) -> None:
    assert said in printed(**other)


def test_each_map_has_its_line() -> None:
    lines = {line.split()[0]: line for line in printed().splitlines() if line.strip()}
    assert "0.1451" in lines["none"]
    assert lines["shift"].split()[1:3] == ["0.1370", "-0.0081"]
    assert "not proved" in lines["shift"]
    assert "better" in lines["platt"]
    assert "a threshold tells all outcomes" in lines["beta"]
    assert "worse" in lines["isotonic"]
