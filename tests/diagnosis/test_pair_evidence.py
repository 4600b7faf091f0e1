"""The evidence of one pair of versions: which windows count, and what is concluded."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from brierlake.brier import e_process
from brierlake.config import DiagnosticsConfig
from brierlake.diagnosis.pair_evidence import judge_all, judge_month, judge_windows

FIRST = date(2024, 3, 1)
BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
SETTINGS = DiagnosticsConfig()


def rows_of(means: np.ndarray, *, n: int = 200, labelled: int | None = None) -> list[dict[str, Any]]:
    """A window a day whose mean difference is given; half of the rows are events."""
    held = n if labelled is None else labelled
    return [
        {
            "window_start": FIRST + timedelta(days=place),
            "n_paired": n,
            "n": held,
            "n_events": held // 2,
            "sum_p": held / 2,
            "sum_champion": 0.2 * held,
            "sum_challenger": (0.2 + mean) * held,
            "sum_d": mean * held,
            "sum_d2": 0.01 * held,
            "sum_abs_d": 0.09 * held,
            "clusters": 1,
            "sum_s2": (mean * held) ** 2,
            "sum_s_n": mean * held**2,
            "sum_n2": held**2,
            "labels_as_of": datetime(2024, 6, 1, tzinfo=UTC),
        }
        for place, mean in enumerate(means.tolist())
    ]


def total_of(rows: list[dict[str, Any]], *, trained_until: datetime | None = BEFORE) -> dict[str, Any]:
    judged = judge_windows(rows, trained_until=trained_until, settings=SETTINGS)
    return judge_all(judged, settings=SETTINGS, is_by_day=True)


def test_evidence_runs_up_to_each_window_and_the_total_has_the_last() -> None:
    means = np.random.default_rng(9).normal(-0.01, 0.01, 40)
    rows = rows_of(means)
    judged = judge_windows(rows, trained_until=BEFORE, settings=SETTINGS)
    process = e_process(means)
    assert [row["evidence_status"] for row in judged] == ["few_windows"] * 4 + ["ok"] * 36
    assert [row["log_e_value"] for row in judged[4:]] == pytest.approx(process.log_e_value[4:].tolist())
    assert [row["n_windows"] for row in judged] == list(range(1, 41))
    total = judge_all(judged, settings=SETTINGS, is_by_day=True)
    assert (total["verdict"], total["n_windows"], total["block"]) == ("better", 40, 1)
    assert (total["sequence_low"], total["sequence_high"]) == (
        pytest.approx(process.low[-1]),
        pytest.approx(process.high[-1]),
    )
    first = next(row["window_start"] for row in judged if row["verdict"] == "better")
    assert FIRST + timedelta(days=4) <= first < FIRST + timedelta(days=40)
    assert total["se_kind"] == "clustered"
    assert total["difference"] == pytest.approx(means.mean())


def test_what_either_was_trained_on_counts_for_nothing_and_is_marked() -> None:
    means = np.concatenate((np.full(30, -0.1), np.random.default_rng(2).normal(0, 0.01, 20)))
    until = datetime(2024, 3, 31, tzinfo=UTC)
    rows = rows_of(means + np.random.default_rng(3).normal(0, 1e-3, 50))
    judged = judge_windows(rows, trained_until=until, settings=SETTINGS)
    assert [row["evidence_status"] for row in judged[:30]] == ["in_sample"] * 30
    assert {row["verdict"] for row in judged[:30]} == {"in_sample"}
    total = judge_all(judged, settings=SETTINGS, is_by_day=True)
    assert (total["verdict"], total["n_windows"], total["n"]) == ("not_distinguishable", 20, 20 * 200)
    assert total["n_in_sample"] == 30
    march = judge_month(judged[:30], settings=SETTINGS, is_by_day=True)
    assert (march["verdict"], march["evidence_status"]) == ("in_sample", "in_sample")
    april = judge_month(judged[31:], settings=SETTINGS, is_by_day=True)
    assert (april["verdict"], april["n"]) == ("not_distinguishable", 19 * 200)


@pytest.mark.parametrize("until", [None, datetime(2025, 1, 1, tzinfo=UTC)])
def test_without_a_window_that_counts_all_are_shown_and_nothing_is_concluded(until: datetime | None) -> None:
    total = total_of(rows_of(np.full(40, -0.05)), trained_until=until)
    assert (total["verdict"], total["n"], total["log_e_value"]) == ("in_sample", 40 * 200, 0.0)
    assert total["difference"] == pytest.approx(-0.05)


def test_windows_wait_for_their_labels() -> None:
    means = np.random.default_rng(4).normal(-0.01, 0.01, 40)
    late = [*rows_of(means)[:30], *rows_of(means, labelled=120)[30:]]
    judged = judge_windows(late, trained_until=BEFORE, settings=SETTINGS)
    assert [row["evidence_status"] for row in judged[30:]] == ["incomplete"] * 10
    total = judge_all(judged, settings=SETTINGS, is_by_day=True)
    assert (total["n_windows"], total["n"]) == (30, 30 * 200 + 10 * 120)
    nearly = judge_windows(rows_of(means, labelled=191), trained_until=BEFORE, settings=SETTINGS)
    assert nearly[-1]["evidence_status"] == "ok", "some labels never come"


def test_models_that_differ_in_a_few_rows_are_not_told_apart() -> None:
    rows = rows_of(np.random.default_rng(5).normal(-1e-4, 1e-5, 8))
    few = [{**row, "sum_d2": 0.25 * 4, "sum_abs_d": 0.5 * 4} for row in rows[:1]]
    (judged,) = judge_windows(few, trained_until=BEFORE, settings=SETTINGS)
    assert judged["verdict"] == "too_few_labels"


def test_a_job_without_times_has_no_windows() -> None:
    rows = [{**rows_of(np.array([-0.1]))[0], "window_start": None}]
    total = total_of(rows)
    assert (total["verdict"], total["evidence_status"]) == ("no_windows", "no_windows")


def test_the_same_model_twice_is_not_distinguishable() -> None:
    rows = [{**row, "sum_d2": 0.0, "sum_abs_d": 0.0} for row in rows_of(np.zeros(20))]
    total = total_of(rows)
    assert (total["verdict"], total["evidence_status"]) == ("not_distinguishable", "constant")
