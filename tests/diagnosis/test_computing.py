"""Labels that are a column of the features table: joined by key, or carried along with the predictions."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import brier_score_loss

from brierlake.config import FeaturesConfig, LabelsConfig
from brierlake.diagnosis import counting
from brierlake.diagnosis.diagnose_run import diagnose_and_record
from brierlake.errors import ContractError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import score_windows
from tests.world import DAYS, PER_DAY, World, lay_out, make_rows, probability_of

KNOWN = 3 * PER_DAY
CARRIES = [pytest.param(("team",), id="joined"), pytest.param(("team", "y"), id="carried")]


@pytest.fixture
def labelled(spark: SparkSession, store: Path, tmp_path: Path) -> World:
    """The features with the outcome of the first three days in them."""
    world = lay_out(spark, store, tmp_path)
    rows = make_rows()
    world.append(with_known(rows, KNOWN), "both")
    return world.with_config(labels=LabelsConfig(outcome="y"))


def with_known(rows: pd.DataFrame, known: int) -> pd.DataFrame:
    return rows.assign(y=rows["y"].where(rows["id"] < known).astype("Float64"))


def carrying(world: World, carry: tuple[str, ...]) -> World:
    features = FeaturesConfig(table="both", key=("id",), event_at="at", carry=carry)
    return world.with_config(features=features)


def brier_of(rows: pd.DataFrame) -> float:
    return float(brier_score_loss(rows["y"], probability_of(rows)))


@pytest.mark.parametrize("carry", CARRIES)
def test_labels_beside_the_features_are_joined_unless_the_predictions_carry_them(
    labelled: World, carry: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = Mock(wraps=counting.read_outcomes)
    monkeypatch.setattr(counting, "read_outcomes", joined)
    world = carrying(labelled, carry)
    scored = score_windows(world.run(), scope=Scope())
    assert joined.called == ("y" not in carry)
    assert scored.diagnosis is not None
    assert scored.diagnosis.total["brier"] == pytest.approx(brier_of(world.rows[:KNOWN]), rel=1e-12)
    assert scored.diagnosis.total["coverage"] == pytest.approx(KNOWN / len(world.rows))


@pytest.mark.slow
@pytest.mark.parametrize("carry", CARRIES)
def test_a_label_that_lands_later_counts(labelled: World, carry: tuple[str, ...]) -> None:
    world = carrying(labelled, carry)
    score_windows(world.run(), scope=Scope())
    table = world.silver("both").sql
    world.sql(f"UPDATE {table} SET y = id % 2 WHERE id = {len(world.rows) - 1}")
    # diagnosed before it is scored again: what the predictions carry is older than the label
    diagnosis = diagnose_and_record(world.run(), scope=Scope())
    rows = pd.concat([world.rows[:KNOWN], world.rows[-1:].assign(y=(len(world.rows) - 1) % 2)])
    assert diagnosis.windows == (date.fromisoformat(DAYS[-1]),)
    assert diagnosis.total["brier"] == pytest.approx(brier_of(rows), rel=1e-12)
    scored = score_windows(world.run(), scope=Scope())
    assert scored.plan.stale == (date.fromisoformat(DAYS[-1]),)
    assert scored.diagnosis is not None
    assert scored.diagnosis.total["brier"] == pytest.approx(brier_of(rows), rel=1e-12)


def test_an_outcome_that_the_model_would_be_fed_is_refused(labelled: World) -> None:
    leaking = replace(labelled, config=labelled.config.model_copy(update={"labels": LabelsConfig(outcome="x2")}))
    with pytest.raises(ContractError, match="x2"):
        score_windows(carrying(leaking, ("team",)).run(), scope=Scope())
    assert not np.any([each.name == "predictions" for each in (labelled.folder / "lake" / "gold").glob("*")])
