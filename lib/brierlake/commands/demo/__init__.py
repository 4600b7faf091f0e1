"""The demo: a lakehouse of real flights, nine models, five months scored as a scheduler would, labels landing late."""

import importlib.resources
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from brierlake.brier.evidence import describe_evidence
from brierlake.commands.demo.flights import Flights, build_flights
from brierlake.commands.demo.learners import train_versions
from brierlake.commands.diagnose import summarise_diagnosis
from brierlake.commands.recalibrate import recalibrate
from brierlake.config import Config
from brierlake.configfile import read_config
from brierlake.diagnosis.diagnose_run import diagnose_and_record
from brierlake.errors import ConfigError
from brierlake.lakehouse.lake import Lake, open_lake
from brierlake.lakehouse.tables import Table
from brierlake.lakehouse.windows import Scope, split_by_month
from brierlake.run.context import Say, start_run
from brierlake.run.results import with_results
from brierlake.scoring.challenger import challenge, describe_challenge
from brierlake.scoring.planning import make_plan
from brierlake.scoring.score_run import score_windows
from brierlake.session import start_session
from brierlake.summaries import DiagnoseSummary

SCORED = Scope(start=datetime(2013, 8, 1, tzinfo=UTC).date(), end=datetime(2014, 1, 1, tzinfo=UTC).date())
LAST_LOOK = pd.Timestamp("2013-12-20T20:00:00Z")
"""When December is scored: 611 of that day's 980 flights haven't landed yet, and the rest of the year hasn't left."""
FITTED_UNTIL, RECALIBRATED = "2013-10-01", "2013-12-01"
"""A map is fitted on August and September, tried on October and November, and December shows what becomes of it."""


def run_demo(folder: Path, *, say: Say, show: Callable[[DiagnoseSummary], None], is_debug: bool = False) -> None:
    """Build everything under `folder`, which must not hold a demo yet, and shows what came out.

    Raises:
        ConfigError: The folder is in use.
    """
    started = time.monotonic()
    config = _lay_out(folder)
    say(f"Building the lakehouse under {folder}")
    flights = build_flights()
    say(f"{len(flights.features):,} flights of 2013 with the weather two hours before")
    spark = start_session(config.session, app_name="brierlake demo", is_debug=is_debug)
    lake = open_lake(spark, config)
    _append(flights.features, lake.features)
    say("Training 3 architectures x 3 learning rates, and registering nine versions")
    train_versions(
        flights.features,
        flights.labels,
        tracking_uri=config.mlflow.tracking_uri,
        artifact_root=Path(config.folder) / "mlartifacts",
        say=say,
    )
    summary = _live_through(lake, config, flights, say=say)
    show(summary)
    say(f"Done in {time.monotonic() - started:.0f} s. Next: brierlake score --config {folder}/demo.yml")


def _lay_out(folder: Path) -> Config:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError.folder_in_use(str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    template = importlib.resources.files(__name__).joinpath("demo.yml").read_text(encoding="utf-8")
    (folder / "demo.yml").write_text(template, encoding="utf-8")
    return read_config(folder / "demo.yml")


def _append(rows: pd.DataFrame, table: Table) -> None:
    frame = table.spark.createDataFrame(rows).coalesce(2)
    writer = frame.write.format("delta").mode("append").option("delta.enableChangeDataFeed", "true")
    writer.save(table.path)


def _recalibrate(spark: SparkSession, config: Config, *, now: pd.Timestamp, say: Say) -> None:
    """Mend the champion's probabilities by what has been seen, and compare: no row is scored for it."""
    made = recalibrate(config, spark=spark, fit_until=FITTED_UNTIL, end=RECALIBRATED, say=lambda _: None)
    chosen = next((each for each in made.maps if each.kind == made.chosen), None)
    if chosen is None:
        say(f"{now:%d %b %Y}  no map of its probabilities is proved to help")
        return
    odds = describe_evidence(chosen.log_e_value, chosen.n_windows)
    gain = f"version {made.version}, Brier {chosen.difference:+.4f} on October and November, {odds}"
    say(f"{now:%d %b %Y}  recalibrated {made.model} {made.recalibrates} ({chosen.kind}): {gain}")
    run = start_run(spark, config, say=lambda _: None)
    scope = Scope(SCORED.start, date.fromisoformat(RECALIBRATED))
    challenged = challenge(run, make_plan(run, scope=scope, is_forced=False, is_empty_allowed=False))
    total = describe_challenge(challenged).total
    if total is not None:
        odds = describe_evidence(total.log_e_value, total.n_windows)
        say(f"{now:%d %b %Y}  against its own it is {total.verdict.replace('_', ' ')} ({odds})")


def _live_through(lake: Lake, config: Config, flights: Flights, *, say: Say) -> DiagnoseSummary:
    """Score month after month, with the labels that are known by then; the last ones land after the last run."""
    table, spark = lake.labels or lake.features, lake.spark
    known_at, landed = flights.labels["known_at"], pd.Timestamp(0, tz="UTC")
    for month in split_by_month(SCORED):
        now = min(pd.Timestamp(str(month.end), tz="UTC"), LAST_LOOK)
        _append(flights.labels[(known_at > landed) & (known_at <= now)], table)
        landed = now
        scored = score_windows(start_run(spark, config, say=lambda _: None), scope=month)
        model = scored.plan.resolution.model_name
        say(f"{now:%d %b %Y}  scored {scored.plan.rows:,} flights of {month.start:%B} with {model}")
        if str(month.end) == RECALIBRATED:
            _recalibrate(spark, config, now=now, say=say)
    total = scored.diagnosis.total if scored.diagnosis else {}
    say(f"Labels so far for {total.get('coverage') or 0:.1%} of the rows; now the rest lands, and is diagnosed")
    _append(flights.labels[known_at > landed], table)
    run = start_run(spark, config, say=lambda _: None)
    diagnosis = diagnose_and_record(run, scope=Scope())
    say("The recalibrated version is compared with its own on December too")
    plan = make_plan(run, scope=SCORED, is_forced=False, is_empty_allowed=False)
    return with_results(run, summarise_diagnosis(run, diagnosis, challenge(run, plan)))
