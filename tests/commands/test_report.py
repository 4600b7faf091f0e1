"""What a person reads of tables that a real run wrote: `report`, `runs`, `candidates`, `show`."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from brierlake.cli import main
from tests.world import World


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


POOLED = (
    "mean_probability", "expected_brier", "expected_brier_sd", "base_rate", "mean_probability_labelled",
    "expected_brier_labelled", "brier", "reference_brier", "uncertainty", "skill",
)  # fmt: skip


def read_total(world: World) -> dict[str, Any]:
    metrics = world.read("brier_metrics").query("grain == 'all' and role == 'champion'")
    (row,) = metrics[metrics["model_name"].isna() & metrics["slice_key"].isna()].to_dict("records")
    return {str(name): value for name, value in row.items()}


def read_json(*arguments: str) -> Any:
    result = invoke(*arguments, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_is_read_from_its_tables_alone(published: World) -> None:
    world = published
    lines = [json.loads(line) for line in world.said("score.log").splitlines()]
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
    assert ">187; 189</td>" in text
    assert "second version 1 was chosen among 3 versions" in text
    assert f"{run_id}, {finished_at} UTC" in text
    assert (run["run_id"], run["finished_at"][:16], run["rows_with_issue"]) == (run_id, finished_at, 2)

    listed = read_json("candidates", "--config", world.path)["rows"]
    assert [(each["rank"], each["model_name"], each["is_selected"]) for each in listed] == [
        (1, "second", True),
        (2, "first", False),
        (3, "first", False),
    ]
    day, month = (read_json("show", each, "--config", world.path) for each in ("2024-01-30", "2024-02"))
    assert (day["metrics"]["n_rows"], month["metrics"]["n_rows"]) == (60, 120)
    (made,) = month["made_by"]
    assert (made["run_id"], made["rows"], made["issues"], made["windows"]) == (run_id, 120, 2, 2)
    unknown = invoke("show", "2030-01-01", "--config", world.path)
    assert (unknown.exit_code, "Known: 2024-01-30 to 2024-02-02" in unknown.stderr) == (2, True)
    shown = invoke("show", "2024-02", "--config", world.path, "--quiet").stdout
    assert "made by    second 1, features version 0" in shown
    assert "second 1" in invoke("runs", "--config", world.path, "--quiet").stdout
    assert world.versions() == before

    (world.folder / "full").touch()
    refused = invoke("report", "--config", world.path, "--output", str(world.folder / "full" / "page.html"))
    assert (refused.exit_code, "can't be written" in refused.stderr) == (2, True)


def test_a_year_is_shown_by_what_adds_up_of_its_months(published: World) -> None:
    year = read_json("show", "2024", "--config", published.path)
    total, months = read_total(published), year["months"]
    assert [each["window_start"] for each in months] == ["2024-01-01", "2024-02-01"]
    assert (year["grain"], year["metrics"]["window_start"]) == ("year", "2024-01-01")
    for figure in ("n_rows", "n_scored", "n_labelled", "n_events", "coverage", *POOLED):
        assert year["metrics"][figure] == pytest.approx(total[figure], rel=1e-9), figure
    assert (year["metrics"]["brier_low"], year["metrics"]["ece"]) == (None, None)
    assert (year["metrics"]["label_status"], year["verdict"]["words"]) == ("preliminary", "see its months")
    assert sum(each["rows"] for each in year["made_by"]) == 240
    lines = invoke("show", "2024", "--config", published.path, "--quiet").stdout.splitlines()
    assert lines[0].startswith("2024 ")
    assert [line.split()[0] for line in lines[-2:]] == ["2024-01", "2024-02"]
    for absent in ("2023", "2023-12", "2024-13", "0000", "202"):
        assert invoke("show", absent, "--config", published.path).exit_code == 2


@pytest.mark.slow
def test_months_are_shown_where_they_are_the_windows(world: World) -> None:
    monthly = ("--config", world.path, "--set", "features.window=month")
    assert invoke("score", *monthly, "--quiet").exit_code == 0
    for text in ("2024-01", "2024-01-01"):
        shown = read_json("show", text, *monthly)
        assert (shown["metrics"]["n_rows"], shown["metrics"]["window_start"]) == (120, "2024-01-01")
        assert sum(each["rows"] for each in shown["made_by"]) == 120
    assert read_json("show", "2024", *monthly)["metrics"]["n_rows"] == 240


@pytest.mark.long
@pytest.mark.slow
def test_old_windows_are_shown_too(world: World) -> None:
    """The report keeps the newest 400 windows; `show` finds every one."""
    days = pd.date_range("2020-01-01", periods=450, tz="UTC")
    rows = pd.concat([world.rows.head(1)] * len(days), ignore_index=True).assign(id=range(1000, 1450), at=days)
    world.append(rows.drop(columns="y"), "games")
    assert invoke("score", "--config", world.path, "--quiet").exit_code == 0
    assert read_json("show", "2020-01-02", "--config", world.path)["metrics"]["n_rows"] == 1
    assert read_json("show", "2020", "--config", world.path)["metrics"]["n_rows"] == 366


@pytest.mark.parametrize("command", [["report"], ["runs"], ["candidates"], ["show", "2024-01"]])
def test_before_any_run_the_error_says_what_makes_the_tables(world: World, command: list[str]) -> None:
    result = invoke(*command, "--config", world.path)
    assert result.exit_code == 6
    assert "`score` makes it" in result.stderr
    assert not Path("games-report.html").exists()
