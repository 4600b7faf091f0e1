"""Promotion: an alias moves for one challenger that is better on enough rows, and for nothing less."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from pyspark.sql import SparkSession

from brierlake.cli import main
from brierlake.commands.promote import decide
from brierlake.commands.score import score
from brierlake.config import ChallengerConfig, ModelConfig, PromotionConfig
from brierlake.run.ledger import append_records
from brierlake.schemas import COMPARE
from brierlake.summaries import ScoreSummary
from tests.world import World, labels_of, lay_out, make_rows

BETTER = {
    "champion_name": "mlp",
    "champion_version": 2,
    "challenger_name": "hgb",
    "challenger_version": 1,
    "n": 5000,
    "difference": -0.01,
    "log_e_value": 7.1,
    "n_windows": 26,
    "evidence_status": "ok",
    "is_current": True,
    "verdict": "better",
}
CONFIG = PromotionConfig(min_labelled=1000)


def test_a_better_challenger_on_enough_rows_is_promoted_with_its_evidence() -> None:
    decision = decide(BETTER, CONFIG)
    assert (decision.is_supported, decision.model_name, decision.model_version) == (True, "hgb", 1)
    assert decision.reason == (
        "hgb 1 is better than mlp 2: Brier difference -0.0100 on 5,000 rows, evidence 1,212 : 1, 26 windows"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "nothing was compared yet"),
        ({"n": 999}, "999 labelled rows"),
        ({"verdict": "not_distinguishable"}, "not distinguishable"),
        ({"verdict": "worse"}, "hgb 1 against mlp 2: worse"),
        ({"evidence_status": "in_sample", "verdict": "in_sample"}, "model.trained_until"),
        ({"evidence_status": "no_windows", "verdict": "no_windows"}, "set features.event_at"),
        ({"verdict": "too_few_labels", "log_e_value": 0.0, "n_windows": 3}, "too few labels"),
    ],
)
def test_anything_less_is_refused_with_the_reason(changes: dict[str, Any] | None, reason: str) -> None:
    decision = decide(None if changes is None else {**BETTER, **changes}, CONFIG)
    assert not decision.is_supported
    assert reason in decision.reason


def test_it_says_which_version_the_alias_left_and_which_it_came_to(world: World) -> None:
    names = {"champion_name": "first", "champion_version": 1, "challenger_name": "first", "challenger_version": 2}
    told = {"job": "games", "grain": "all", "run_id": "r1", "computed_at": datetime(2024, 2, 3, tzinfo=UTC)}
    counts = dict.fromkeys((each.name for each in COMPARE.schema if not each.nullable), 0)
    former = {**names, "challenger_version": 3, "is_current": False, "verdict": "worse"}
    rows = [{**counts, **BETTER, **names, **told}, {**counts, **BETTER, **former, **told}]
    append_records(world.gold("brier_compare"), COMPARE, rows)

    def promoted(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["promote", "--config", world.path, "--quiet", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "champion of first: none -> version 2" in promoted("--dry-run")
    MlflowClient(world.config.mlflow.tracking_uri).set_registered_model_alias("first", "champion", "1")
    assert "champion of first: version 1 -> version 2" in promoted("--dry-run")
    found = json.loads(promoted("--json"))
    assert (found["alias"], found["model"], found["status"]) == ("champion", "first", "published")
    assert (found["version_before"], found["version"]) == (1, 2)
    assert "champion of first: is version 2 already" in promoted()
    assert "champion stays as it is" in promoted("--set", "promotion.min_labelled=9999")


NIGHTS = 40


def make_nights() -> pd.DataFrame:
    """Rows like the world's, of 40 nights, whose model of strength 1 is right."""
    rows = pd.concat([make_rows()] * (NIGHTS // 4), ignore_index=True)
    draw = np.random.default_rng(3)
    rows["id"] = np.arange(len(rows))
    rows["at"] = pd.Timestamp("2024-01-05", tz="UTC") + pd.to_timedelta(rows.index // 60, "D")
    rows["x1"], rows["x2"] = draw.normal(size=len(rows)), draw.normal(size=len(rows))
    chance = 1 / (1 + np.exp(-(rows["x1"] - 0.5 * rows["x2"])))
    return rows.assign(y=(draw.random(len(rows)) < chance).astype("int32"))


@pytest.mark.long
@pytest.mark.slow
def test_a_promotion_does_not_end_comparing(spark: SparkSession, store: Path, tmp_path: Path) -> None:
    rows = make_nights()
    world = lay_out(spark, store, tmp_path, rows=rows)
    world.append(labels_of(rows.iloc[180:]), "results")
    client = MlflowClient(world.config.mlflow.tracking_uri)
    client.set_registered_model_alias("first", "champion", "1")

    def lived(challenger: str) -> ScoreSummary:
        own = world.with_config(model=ModelConfig(pin="first@champion"), challenger=ChallengerConfig(pin=challenger))
        return score(own.config, spark=spark, say=lambda _: None)

    def promoted() -> dict[str, Any]:
        result = CliRunner().invoke(main, ["promote", "--config", world.path, "--quiet", "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    total = lived("first/2").challenger.total
    assert (total.champion_version, total.challenger_version, total.verdict) == (1, 2, "better")
    assert total.evidence_status == "ok"
    assert total.log_e_value >= np.log(20)
    assert total.se_kind == "clustered"
    first = promoted()
    assert (first["status"], first["model"], first["version"]) == ("published", "first", 2)
    again = lived("first/1")
    assert (again.model.version, again.windows_stale) == (2, NIGHTS)
    total = again.challenger.total
    assert (total.champion_version, total.challenger_version, total.verdict) == (2, 1, "worse")
    refused = promoted()
    assert refused["status"] == "refused"
    assert "first 1 against first 2: worse" in refused["reason"]
    kept = world.read("brier_compare")
    kept = kept[(kept["grain"] == "window") & (kept["champion_version"] == 1)]
    assert len(kept) == NIGHTS
    assert not kept["is_current"].any()
