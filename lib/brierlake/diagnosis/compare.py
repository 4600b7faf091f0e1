"""Compare: the challenger's Brier score minus the champion's on the same rows, by window, month and in total."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import ClusterSums, merge_cells, murphy_curve, paired_difference, tally_cells
from brierlake.brier.pairs import MODELS, ROLES, SUMS, paired_rows, sum_differences
from brierlake.config import DiagnosticsConfig
from brierlake.diagnosis.grouping import CLUSTER
from brierlake.diagnosis.recomputation import Subject
from brierlake.lakehouse.diagnostics import (
    Figures,
    Provenance,
    find_provenances,
    read_cells,
    read_published,
    replace_part,
)
from brierlake.lakehouse.labels import OUTCOME, as_keys, as_utc, key_names, read_outcomes
from brierlake.lakehouse.tables import Table, is_there, local_frame, read_table
from brierlake.lakehouse.windows import Window, filter_condition, month_of
from brierlake.names import column_of, quoted_text
from brierlake.run.context import Say, make_table
from brierlake.schemas import COMPARE

_NO_IDS: Figures = {f"{role}_id": None for role in ROLES}
_CLUSTERS = ("clusters", "sum_s2", "sum_s_n", "sum_n2")


@dataclass(frozen=True)
class _Sources:
    """What both roles' diagnostics were made from, by window."""

    champion: Mapping[Window, Provenance]
    challenger: Mapping[Window, Provenance]

    def is_current(self, row: Figures) -> bool:
        sides = (self.champion.get(row["window_start"]), self.challenger.get(row["window_start"]))
        ids = (row["champion_id"], row["challenger_id"])
        as_of = row["labels_as_of"]
        return as_of is not None and all(
            side is not None and side.predictions_id == held and (side.labels_as_of or as_of) <= as_of
            for side, held in zip(sides, ids, strict=True)
        )


def compare(subject: Subject, *, say: Say) -> tuple[Figures, ...]:
    """Compare again where either side was diagnosed again; return the rows of brier_compare, the total last.

    Args:
        subject: The challenger, as it was diagnosed: both are compared by the same labels.

    Raises:
        StorageError: A table can't be read or written.
    """
    lake, stamp = subject.lake, subject.stamp
    sides = (find_provenances(read_published(lake.metrics, job=stamp.job, role=role)) for role in ROLES)
    sources = _Sources(*sides)
    before = _read(lake.compare, job=stamp.job)
    windows = [row for row in before if row["grain"] == "window"]
    current = {row["window_start"]: row for row in windows if sources.is_current(row)}
    there = set(sources.champion) & set(sources.challenger)
    stale = (there | {row["window_start"] for row in windows}) - set(current)
    if not stale:
        return _ordered(before)
    paired = _read_pairs(subject, sorted(stale & there, key=str))
    fresh = [_with_ids(row, sources, at=stamp.at) for row in paired]
    rows = _compared([*current.values(), *fresh], subject, curves=_read_curves(lake.cells, job=stamp.job))
    make_table(lake.compare, COMPARE, say=say)
    replace_part(
        local_frame(lake.spark, rows, COMPARE.schema).coalesce(1),
        lake.compare,
        where=f"job = {quoted_text(stamp.job)}",
        tag=stamp.run_id,
    )
    return _ordered(rows)


def _read(table: Table, *, job: str) -> list[Figures]:
    if not is_there(table):
        return []
    rows = read_table(table).where(F.col("job") == job).collect()
    return [{**row.asDict(), "labels_as_of": as_utc(row["labels_as_of"])} for row in rows]


def _ordered(rows: Iterable[Figures]) -> tuple[Figures, ...]:
    return tuple(sorted(rows, key=lambda row: (row["grain"] == "all", row["window_start"] or date.min)))


def _read_pairs(subject: Subject, windows: list[Window]) -> list[dict[str, Any]]:
    """One record a window: sums over the rows that both scored and that have a label by now."""
    lake, features, labels = subject.lake, subject.features, subject.labels
    cluster = subject.settings.cluster
    kept = [F.col(name) for name in ("window_start", "model_name", "model_version", "probability")]
    kept += [column_of(cluster).alias(CLUSTER)] if cluster else []
    champion, challenger = (
        as_keys(read_table(table).where(filter_condition(windows)), features, *kept)
        for table in (lake.predictions, lake.challengers)
    )
    named = CLUSTER if cluster else None
    rows = paired_rows(champion, challenger, key=key_names(features), cluster=named)
    if labels is None:
        rows = rows.withColumn(OUTCOME, F.lit(None).cast("int"))
    else:
        outcomes = read_outcomes(labels, as_of=subject.stamp.at)
        rows = rows.join(outcomes, on=key_names(features), how="left")
    return [row.asDict() for row in rows.transform(sum_differences, outcome=OUTCOME, cluster=named).collect()]


def _with_ids(row: dict[str, Any], sources: _Sources, *, at: datetime) -> Figures:
    window = row["window_start"]
    ids = {f"{role}_id": getattr(sources, role)[window].predictions_id for role in ROLES}
    as_of = max([at, *(getattr(sources, role)[window].labels_as_of or at for role in ROLES)])
    return {**row, **ids, "labels_as_of": as_of}


def _compared(
    windows: list[Figures], subject: Subject, *, curves: Mapping[tuple[str, Window], Figures]
) -> list[Figures]:
    """The rows of brier_compare: each window, each month's windows added up, and all of them."""
    months: dict[Window, list[Figures]] = defaultdict(list)
    for row in windows:
        months[month_of(row["window_start"])].append(row)
    groups = [("window", row["window_start"], [row]) for row in windows]
    groups += [("month", month, rows) for month, rows in months.items()]
    groups += [("all", None, windows)] if windows else []
    return [
        {
            **dict.fromkeys(COMPARE.schema.fieldNames()),
            **_verdict(reduce(_added, rows), subject.settings),
            **({**_NO_IDS, **curves.get((grain, start), {})} if grain != "window" else {}),
            "job": subject.stamp.job,
            "grain": grain,
            "window_start": start,
            "run_id": subject.stamp.run_id,
            "computed_at": subject.stamp.at,
        }
        for grain, start, rows in groups
    ]


def _added(one: Figures, other: Figures) -> Figures:
    """Two disjoint sets of windows as one; what only a single window has is left out."""
    return {
        **{name: one[name] + other[name] for name in (*SUMS, *_CLUSTERS)},
        **{name: one[name] if one[name] == other[name] else None for name in MODELS},
        "labels_as_of": min(one["labels_as_of"], other["labels_as_of"]),
    }


def _verdict(sums: Figures, settings: DiagnosticsConfig) -> Figures:
    n, is_clustered = sums["n"], settings.cluster is not None
    mean = sums["sum_d"] / n if n else 0.0
    clusters = ClusterSums(sums["clusters"], sums["sum_s2"], sums["sum_s_n"], sums["sum_n2"], n, mean)
    paired = paired_difference(
        n,
        sums["sum_d"],
        sums["sum_d2"],
        n_events=sums["n_events"],
        clusters=clusters if is_clustered else None,
        level=settings.level,
    )
    estimate = paired.estimate
    return {
        **sums,
        "brier_champion": sums["sum_champion"] / n if n else None,
        "brier_challenger": sums["sum_challenger"] / n if n else None,
        "difference": estimate.mean if estimate else None,
        "difference_se": estimate.se if estimate else None,
        "difference_low": estimate.low if estimate else None,
        "difference_high": estimate.high if estimate else None,
        "se_kind": "clustered" if is_clustered else "independent",
        "verdict": paired.verdict,
    }


def _read_curves(table: Table, *, job: str) -> Mapping[tuple[str, Window], Figures]:
    """Murphy's curve of each side, by month and in total, from the cells as published."""
    cells = reduce(DataFrame.unionByName, [read_cells(table, job=job, role=role) for role in ROLES]).where(
        "grain = 'month' AND slice_key IS NULL AND cell_id IS NOT NULL AND outcome IS NOT NULL"
    )
    months = merge_cells(cells, by=["role", "window_start"]).toPandas()
    starts = [None if pd.isna(each) else each for each in months["window_start"]]
    groups: dict[tuple[str, Window], pd.DataFrame] = {("all", None): months}
    groups |= {("month", month): months[[each == month for each in starts]] for month in set(starts)}
    return {
        key: {name: curve for each in ROLES for name, curve in _curve(part, each).items()}
        for key, part in groups.items()
    }


def _curve(cells: pd.DataFrame, role: str) -> Figures:
    part = cells[cells["role"] == role]
    tally = tally_cells(part["cell_id"], part["outcome"], part["n"], np.zeros((len(part), 4)))
    curve = murphy_curve(tally)
    if curve is None:
        return {}
    return {"murphy_threshold": curve.threshold.tolist(), f"murphy_{role}": curve.score.tolist()}
