"""The summary of a run fits a terminal, and says no more than the numbers do."""

import io
from typing import Any

from rich.console import Console
from tests.report.pages import make_rows, make_tables

from brierlake.report.terminal import print_summary


def printed(summary: dict[str, Any]) -> list[str]:
    buffer = io.StringIO()
    print_summary(summary, Console(file=buffer, width=80, highlight=False))
    return buffer.getvalue().splitlines()


KEYS = ["carrier=UA, flight=1545, origin=EWR", "carrier=UA, flight=1714, origin=LGA"]


def make_summary() -> dict[str, Any]:
    """A run with everything that could be said: many months, issues, candidates and a note."""
    tables = make_tables(make_rows())
    month = {**tables.published("month")[0], "window_start": "2024-03-01"}
    total = {**tables.total(), "label_status": "preliminary", "coverage": 0.5}
    candidate = {
        "rank": 1,
        "model_name": "games",
        "model_version": 7,
        "value": 0.18,
        "is_selected": True,
        "is_tied": False,
    }
    return {
        "action": "score",
        "job": "games",
        "status": "published",
        "model": {"name": "games", "version": 7, "metric": "brier", "value": 0.18},
        "candidates": [candidate, *({**candidate, "is_selected": False} for _ in range(4))],
        "eligible_count": 5,
        "scope": "2024-03-01/2024-06-01",
        "windows_stale": 69,
        "windows_current": 2,
        "rows_in": 4140,
        "rows_scored": 4100,
        "rows_with_issue": 40,
        "predictions_version": 3,
        "issues": {f"the value of column x{at} isn't a finite number, and more": 40 - at for at in range(9)},
        "issue_examples": {f"the value of column x{at} isn't a finite number, and more": KEYS for at in range(9)},
        "diagnostics": {"windows": 69, "labels_version": 3, "months": [month] * 30, "total": total},
        "report": "/somewhere/report.html",
        "mlflow": "run 123 in experiment brierlake",
        "notes": ["No report: the disk is full."],
    }


def test_the_fullest_summary_fits_24_lines() -> None:
    lines = printed(make_summary())
    assert len(lines) <= 24, "\n".join(lines)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "8 further kinds of issue" in text
    assert "such as carrier=UA, flight=1545, origin=EWR; carrier=UA, fl…" in text
    assert "note     No report: the disk is full." in text
    assert "preliminary" in text


def test_skill_of_few_events_isnt_told() -> None:
    summary = make_summary()
    few = {**summary["diagnostics"]["months"][0], "n_events": 7}
    rows = printed({**summary, "diagnostics": {**summary["diagnostics"], "months": [few]}})
    assert next(line for line in rows if line.startswith("2024-03")).endswith("few")
