"""Labels as they come: of other types, taken back, read anew, written by other engines."""

import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import brier_score_loss

from brierlake.cli import main
from brierlake.commands import plan as plan_room
from brierlake.config import DiagnosticsConfig, LabelsConfig, ReferenceWindow
from brierlake.diagnosis.diagnose_run import Diagnosis, answer, diagnose_and_record
from brierlake.errors import BrierlakeError, ContractError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import score_windows
from tests.odd.helpers import overwrite, recast, vacuum_at_once
from tests.world import DAYS, PER_DAY, World, labels_of, probability_of

pytestmark = pytest.mark.slow  # several whole runs each

ALL = Scope()
LAST = date(2024, 2, 2)


def plan(world: World) -> dict[str, Any]:
    return plan_room.plan(world.config, spark=world.spark, say=lambda _: None).model_dump(mode="json")


def rewrite(world: World, select: str) -> None:
    """The labels table dropped, and made anew from its own rows."""
    table = world.silver("results")
    rows = world.spark.sql(f"SELECT {select} FROM {table.sql}").toPandas()
    shutil.rmtree(str(table.path))
    world.append(rows, "results")


def refused_before_anything(world: World) -> str:
    """What `plan` and `score` say; nothing may be published."""
    with pytest.raises(ContractError) as planned:
        plan(world)
    with pytest.raises(ContractError) as scored:
        score_windows(world.run(), scope=ALL)
    assert str(planned.value) == str(scored.value)
    assert not (world.folder / "lake" / "gold" / "predictions").exists()
    return str(scored.value)


def expected_brier(world: World, rows: pd.DataFrame) -> float:
    return float(brier_score_loss(rows["y"], probability_of(rows)))


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("CAST(id AS DOUBLE) AS id, y, known_at", r"key id is double, .* id is bigint: .* CAST\(id AS BIGINT\)"),
        ("CAST(id AS STRING) AS id, y, known_at", r"key id is string, and features.key id is bigint"),
        ("CAST(id AS TIMESTAMP) AS id, y, known_at", r"key id is timestamp"),
        ("id, y, CAST(known_at AS STRING) AS known_at", r"known_at is string, and labels.known_at needs a time"),
        ("id, current_timestamp() AS y, known_at", r"column y is timestamp, and labels.outcome needs"),
        ("id, y AS z, known_at", r"has no column y, which the config's `labels` section asks for"),
        ("id, 0.5D AS y, known_at", r"neither 1 nor 0: at id=0: 0.5 \(180 rows\).*not a share or a score"),
        ("id, 0.5BD AS y, known_at", r"neither 1 nor 0: at id=0: 0.5 \(180 rows\)"),
        ("id, IF(id = 7, 2, y) AS y, known_at", r"neither 1 nor 0: at id=7: 2 \(1 row\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_anything_is_published(world: World, select: str, said: str) -> None:
    recast(world, "results", select)
    with pytest.raises(BrierlakeError, match=said):
        raise ContractError(refused_before_anything(world))


def test_yes_and_no_where_yaml_made_booleans_are_refused_with_the_setting_to_write(world: World) -> None:
    recast(world, "results", "id, IF(y = 1, 'Yes', 'No') AS y, known_at")
    said = refused_before_anything(world.with_config(labels=LabelsConfig(table="results", outcome="y", positive=True)))
    assert 'positive: "Yes"` with `negative: ["No"]' in said
    text = LabelsConfig(table="results", outcome="y", known_at="known_at", positive="Yes", negative=("No",))
    assert score_windows(world.with_config(labels=text).run(), scope=ALL).diagnosis.total["n_labelled"] == 3 * PER_DAY  # type: ignore[union-attr]


def test_a_class_of_keys_that_nobody_scores_harms_nobody(world: World) -> None:
    strange = labels_of(world.rows[:1]).assign(id=np.int64(99_999), y=np.int32(5))
    world.append(strange, "results")
    assert score_windows(world.run(), scope=ALL).status == "published"


@pytest.mark.parametrize(
    ("select", "labels"),
    [
        ("id, CAST(y AS DOUBLE) AS y, known_at", {}),
        ("id, CAST(y AS DECIMAL(3, 1)) AS y, known_at", {}),
        ("id, y = 1 AS y, known_at", {}),
        ("CAST(id AS INT) AS id, y, known_at", {}),
        ("CAST(id AS DECIMAL(20, 0)) AS id, y, known_at", {}),
        ("id, 9007199254740992 + y AS y, known_at", {"positive": 2**53 + 1, "negative": (2**53,)}),
        ("id, IF(y = 1, 'a [/b]', '') AS y, known_at", {"positive": "a [/b]", "negative": ("",)}),
        ("id, -0.0D + y AS y, known_at", {}),
        ("id, y, CAST(known_at AS DATE) AS known_at", {}),
    ],
)
def test_outcomes_and_keys_of_every_fitting_type_count_exactly(
    world: World, select: str, labels: dict[str, Any]
) -> None:
    recast(world, "results", select)
    asked = LabelsConfig(table="results", outcome="y", known_at="known_at", **labels)
    diagnosis = score_windows(world.with_config(labels=asked).run(), scope=ALL).diagnosis
    assert diagnosis is not None
    assert diagnosis.total["n_labelled"] == 3 * PER_DAY
    assert diagnosis.total["brier"] == pytest.approx(expected_brier(world, world.rows[: 3 * PER_DAY]), rel=1e-9)


def test_a_nan_is_no_outcome_yet(world: World) -> None:
    recast(world, "results", "id, IF(id < 60, CAST('NaN' AS DOUBLE), CAST(y AS DOUBLE)) AS y, known_at")
    diagnosis = score_windows(world.run(), scope=ALL).diagnosis
    assert diagnosis is not None
    assert diagnosis.total["n_labelled"] == 2 * PER_DAY


def test_an_outcome_that_is_taken_back_is_unknown_again(published: World) -> None:
    table = published.silver("results").sql
    published.sql(f"INSERT INTO {table} VALUES (5, NULL, TIMESTAMP'2024-03-01T00:00:00Z')")
    # at the same time as an outcome, a null says nothing
    published.sql(f"INSERT INTO {table} SELECT id, NULL, known_at FROM {table} WHERE id = 6")
    diagnosis = diagnose_and_record(published.run(), scope=ALL)
    assert diagnosis.windows == (date(2024, 1, 30),)
    assert diagnosis.total["n_labelled"] == 3 * PER_DAY - 1
    known = published.rows[: 3 * PER_DAY].drop(index=5)
    assert diagnosis.total["brier"] == pytest.approx(expected_brier(published, known), rel=1e-9)
    then = answer(published.run(), scope=ALL, as_of=datetime(2024, 2, 20, tzinfo=UTC))
    assert then.total["n_labelled"] == 3 * PER_DAY


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_a_time_without_zone_is_utc_wherever_the_job_runs(world: World, zone: str) -> None:
    recast(world, "results", "id, y, CAST(to_utc_timestamp(known_at, current_timezone()) AS TIMESTAMP_NTZ) AS known_at")
    score_windows(world.run(), scope=ALL)
    kept = world.spark.conf.get("spark.sql.session.timeZone")
    world.spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        # each is known a day later: by then all of the first day and the first row of the second
        past = answer(world.run(), scope=ALL, as_of=datetime(2024, 2, 1, tzinfo=UTC))
    finally:
        world.spark.conf.set("spark.sql.session.timeZone", str(kept))
    assert past.total["n_labelled"] == PER_DAY + 1


def test_a_labels_table_made_anew_is_read_anew(published: World) -> None:
    rewrite(published, "id, 1 - y AS y, known_at")
    diagnosis = diagnose_and_record(published.run(), scope=Scope(date(2024, 1, 30), date(2024, 1, 31)))
    assert len(diagnosis.windows) == len(DAYS)
    assert dict(diagnosis.reasons) == {"another labels table": 4}
    flipped = published.rows[: 3 * PER_DAY].assign(y=1 - published.rows["y"])
    assert diagnosis.total["brier"] == pytest.approx(expected_brier(published, flipped), rel=1e-9)
    assert diagnose_and_record(published.run(), scope=ALL).windows == ()


@pytest.mark.parametrize("how", ["another schema", "vacuumed", "feed switched off"])
def test_where_the_change_feed_has_no_answer_all_labels_are_read(published: World, how: str) -> None:
    table = published.silver("results").sql
    if how == "another schema":
        overwrite(published, "results", "id, CAST(1 - y AS DOUBLE) AS y, known_at, 'new' AS more")
    elif how == "vacuumed":
        published.sql(f"UPDATE {table} SET y = 1 - y")
        published.sql(f"UPDATE {table} SET y = y")
        vacuum_at_once(published.spark, published.silver("results"))
    else:
        published.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'false')")
        published.sql(f"UPDATE {table} SET y = 1 - y")
    said: list[str] = []
    run = published.run()
    object.__setattr__(run, "say", said.append)
    diagnosis = diagnose_and_record(run, scope=ALL)
    # with another schema Delta may still tell which keys changed
    assert sum("doesn't tell what changed: reading all labels" in each for each in said) == (how != "another schema")
    flipped = published.rows[: 3 * PER_DAY].assign(y=1 - published.rows["y"])
    assert diagnosis.total["brier"] == pytest.approx(expected_brier(published, flipped), rel=1e-9)
    assert diagnose_and_record(published.run(), scope=ALL).windows == ()


def test_a_neighbour_of_what_was_judged_is_not_taken_for_judged(published: World) -> None:
    table = published.silver("results").sql
    published.sql(f"UPDATE {table} SET y = 1 - y WHERE id < {2 * PER_DAY}")  # of 30 and 31 January
    first = diagnose_and_record(published.run(), scope=Scope(date(2024, 1, 30), date(2024, 1, 31)))
    assert first.windows == (date(2024, 1, 30),)
    second = diagnose_and_record(published.run(), scope=ALL)
    assert second.windows == (date(2024, 1, 31),)
    flipped = published.rows[: 3 * PER_DAY].copy()
    flipped.loc[: 2 * PER_DAY - 1, "y"] = 1 - flipped["y"][: 2 * PER_DAY]
    assert second.total["brier"] == pytest.approx(expected_brier(published, flipped), rel=1e-9)


def n_rows(world: World, slice_key: str) -> int:
    metrics = world.read("brier_metrics")
    kept = metrics[(metrics["slice_key"] == slice_key) & metrics["model_name"].isna() & (metrics["grain"] == "all")]
    return int(kept["n_rows"].sum())


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("labels", {"positive": 0, "negative": (1,)}),
        ("diagnostics", {"cluster": "window_start"}),
        ("diagnostics", {"slices": ()}),
        ("diagnostics", {"slice_grain": "window"}),
        ("diagnostics", {"level": 0.9}),
        ("diagnostics", {"reference": ReferenceWindow(start=date(2024, 1, 30), end=date(2024, 1, 31))}),
    ],
)
def test_other_settings_are_judged_again_and_the_summary_says_why(
    published: World, section: str, settings: dict[str, Any]
) -> None:
    world = published.with_config(**{section: getattr(published.config, section).model_copy(update=settings)})
    scored = score_windows(world.run(), scope=Scope(LAST))
    assert (scored.status, len(scored.diagnosis.windows)) == ("diagnosed", 4)  # type: ignore[union-attr]
    assert dict(scored.diagnosis.reasons) == {"settings changed": 4}  # type: ignore[union-attr]
    assert score_windows(world.run(), scope=ALL).status == "unchanged"
    if "slices" not in settings:
        assert n_rows(world, "team") == len(world.rows)
    if "positive" in settings:
        opposite = world.rows[: 3 * PER_DAY].assign(y=1 - world.rows["y"])
        total = world.read("brier_metrics").query("grain == 'all' and role == 'champion'")
        total = total[total["slice_key"].isna() & total["model_name"].isna()]["brier"].item()
        assert total == pytest.approx(expected_brier(world, opposite), rel=1e-9)


def test_a_fixed_reference_that_comes_late_gives_its_windows_their_drift(world: World) -> None:
    reference = ReferenceWindow(start=date(2024, 1, 30), end=date(2024, 1, 31))
    world = world.with_config(diagnostics=DiagnosticsConfig(reference=reference))
    first = score_windows(world.run(), scope=Scope(date(2024, 2, 1))).diagnosis
    assert first is not None
    assert all(row["drift_js"] is None for row in first.figures)
    score_windows(world.run(), scope=Scope(date(2024, 1, 30), date(2024, 1, 31)))
    metrics = world.read("brier_metrics").query("grain == 'window' and role == 'champion'")
    drift = metrics[metrics["model_name"].isna()].set_index("window_start")["drift_js"]
    assert drift.notna().all()
    assert drift[date(2024, 1, 30)] == 0
    assert score_windows(world.run(), scope=Scope(date(2024, 2, 1))).status == "unchanged"


def test_the_terminal_says_why_windows_are_diagnosed_again(published: World) -> None:
    rewrite(published, "id, 1 - y AS y, known_at")
    result = CliRunner().invoke(main, ["diagnose", "--config", published.path])
    assert result.exit_code == 0, result.output
    assert "4 windows diagnosed again (another labels table)" in " ".join(result.output.split())


def test_decimals_and_whole_numbers_that_a_double_cannot_hold_are_keys_of_their_own(world: World) -> None:
    """Ids beyond 2^53, one apart: each has its own label."""
    games, results = world.silver("games"), world.silver("results")
    for table in (games, results):
        world.sql(f"UPDATE {table.sql} SET id = id + 9007199254740992")
    diagnosis: Diagnosis | None = score_windows(world.run(), scope=ALL).diagnosis
    assert diagnosis is not None
    assert diagnosis.total["n_labelled"] == 3 * PER_DAY
    assert diagnosis.total["brier"] == pytest.approx(expected_brier(world, world.rows[: 3 * PER_DAY]), rel=1e-9)
    assert Decimal(int(world.read("predictions")["id"].max())) == 2**53 + len(world.rows) - 1
