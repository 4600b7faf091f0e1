"""What a run that was killed between its commit and its record leaves, and what the next one makes of it."""

from datetime import date, timedelta

import pandas as pd
import pytest

from brierlake.errors import ContractError, GateError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring import publish as publish_room
from brierlake.scoring import recovery
from brierlake.scoring import score_run as score_room
from brierlake.scoring.score_run import score_windows
from tests.world import World

pytestmark = pytest.mark.slow  # several whole runs each


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_bad_predictions_that_nobody_could_judge_are_put_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    score_windows(world.run(), scope=Scope())
    before = world.read("predictions").sort_values("id", ignore_index=True)
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = NULL WHERE id >= 180 AND id % 2 = 0")
    lenient = world.with_config(scoring=world.config.scoring.model_copy(update={"max_issue_share": 0.9}))
    with monkeypatch.context() as patched:
        patched.setattr(publish_room, "validate_issues", killed)
        with pytest.raises(Killed):
            score_windows(lenient.run(), scope=Scope())
    assert world.read("predictions")["issue"].notna().sum() == 30
    with pytest.raises((ContractError, GateError), match="max_issue_share"):
        score_windows(world.run(), scope=Scope())
    pd.testing.assert_frame_equal(world.read("predictions").sort_values("id", ignore_index=True), before)
    assert world.read("runs").sort_values("run_id")["status"].tolist() == ["published", "failed"]


def test_a_run_that_was_killed_is_entered_into_the_ledger_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(score_room, "append_records", killed)
        with pytest.raises(Killed):
            score_windows(world.run(), scope=Scope())
    assert score_windows(world.run(), scope=Scope()).status == "unchanged"  # it may still be alive
    monkeypatch.setattr(recovery, "SETTLED", timedelta(0))
    assert score_windows(world.run(), scope=Scope()).status == "unchanged"
    (run_id,) = set(world.read("predictions")["run_id"])
    record = world.read("runs").set_index("run_id").loc[run_id]
    assert (record["model_name"], record["rows_in"], record["first_window"]) == (
        "second",
        len(world.rows),
        date(2024, 1, 30),
    )
    assert len(record["model_digest"]) == 64
    assert "not recorded by itself" in record["error"]
