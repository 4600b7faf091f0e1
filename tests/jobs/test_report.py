"""What a person reads of tables that a real run wrote: `report`, `runs`, `candidates`, `show`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from brierlake.cli import main
from tests.world import World


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def read_json(*arguments: str) -> Any:
    result = invoke(*arguments, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_is_read_from_its_tables_alone(world: World) -> None:
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = double('NaN') WHERE id IN (7, 9)")
    scored = invoke("score", "--config", world.path, "--log-json")
    assert scored.exit_code == 0, scored.output
    lines = [json.loads(line) for line in scored.stderr.splitlines()]
    run_id = lines[-1]["run_id"]
    assert {each["run_id"] for each in lines} == {None, run_id}
    before = world.versions()
    finished_at = f"{world.read('runs')['finished_at'][0]:%Y-%m-%d %H:%M}"

    page = world.folder / "out" / "page.html"
    world.spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        reported = invoke("report", "--config", world.path, "--output", str(page))
        (run,) = read_json("runs", "--config", world.path)["rows"]
    finally:
        world.spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert reported.exit_code == 0, reported.output
    assert f"report   {page}\n" in reported.stdout
    text = page.read_text(encoding="utf-8")
    assert "240 rows in 4 windows of a day; 238 have a probability, 2 (0.83%) have an issue instead" in text
    assert ">7; 9</td>" in text
    assert "second version 1 was chosen among 3 versions" in text
    assert f"{run_id}, {finished_at} UTC" in text
    assert (run["run_id"], run["finished_at"][:16], run["rows_with_issue"]) == (run_id, finished_at, 2)

    listed = read_json("candidates", "--config", world.path)["rows"]
    assert [(each["rank"], each["model_name"], each["is_selected"]) for each in listed] == [
        (1, "second", True),
        (2, "first", False),
        (3, "first", False),
    ]
    day, month = (read_json("show", each, "--config", world.path) for each in ("2024-01-30", "2024-01"))
    assert (day["metrics"]["n_rows"], month["metrics"]["n_rows"]) == (60, 120)
    (made,) = month["made_by"]
    assert (made["run_id"], made["rows"], made["issues"], made["windows"]) == (run_id, 120, 2, 2)
    unknown = invoke("show", "2030-01-01", "--config", world.path)
    assert (unknown.exit_code, "Known: 2024-01-30 to 2024-02-02" in unknown.stderr) == (2, True)
    shown = invoke("show", "2024-02", "--config", world.path, "--quiet").stdout
    assert "made by    second 1, features version 1" in shown
    assert "second 1" in invoke("runs", "--config", world.path, "--quiet").stdout
    assert world.versions() == before

    (world.folder / "full").touch()
    refused = invoke("report", "--config", world.path, "--output", str(world.folder / "full" / "page.html"))
    assert (refused.exit_code, "can't be written" in refused.stderr) == (2, True)


@pytest.mark.parametrize("command", [["report"], ["runs"], ["candidates"], ["show", "2024-01"]])
def test_before_any_run_the_error_says_what_makes_the_tables(world: World, command: list[str]) -> None:
    result = invoke(*command, "--config", world.path)
    assert result.exit_code == 6
    assert "`score` makes it" in result.stderr
    assert not Path("games-report.html").exists()
