"""Mapped: what a recalibrated version says of rows that the version inside has scored, without scoring them again."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from brierlake.brier import CalibrationMap
from brierlake.lakehouse.predictions import WindowState, read_window_states, spec_for
from brierlake.lakehouse.tables import read_table
from brierlake.lakehouse.windows import Window, filter_condition
from brierlake.names import column_of
from brierlake.registry import connect, fetch_calibration
from brierlake.run.context import Run, make_table
from brierlake.scoring.planning import Plan
from brierlake.scoring.predict import stamp_columns
from brierlake.scoring.prepare import find_map
from brierlake.scoring.publish import Publication, publish


def is_mappable(run: Run, plan: Plan, *, champion: Plan) -> bool:
    """Whether the plan's version only maps what the champion says, and the champion says it of all its stale windows.

    The champion's windows must hold its recipe throughout, of the features as they are now.
    """
    made_of, scored_by = plan.resolution.recalibration, champion.resolution
    if made_of is None or (made_of.model_name, made_of.model_version) != (
        scored_by.model_name,
        scored_by.model_version,
    ):
        return False
    states = read_window_states(run.lake.predictions, scope=champion.scope)
    return all(_is_of(states, each, champion) for each in plan.stale if plan.rows_by_window.get(each, 0))


def _is_of(states: Mapping[Window, WindowState], window: Window, champion: Plan) -> bool:
    state = states.get(window)
    return (
        state is not None
        and not state.is_mixed
        and state.recipe in champion.recipes
        and state.rows == champion.rows_by_window.get(window, 0)
    )


def map_champion(run: Run, plan: Plan) -> Publication:
    """Publish, in the challengers table, the champion's probabilities of the stale windows as the map makes them.

    Raises:
        ModelError: The map can't be fetched, or is of another class's probability.
        StorageError: The write failed, or other jobs kept writing the same windows.
    """
    with tempfile.TemporaryDirectory(prefix="brierlake-") as folder:
        text = fetch_calibration(connect(run.config.mlflow), plan.resolution.uri, folder=Path(folder))
    spec = spec_for(plan.features.config, plan.features.schema)
    make_table(run.lake.challengers, spec, say=run.say, job=run.config.job)
    scored = read_table(run.lake.predictions).where(filter_condition(plan.stale))
    calibration = find_map(text, run.config.model.positive_class, uri=plan.resolution.uri)
    rows = scored.transform(with_map, calibration=calibration)
    names = [each.name for each in spec.schema]
    run.say(f"Mapping {plan.rows:,} probabilities of the champion in {len(plan.stale):,} windows")
    made = rows.withColumns(stamp_columns(plan, run.stamp)).select(*map(column_of, names))
    return publish(run, plan, made, run.lake.challengers, told={"model_digest": None}, explain=lambda issues: issues)


def with_map(predictions: DataFrame, *, calibration: CalibrationMap) -> DataFrame:
    """Map `probability`; null stays null."""

    def mapped(probability: pd.Series) -> pd.Series:
        return pd.Series(calibration.apply(probability.to_numpy(dtype="float64")))

    # pyspark's stubs know no function without hints of Series
    udf = pandas_udf(mapped, returnType="double")  # type: ignore[call-overload]
    known = F.col("probability").isNotNull()
    return predictions.withColumn("probability", F.when(known, udf(F.coalesce("probability", F.lit(0.0)))))
