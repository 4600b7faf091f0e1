"""Gates: which numbers are judged, what a breach does to a run, and what holds predictions back."""

from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from brierlake.cli import main
from brierlake.config import GateConfig
from brierlake.diagnosis.diagnose_run import diagnose_and_record
from brierlake.diagnosis.gates import check_gates
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import ScoreOptions, score_windows
from tests.world import World, labels_of

DAYS = [date(2024, 1, day) for day in (1, 2, 3, 4)]
LAST = date(2024, 2, 2)


def row(day: date | None, *, grain: str = "window", **values: Any) -> dict[str, Any]:
    common = {"slice_key": None, "slice_value": None, "n_labelled": 100, "n_events": 50, "interval_status": "shown"}
    return {"grain": grain, "window_start": day, "brier": None, "drift_psi": None, "skill": None, **common, **values}


def breached(gate: GateConfig, rows: list[dict[str, Any]], windows: list[date] = DAYS) -> list[str]:
    return [each.window for each in check_gates([gate], rows, windows=windows)]


@pytest.mark.parametrize(
    ("gate", "values", "expected"),
    [
        ({"metric": "brier", "max": 0.2}, {"brier": 0.21}, 1),
        ({"metric": "brier", "max": 0.2}, {"brier": 0.2}, 0),
        ({"metric": "brier", "min": 0.1}, {"brier": 0.09}, 1),
        ({"metric": "brier", "max": 0.2}, {"brier": None}, 0),
        ({"metric": "brier", "max": 0.2}, {"brier": 0.9, "interval_status": "withheld"}, 0),
        ({"metric": "brier", "max": 0.2, "min_labelled": 101}, {"brier": 0.9}, 0),
        ({"metric": "skill", "min": 0}, {"skill": -1.0}, 1),
        ({"metric": "skill", "min": 0}, {"skill": -1.0, "n_events": 81}, 0),  # 19 of the rarer class
        ({"metric": "drift_psi", "max": 0.2}, {"drift_psi": 0.3, "n_labelled": 0, "n_events": 0}, 1),
    ],
)
def test_only_numbers_that_mean_something_are_judged(
    gate: dict[str, Any], values: dict[str, Any], expected: int
) -> None:
    assert len(breached(GateConfig(**gate), [row(DAYS[0], **values)])) == expected


@pytest.mark.parametrize(
    ("gate", "values", "expected"),
    [
        ({"metric": "brier", "max": 0.2}, {"brier": 0.21, "brier_se": 0.01}, 0),
        ({"metric": "brier", "max": 0.2, "judge": "value"}, {"brier": 0.21, "brier_se": 0.01}, 1),
        ({"metric": "brier", "max": 0.2}, {"brier": 0.24, "brier_se": 0.01}, 1),
        ({"metric": "brier", "max": 0.2}, {"brier": 0.24, "brier_se": 0.01, "brier_between_sd": 0.02}, 0),
        ({"metric": "skill", "min": 0}, {"skill": -0.1, "skill_se": 0.06}, 0),
        ({"metric": "skill", "min": 0}, {"skill": -0.1, "skill_se": 0.03}, 1),
        ({"metric": "ece", "max": 0.05}, {"ece": 0.09, "ece_low": 0.04}, 0),
        ({"metric": "ece", "max": 0.05}, {"ece": 0.09, "ece_low": 0.06}, 1),
        ({"metric": "drift_psi", "max": 0.2}, {"drift_psi": 0.4, "drift_psi_low": 0.1}, 0),
        ({"metric": "calibration_slope", "min": 0.7}, {"calibration_slope": 0.6, "calibration_slope_se": 0.1}, 0),
        ({"metric": "calibration_slope", "min": 0.7}, {"calibration_slope": 0.4, "calibration_slope_se": 0.1}, 1),
        ({"metric": "n_impossible", "max": 0}, {"n_impossible": 1}, 1),
        ({"metric": "evidence", "max": 3, "grain": "all"}, {"log_e_value": 3.1}, 1),
        ({"metric": "change_statistic", "max": 1000, "grain": "all"}, {"change_statistic": 900.0}, 0),
    ],
)
def test_a_breach_is_what_lies_outside_for_sure(gate: dict[str, Any], values: dict[str, Any], expected: int) -> None:
    made = GateConfig(**gate)
    day = None if made.grain == "all" else DAYS[0]
    calibration = {"calibration_status": "ok"}
    assert len(breached(made, [row(day, grain=made.grain, **values, **calibration)])) == expected


def test_so_many_of_the_last_windows_and_only_those_that_the_run_touched() -> None:
    gate = GateConfig(metric="brier", max=0.2, breaches=2, of=3)
    rows = [row(day, brier=value) for day, value in zip(DAYS, (0.3, 0.1, 0.3, 0.1), strict=True)]
    assert breached(gate, rows) == [str(DAYS[2])]
    assert breached(gate, rows, DAYS[3:]) == []
    assert breached(GateConfig(metric="brier", max=0.2), rows, DAYS[:2]) == [str(DAYS[0])]


def test_months_the_total_and_slices_are_judged_by_their_own_rows() -> None:
    month = [row(date(2024, 1, 1), grain="month", brier=0.3), row(None, grain="all", brier=0.3)]
    by_team = [
        row(DAYS[0], brier=value, slice_key="team", slice_value=team) for team, value in (("a", 0.3), ("b", 0.1))
    ]
    assert breached(GateConfig(metric="brier", max=0.2, grain="month"), month) == ["2024-01-01"]
    assert breached(GateConfig(metric="brier", max=0.2, grain="all"), month) == ["all"]
    (found,) = check_gates([GateConfig(metric="brier", max=0.2, slice="team")], by_team, windows=DAYS)
    assert (found.slice_value, str(found)) == ("a", "brier <= 0.2 (window by team): 0.3 in 2024-01-01 a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric": "briar", "max": 1}, "`metric` is none of"),
        ({"metric": "brier"}, "give `min` or `max`"),
        ({"metric": "evidence", "max": 3}, "set grain: all"),
        ({"metric": "brier", "max": 1, "breaches": 3, "of": 2}, "can't be more than"),
    ],
)
def test_a_gate_that_can_t_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GateConfig(**values)


@pytest.mark.slow
def test_a_breach_after_publishing_stops_what_follows_and_a_rerun_says_so_again(world: World) -> None:
    arguments = ["score", "--config", world.path, "--quiet", "--set", "gates=[{metric: brier, max: 0.01, grain: all}]"]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 5, first.output
    assert "brier <= 0.01 (all)" in first.stdout
    assert len(world.read("predictions")) == len(world.rows)
    again = CliRunner().invoke(main, arguments)
    assert (again.exit_code, "unchanged" in again.stdout) == (5, True)
    assert world.read("runs")["exit_code"].tolist() == [5]
    world.append(labels_of(world.rows[180:]), "results")
    landed = CliRunner().invoke(main, ["diagnose", *arguments[1:]])
    assert (landed.exit_code, "brier <= 0.01 (all)" in landed.stdout) == (5, True)
    assert CliRunner().invoke(main, ["diagnose", *arguments[1:]]).exit_code == 5


@pytest.mark.slow
def test_audited_predictions_wait_until_a_person_lets_them_through(world: World) -> None:
    score_windows(world.run(), scope=Scope(end=LAST))
    # the feed of one feature broke on the last day: all flights look alike, and no label is needed to see it
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = 9 WHERE id >= 180")
    gate = GateConfig(metric="drift_js", max=0.3)
    audited = world.with_config(publish="audited", gates=(gate,))

    held = score_windows(audited.run(), scope=Scope())
    assert (held.status, held.held, held.exit_code) == ("held", (LAST,), 5)
    assert [each.window for each in held.breaches] == [str(LAST)]
    assert LAST not in set(world.read("predictions")["window_start"])
    assert LAST not in set(world.read("brier_metrics")["window_start"])
    staged = world.read("predictions_staged")
    assert set(staged["window_start"]) == {LAST}

    again = score_windows(audited.run(), scope=Scope())
    assert (again.status, again.digest) == ("held", None)  # judged again, not scored again
    assert set(world.read("predictions_staged")["run_id"]) == set(staged["run_id"])

    released = score_windows(audited.run(), scope=Scope(), options=ScoreOptions(is_accepted=True))
    assert (released.status, released.exit_code, released.is_accepted) == ("published", 0, True)
    assert (world.read("predictions")["window_start"] == LAST).sum() == 60
    assert world.read("predictions_staged").empty
    runs = world.read("runs").sort_values("run_id")
    assert runs["status"].tolist() == ["published", "held", "held", "published"]
    assert '"accepted_by": "' in runs["gates"].iloc[-1]
    assert diagnose_and_record(world.run(), scope=Scope()).windows == ()
