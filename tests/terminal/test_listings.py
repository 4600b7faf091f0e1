"""`runs`, `candidates` and `show` as text, from what the commands hand over."""

import io

from rich.console import Console

from brierlake.summaries import CandidatesSummary, RunsSummary, ShowSummary, Summary
from brierlake.summary_parts import VerdictPart
from brierlake.terminal.summary import print_summary
from tests.page.pages import APRIL, make_rows, make_tables

RUN = {
    "run_id": "20240509T055900.000000-abcdef", "action": "score", "status": "published", "model_name": "games",
    "started_at": "2024-05-09 05:59:00", "finished_at": "2024-05-09 06:01:00", "model_version": 7, "scope": "full",
    "window_count": 69, "rows_in": 4140, "rows_with_issue": 0, "brier": 0.1813, "base_rate": 0.2, "coverage": 1.0,
    "error": None,
}  # fmt: skip
CANDIDATE = {
    "rank": 1, "model_name": "games", "model_version": 7, "metric_name": "brier", "value": 0.1813, "step": 3,
    "logged_at": "2024-05-01 00:00:00", "value_source": "run", "is_eligible": True, "reason": None, "is_selected": True,
    "is_tied": False, "run_id": RUN["run_id"], "looked_at": "2024-05-09 05:59:00",
}  # fmt: skip


def printed(listing: Summary) -> str:
    buffer = io.StringIO()
    print_summary(listing, Console(file=buffer, width=100, highlight=False))
    return buffer.getvalue()


def test_runs_and_the_error_of_a_failed_one() -> None:
    failed = {**RUN, "status": "failed", "model_name": None, "brier": None, "error": "No [table] there."}
    text = printed(RunsSummary(job="games", rows=[RUN, failed]))
    assert "2024-05-09 05:59 score full published games 7" in text
    assert "0.1813" in text
    assert "No [table] there." in text


def test_candidates_say_why_and_why_not() -> None:
    other = {
        **CANDIDATE,
        "rank": None,
        "value": None,
        "is_eligible": False,
        "is_selected": False,
        "reason": "no metric",
    }
    first, second = printed(CandidatesSummary(job="games", rows=[CANDIDATE, other])).splitlines()[2:4]
    assert first.split() == ["1", "games", "7", "0.1813", "3", "2024-05-01", "00:00", "chosen"]
    assert second.endswith("no metric") or "no metric" in second


def test_a_window_with_its_verdict_and_who_made_it() -> None:
    row = next(each for each in make_tables(make_rows()).published("month") if each["window_start"] == APRIL)
    made = {"run_id": "r1", "model_name": "games", "model_version": 7, "features_version": 3, "rows": 1800}
    verdict = VerdictPart(level="bad", words="badly calibrated", reason="Because.")
    text = printed(
        ShowSummary(job="games", window="2024-04", grain="month", metrics=row, made_by=[made], verdict=verdict)
    )
    assert "✗ badly calibrated" in text
    assert "games 7, features version 3, run r1: 1,800 rows" in text
    assert f"{row['brier']:.4f}" in text
    assert "base rate" in text
    assert "skill" in text
