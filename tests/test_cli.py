"""Bad input at the command line: one clear sentence, an exit code of its own, nothing written."""

import json
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from brierlake.cli import main
from tests.world import World


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_config_that_is_not_there() -> None:
    result = invoke("score", "--config", "nowhere.yml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no config file nowhere.yml" in result.stderr


def break_path(world: World) -> None:
    shutil.rmtree(world.folder / "lake" / "silver" / "games")


def break_format(world: World) -> None:
    break_path(world)
    world.spark.range(3).write.parquet(str(world.folder / "lake" / "silver" / "games"))


def break_rows(world: World) -> None:
    world.sql(f"DELETE FROM {world.silver('games').sql}")


def break_feature(world: World) -> None:
    world.sql(f"ALTER TABLE {world.silver('games').sql} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    world.sql(f"ALTER TABLE {world.silver('games').sql} RENAME COLUMN x2 TO x3")


def leave(world: World) -> None:
    """Nothing is broken but the command line."""


@pytest.mark.parametrize(
    ("broken", "arguments", "code", "message"),
    [
        (leave, ["--set", "modle.names=[a]"], 2, "unknown key `modle`. Did you mean 'model'?"),
        (leave, ["--set", "features.key=[nobody]"], 4, "has no column nobody"),
        (leave, ["--set", "model.names=[frist]"], 3, "frist"),
        (leave, ["--set", "model.metric=brief"], 3, "brier"),
        (leave, ["--set", "labels.outcome=won"], 4, "has no column won"),
        (leave, ["--from", "2030-01-01"], 4, "has no rows to score in the scope 2030-01-01/"),
        (leave, ["--set", "mlflow.tracking_uri=sqlite:///gone.db"], 3, "gone.db"),
        (break_path, [], 6, "There is no table at"),
        (break_format, [], 6, "isn't a Delta table. Check features.table"),
        (break_rows, [], 4, "has no rows to score in the table"),
        (break_feature, [], 4, "x2"),
    ],
)
def test_one_sentence_one_code_and_nothing_written(
    world: World, broken: object, arguments: list[str], code: int, message: str
) -> None:
    broken(world)  # type: ignore[operator] # a function of the world
    result = invoke("score", "--config", world.path, *arguments)
    assert message in result.stderr
    assert result.exit_code == code
    assert "Traceback" not in result.stderr
    assert not (world.folder / "lake" / "gold").exists()
    assert not (world.folder / "gone.db").exists()


def test_json_holds_the_whole_story_and_errors_too(published: World) -> None:
    summary = json.loads(published.said("score.json"))
    assert (summary["exit_code"], summary["status"], summary["rows_in"]) == (0, "published", len(published.rows))
    assert (summary["rows_with_issue"], summary["diagnostics"]["total"]["label_status"]) == (2, "preliminary")
    result = invoke("score", "--config", published.path, "--json", "--quiet", "--set", "model.names=[frist]")
    failed = json.loads(result.stdout)
    assert (result.exit_code, failed["exit_code"], failed["status"]) == (3, 3, "failed")


def test_plan_tells_what_score_does_and_its_summary_fits_a_screen(published: World) -> None:
    assert "4 to score" in published.said("plan.txt")
    scored = published.said("score.txt")
    assert len(scored.splitlines()) <= 24
    assert "second version 1, brier 0.2100, the best of 3 eligible versions" in scored
    assert "unchanged" in invoke("score", "--config", published.path, "--quiet").stdout


def test_diagnose_without_predictions_says_what_makes_them(world: World) -> None:
    result = invoke("diagnose", "--config", world.path)
    assert result.exit_code == 6
    assert "`score` makes it" in result.stderr


def summary_to(where: str, *arguments: str, code: int) -> Result:
    result = invoke("runs", "--json", "--quiet", "--summary-to", where, *arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_summary_is_left_where_the_scheduler_looks(published: World, tmp_path: Path, scheme: str) -> None:
    target = tmp_path / "run 1.json"
    target.write_text("of an earlier run", encoding="utf-8")
    where = f"{scheme}{quote(str(target)) if scheme else target}"
    result = summary_to(where, "--config", published.path, code=0)
    assert json.loads(target.read_text(encoding="utf-8")) == {"exit_code": 0, **json.loads(result.stdout)}
    assert [each.name for each in tmp_path.glob("*run 1*")] == ["run 1.json"]


def test_a_failed_command_leaves_its_summary_too(tmp_path: Path) -> None:
    target = tmp_path / "summary.json"
    result = summary_to(str(target), "--config", "nowhere.yml", code=2)
    told = json.loads(target.read_text(encoding="utf-8"))
    assert told == json.loads(result.stdout)
    assert (told["status"], told["exit_code"]) == ("failed", 2)
    assert "There is no config file nowhere.yml" in told["error"]


def test_a_place_that_takes_no_summary_is_a_fault_of_storage(published: World, tmp_path: Path) -> None:
    result = summary_to(str(tmp_path / "absent" / "s.json"), "--config", published.path, code=6)
    assert f"Could not write the summary to {tmp_path}/absent/s.json: " in json.loads(result.stdout)["error"]
    assert result.stderr.count("Error:") == 1
    # a folder in the way: nothing is left beside it
    (tmp_path / "folder").mkdir()
    summary_to(str(tmp_path / "folder"), "--config", published.path, code=6)
    assert [each.name for each in tmp_path.glob("*folder*")] == ["folder"]
    # what the command itself has to say is said, with its own exit code
    result = summary_to(str(tmp_path / "absent" / "s.json"), "--config", "nowhere.yml", code=2)
    assert "There is no config file nowhere.yml" in json.loads(result.stdout)["error"]
    assert "(and: Could not write the summary to" in result.stderr
