"""A made-up job for the report: a decent month, one with few events and too high promises, and a last day gone wrong."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from brierlake.brier import corp_blocks, display_bins, tally_metrics, tally_rows
from brierlake.page import Tables

MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)
LAST = date(2024, 5, 8)
NOW = datetime(2024, 5, 9, 6, 0, tzinfo=UTC)
NASTY = "<b>R&D</b> \"north\" 'x'"


def make_rows() -> pd.DataFrame:
    """Columns window_start, probability, outcome, team; 60 rows a day of March and April and the first days of May."""
    draw = np.random.default_rng(8)
    parts = []
    for day in pd.date_range(MARCH, LAST).date:
        said = draw.beta(1.4, 2.6, size=60)
        came = {3: said, 4: said * 0.3, 5: said}[day.month]
        outcome = (draw.random(60) < came).astype(float)
        if day == LAST:
            said = np.full(60, 0.998)
        parts.append(pd.DataFrame({"window_start": day, "probability": said, "outcome": outcome}))
    rows = pd.concat(parts, ignore_index=True)
    rows["team"] = np.where(draw.random(len(rows)) < 0.01, "tiny", np.where(draw.random(len(rows)) < 0.5, NASTY, None))
    rows.loc[rows["team"] == "tiny", "outcome"] = 0.0  # far off, but a few rows
    return rows


def make_tables(rows: pd.DataFrame, **other: Any) -> Tables:
    starts = pd.to_datetime(rows["window_start"])
    rows = rows.assign(month=starts.dt.to_period("M").dt.start_time.dt.date)
    metrics, reliability = [], []
    before = None
    for day, part in rows.groupby("window_start"):
        metrics.append(_metrics(part, grain="window", window_start=day, reference=before))
        before = part
    for month, part in rows.groupby("month"):
        metrics.append(_metrics(part, grain="month", window_start=month))
        metrics.append(_metrics(part, grain="month", window_start=month, model_name="games", model_version=7))
        reliability += _curve(part, grain="month", window_start=month)
        metrics += _slices(part, grain="month", window_start=month)
    metrics += [
        _metrics(rows, grain="all", window_start=None),
        _metrics(rows, grain="all", window_start=None, model_name="games", model_version=7),
        *_slices(rows, grain="all", window_start=None),
    ]
    reliability += _curve(rows, grain="all", window_start=None)
    content = {
        "job": "games & more",
        "grain": "day",
        "metrics": pd.DataFrame(metrics),
        "reliability": pd.DataFrame(reliability),
        "candidates": make_candidates(),
        "runs": make_runs(),
        "issues": pd.DataFrame({"issue": [], "n": [], "examples": []}),
    }
    return Tables(**{**content, **other})


def _metrics(part: pd.DataFrame, *, reference: pd.DataFrame | None = None, **key: Any) -> dict[str, Any]:
    tally = tally_rows(part["probability"], part["outcome"])
    compared = None if reference is None else tally_rows(reference["probability"], reference["outcome"])
    blank = {"model_name": None, "model_version": None, "slice_key": None, "slice_value": None}
    return {**blank, **key, **tally_metrics(tally, reference=compared).model_dump()}


def _slices(part: pd.DataFrame, **key: Any) -> list[dict[str, Any]]:
    groups = part.groupby("team", dropna=False)
    return [_metrics(own, slice_key="team", slice_value=None if pd.isna(team) else team, **key) for team, own in groups]


def _curve(part: pd.DataFrame, **key: Any) -> list[dict[str, Any]]:
    tally = tally_rows(part["probability"], part["outcome"])
    return [{**key, **asdict(row)} for row in [*corp_blocks(tally, has_bands=True), *display_bins(tally)]]


def make_candidates() -> pd.DataFrame:
    shared = {"looked_at": pd.Timestamp(NOW), "metric_name": "brier", "step": 3, "logged_at": pd.Timestamp(NOW)}
    first = {"rank": 1, "model_name": "games", "model_version": 7, "value": 0.181, "is_eligible": True, "reason": None}
    second = {**first, "rank": 2, "model_version": 5, "value": 0.19}
    refused = {**first, "rank": None, "model_version": 6, "value": None, "is_eligible": False, "reason": "no <metric>"}
    picked = [{"is_selected": each is first, "is_tied": False} for each in (first, second, refused)]
    rows: Sequence[dict[str, Any]] = [first, second, refused]
    return pd.DataFrame(
        [{**shared, "value_source": "run", **row, **pick} for row, pick in zip(rows, picked, strict=True)]
    )


def make_runs() -> pd.DataFrame:
    run = {
        "run_id": "20240509T055900.000000-abcdef", "action": "score", "status": "published",
        "started_at": pd.Timestamp(NOW - timedelta(minutes=5)), "finished_at": pd.Timestamp(NOW),
        "model_name": "games", "model_version": 7, "model_digest": "a" * 64, "recipe": "cafe", "scope": "full",
        "window_count": 69, "features_table": "/lake/silver/games", "features_id": "id-1", "features_version": 1234,
        "predictions_table": "/lake/gold/predictions", "predictions_version": 3, "labels_version": 9,
        "rows_in": 4140, "rows_scored": 4138, "rows_with_issue": 2, "libraries": {"pyspark": "4.2.0"}, "error": None,
    }  # fmt: skip
    failed = {**run, "run_id": "20240509T055800.000000-abcdef", "status": "failed", "error": "Nobody <is> there."}
    return pd.DataFrame([run, failed])
