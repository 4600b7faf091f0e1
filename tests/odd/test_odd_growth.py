"""Tables that grow: wider keys, columns carried anew and no more, columns of a later release."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from pyspark.sql import functions as F

from brierlake.cli import main
from brierlake.errors import StorageError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.growths import find_growths
from brierlake.scoring.planning import make_plan
from brierlake.scoring.score_run import score_windows
from tests.odd.former import read_former_world
from tests.odd.helpers import overwrite
from tests.world import PER_DAY, World, labels_of

pytestmark = pytest.mark.slow  # several whole runs each

ALL = Scope()


def with_features(world: World, **changes: Any) -> World:
    return world.with_config(features=world.config.features.model_copy(update=changes))


def history(world: World) -> int:
    return int(world.spark.sql(f"DESCRIBE HISTORY {world.gold('predictions').sql}").count())


def test_a_key_that_becomes_wider_widens_the_predictions_and_keeps_their_history(world: World) -> None:
    overwrite(world, "games", "CAST(id AS INT) AS id, at, x1, x2, team")
    score_windows(world.run(), scope=ALL)
    before = history(world)
    overwrite(world, "games", "CAST(id AS BIGINT) AS id, at, x1, x2, team")
    world.sql(f"UPDATE {world.silver('games').sql} SET id = 9007199254740993 WHERE id = 0")
    said: list[str] = []
    run = world.run()
    object.__setattr__(run, "say", said.append)
    assert score_windows(run, scope=Scope(date(2024, 1, 30), date(2024, 1, 31))).status == "published"
    assert any("column id becomes bigint" in each for each in said)
    table = world.spark.read.table(world.gold("predictions").sql)
    assert dict(table.dtypes)["id"] == "bigint"
    assert table.where("id = 9007199254740993").count() == 1
    assert table.count() == len(world.rows)
    assert history(world) > before + 1
    assert score_windows(world.run(), scope=ALL).status in ("published", "diagnosed", "unchanged")


def test_a_column_carried_anew_is_added_and_one_carried_no_more_stays(published: World) -> None:
    wider = with_features(published, carry=("team", "x2"))
    planned = find_changes(wider)
    assert planned == {published.gold("predictions").name: "column x2 (double) is added"}
    assert score_windows(wider.run(), scope=Scope(date(2024, 2, 2))).status == "published"
    found = published.read("predictions").set_index("id").sort_index()
    assert found["x2"].notna().sum() == PER_DAY
    assert found.loc[3 * PER_DAY :, "x2"].tolist() == published.rows["x2"][3 * PER_DAY :].tolist()
    assert score_windows(wider.run(), scope=ALL).status == "published"
    narrower = with_features(published, carry=(), columns=())
    narrower = narrower.with_config(diagnostics=narrower.config.diagnostics.model_copy(update={"slices": ()}))
    assert score_windows(narrower.run(), scope=ALL).status == "published"
    assert published.read("predictions")[["team", "x2"]].isna().all().all()
    assert score_windows(narrower.run(), scope=ALL).status == "unchanged"


def find_changes(world: World) -> dict[str, str]:
    plan = make_plan(world.run(), scope=ALL, is_forced=False, is_empty_allowed=False)
    return find_growths(world.run().lake, plan, job=world.config.job)


def test_what_would_lose_something_is_refused_by_plan(published: World) -> None:
    overwrite(published, "games", "CAST(id AS STRING) AS id, at, x1, x2, team")
    overwrite(published, "results", "CAST(id AS STRING) AS id, y, known_at")
    with pytest.raises(StorageError, match="column id is bigint, not string"):
        find_changes(published)


def test_a_copied_folder_and_another_password_score_nothing_anew(published: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(published.folder, elsewhere)
    config = str(elsewhere / "job.yml")
    result = CliRunner().invoke(main, ["score", "--config", config, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    assert '"status": "unchanged"' in result.stdout


def test_tables_of_the_first_format_go_on(former: World) -> None:
    """Written by the commit before: nothing is lost, nothing is scored anew, and late labels count."""
    before = former.read("predictions").sort_values("id", ignore_index=True)
    months = former.read("brier_metrics").query("grain == 'month' and role == 'champion'")
    brier = months[months["slice_key"].isna() & months["model_name"].isna()].set_index("window_start")["brier"]
    first = score_windows(former.run(), scope=ALL)
    assert (first.status, first.prepared) == ("diagnosed", None)
    assert dict(first.diagnosis.reasons) == {"settings changed": 4}  # type: ignore[union-attr]
    pd.testing.assert_frame_equal(former.read("predictions").sort_values("id", ignore_index=True), before)
    again = former.read("brier_metrics").query("grain == 'month' and role == 'champion'")
    again = again[again["slice_key"].isna() & again["model_name"].isna()].set_index("window_start")["brier"]
    pd.testing.assert_series_equal(again.sort_index(), brier.sort_index(), rtol=1e-12)
    assert score_windows(former.run(), scope=ALL).status == "unchanged"

    former.append(labels_of(former.rows[3 * PER_DAY :]), "results")
    late = score_windows(former.run(), scope=ALL)
    assert (late.status, late.diagnosis.windows) == ("diagnosed", (date(2024, 2, 2),))  # type: ignore[union-attr]
    former.sql(f"UPDATE {former.silver('games').sql} SET x1 = 0 WHERE id = 0")
    assert score_windows(former.run(), scope=ALL).plan.stale == (date(2024, 1, 30),)
    table = former.spark.read.table(former.gold("predictions").sql)
    assert table.count() == len(former.rows)
    assert table.where(F.col("window_start") == F.lit("2024-01-31").cast("date")).select("run_id").distinct().count()
    properties = former.spark.sql(f"SHOW TBLPROPERTIES {former.gold('brier_metrics').sql}").collect()
    assert {row["key"]: row["value"] for row in properties}["brierlake.format"] == "2"


@pytest.fixture
def former(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return read_former_world(spark, tmp_path)
