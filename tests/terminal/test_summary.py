"""The summary of a run fits a terminal, and says no more than the numbers do."""

import io
from datetime import date
from typing import Any

from rich.console import Console

from brierlake.summaries import ScoreSummary
from brierlake.summary_parts import CandidatePart, DiagnosticsPart, MetricsPart, ModelPart
from brierlake.terminal.summary import print_summary
from tests.page.pages import make_rows, make_tables


def printed(summary: ScoreSummary) -> list[str]:
    buffer = io.StringIO()
    print_summary(summary, Console(file=buffer, width=80, highlight=False))
    return buffer.getvalue().splitlines()


KEYS = ["carrier=UA, flight=1545, origin=EWR", "carrier=UA, flight=1714, origin=LGA"]


def make_summary() -> ScoreSummary:
    """A run with everything that could be said: many months, issues, candidates and a note."""
    tables = make_tables(make_rows())
    month = metrics_of({**tables.published("month")[0], "window_start": date(2024, 3, 1)})
    total = metrics_of({**tables.total(), "label_status": "preliminary", "coverage": 0.5})
    candidate = CandidatePart(rank=1, model_name="games", model_version=7, value=0.18, is_selected=True, is_tied=False)
    return ScoreSummary(
        run_id="20240601T000000.000000-abcdef",
        job="games",
        status="published",
        model=ModelPart(name="games", version=7, metric="brier", value=0.18),
        candidates=[candidate, *(candidate.model_copy(update={"is_selected": False}) for _ in range(4))],
        candidates_count=6,
        eligible_count=5,
        recipe="0" * 16,
        scope="2024-03-01/2024-06-01",
        features_table="silver/games",
        features_id="an-id",
        features_version=1,
        windows_stale=69,
        windows_current=2,
        windows_emptied=[],
        rows_in=4140,
        model_digest="0" * 64,
        features=["x1"],
        casts={},
        environment=[],
        predictions_table="gold/predictions",
        predictions_version=3,
        rows_scored=4100,
        rows_with_issue=40,
        issues={f"the value of column x{at} isn't a finite number, and more": 40 - at for at in range(9)},
        issue_examples={f"the value of column x{at} isn't a finite number, and more": KEYS for at in range(9)},
        exit_code=0,
        breaches=[],
        held_windows=[],
        is_accepted=False,
        diagnostics=DiagnosticsPart(
            windows=69,
            reasons={},
            labels_version=3,
            labels=None,
            as_of=None,
            flagged=[],
            months=[month] * 30,
            total=total,
        ),
        report="/somewhere/report.html",
        mlflow="run 123 in experiment brierlake",
        notes=["No report: the disk is full."],
    )


def metrics_of(row: dict[str, Any]) -> MetricsPart:
    return MetricsPart.model_validate({name: row[name] for name in MetricsPart.model_fields})


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
    assert summary.diagnostics is not None
    few = summary.diagnostics.months[0].model_copy(update={"skill_status": "few_events"})
    diagnostics = summary.diagnostics.model_copy(update={"months": [few]})
    rows = printed(summary.model_copy(update={"diagnostics": diagnostics}))
    assert next(line for line in rows if line.startswith("2024-03")).endswith("few")
