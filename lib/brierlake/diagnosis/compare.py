"""Compare: the challenger's Brier score minus the champion's on the same rows, by window, month and in total."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from brierlake.brier import merge_cells, murphy_curve, tally_cells
from brierlake.brier.pairs import MODELS, ROLES, paired_rows, sum_differences
from brierlake.diagnosis.counting import cluster_column
from brierlake.diagnosis.grouping import CLUSTER
from brierlake.diagnosis.pair_evidence import judge_all, judge_month, judge_windows
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
from brierlake.names import quoted_text
from brierlake.run.context import Say, make_table
from brierlake.schemas import COMPARE

_NO_IDS: Figures = {f"{role}_id": None for role in ROLES}
Pair = tuple[Any, ...]
"""Values of MODELS: name and version of the champion and of the challenger."""


@dataclass(frozen=True)
class _Sources:
    """What both roles' diagnostics were made from, by window."""

    champion: Mapping[Window, Provenance]
    challenger: Mapping[Window, Provenance]

    def serves(self, row: Figures) -> bool:
        """Whether a row's predictions are those that are there."""
        sides = (self.champion.get(row["window_start"]), self.challenger.get(row["window_start"]))
        ids = (row["champion_id"], row["challenger_id"])
        return all(side is not None and side.predictions_id == held for side, held in zip(sides, ids, strict=True))

    def is_current(self, row: Figures) -> bool:
        as_of = row["labels_as_of"]
        sides = (self.champion.get(row["window_start"]), self.challenger.get(row["window_start"]))
        known = [as_of is not None and side is not None and (side.labels_as_of or as_of) <= as_of for side in sides]
        return self.serves(row) and all(known)


def compare(subject: Subject, *, say: Say) -> tuple[Figures, ...]:
    """Compare again where either side was diagnosed again; return the rows of brier_compare, the totals last.

    Rows of pairs of versions that no longer serve stay as they are while their window is there.

    Args:
        subject: The challenger, as it was diagnosed: both are compared by the same labels.

    Raises:
        StorageError: A table can't be read or written.
    """
    lake, stamp = subject.lake, subject.stamp
    sides = (find_provenances(read_published(lake.metrics, job=stamp.job, role=role)) for role in ROLES)
    sources = _Sources(*sides)
    before = _read(lake.compare, job=stamp.job)
    # an earlier release kept no pairs, nor what evidence needs
    windows = [row for row in before if row["grain"] == "window" and _pair(row) and row.get("n_paired") is not None]
    there = set(sources.champion) & set(sources.challenger)
    current = {row["window_start"] for row in windows if sources.is_current(row)}
    stale = sorted(there - current, key=str)
    fresh = [_with_ids(row, sources, at=stamp.at) for row in _read_pairs(subject, stale)] if stale else []
    replaced = {(row["window_start"], _pair(row)) for row in fresh}
    kept = [row for row in windows if row["window_start"] in sources.champion and _is_kept(row, sources, replaced)]
    rows = _compared([*kept, *fresh], subject, sources)
    if not stale and _evidence_of(rows) == _evidence_of(before):
        return _ordered(before)
    rows = _with_curves(rows, _read_curves(lake.cells, job=stamp.job))
    make_table(lake.compare, COMPARE, say=say)
    replace_part(
        local_frame(lake.spark, rows, COMPARE.schema).coalesce(1),
        lake.compare,
        where=f"job = {quoted_text(stamp.job)}",
        tag=stamp.run_id,
    )
    return _ordered(rows)


def _is_kept(row: Figures, sources: _Sources, replaced: set[tuple[Window, Pair | None]]) -> bool:
    """Whether a row stays: it is up to date, or of a pair that no longer serves and can't be computed again."""
    return sources.is_current(row) or ((row["window_start"], _pair(row)) not in replaced and not sources.serves(row))


def _pair(row: Figures) -> Pair | None:
    """Values of MODELS; None: several versions together."""
    values = tuple(row[name] for name in MODELS)
    return None if None in values else values


def _evidence_of(rows: Iterable[Figures]) -> list[tuple[Any, ...]]:
    names = ("grain", "window_start", *MODELS, "is_current", "log_e_value", "evidence_status", "verdict")
    return sorted((tuple(row.get(name) for name in names) for row in rows), key=str)


def _read(table: Table, *, job: str) -> list[Figures]:
    if not is_there(table):
        return []
    rows = read_table(table).where(F.col("job") == job).collect()
    return [{**row.asDict(), "labels_as_of": as_utc(row["labels_as_of"])} for row in rows]


def _ordered(rows: Iterable[Figures]) -> tuple[Figures, ...]:
    return tuple(
        sorted(
            rows, key=lambda row: (row["grain"] == "all", bool(row.get("is_current")), row["window_start"] or date.min)
        )
    )


def _read_pairs(subject: Subject, windows: list[Window]) -> list[dict[str, Any]]:
    """One record a window and pair: sums over the rows that both scored."""
    lake, features, labels = subject.lake, subject.features, subject.labels
    kept = [F.col(name) for name in ("window_start", "model_name", "model_version", "probability", CLUSTER)]
    champion, challenger = (
        as_keys(_with_cluster(subject, read_table(table).where(filter_condition(windows))), features, *kept)
        for table in (lake.predictions, lake.challengers)
    )
    rows = paired_rows(champion, challenger, key=key_names(features), cluster=CLUSTER)
    if labels is None:
        rows = rows.withColumn(OUTCOME, F.lit(None).cast("int"))
    else:
        outcomes = read_outcomes(labels, as_of=subject.stamp.at)
        rows = rows.join(outcomes, on=key_names(features), how="left")
    summed = rows.transform(sum_differences, outcome=OUTCOME, cluster=CLUSTER, threshold=subject.threshold).collect()
    return [row.asDict() for row in summed if row["champion_version"] is not None]


def _with_cluster(subject: Subject, rows: DataFrame) -> DataFrame:
    return rows.withColumn(CLUSTER, cluster_column(subject.settings.cluster, rows.schema, subject.features))


def _with_ids(row: dict[str, Any], sources: _Sources, *, at: datetime) -> Figures:
    window = row["window_start"]
    ids = {f"{role}_id": getattr(sources, role)[window].predictions_id for role in ROLES}
    as_of = max([at, *(getattr(sources, role)[window].labels_as_of or at for role in ROLES)])
    return {**row, **ids, "labels_as_of": as_of}


def _compared(windows: Sequence[Figures], subject: Subject, sources: _Sources) -> list[Figures]:
    """The rows of brier_compare: each window, each month's windows, and all of them, by pair of versions."""
    if not windows:
        return []
    serving = [row for row in windows if sources.serves(row)] or windows
    latest = max(serving, key=lambda row: (row["window_start"] or date.min, row["n_paired"]))
    by_pair: dict[Pair, list[Figures]] = defaultdict(list)
    for row in windows:
        by_pair[_pair(row) or ()].append(row)
    made = [
        {
            **dict.fromkeys(COMPARE.schema.fieldNames()),
            **row,
            **(_NO_IDS if row["grain"] != "window" else {}),
            **dict(zip(MODELS, pair, strict=True)),
            "is_current": pair == _pair(latest),
            "job": subject.stamp.job,
            "run_id": subject.stamp.run_id,
            "computed_at": subject.stamp.at,
        }
        for pair, rows in by_pair.items()
        for row in _of_pair(rows, pair, subject)
    ]
    return [{name: row[name] for name in COMPARE.schema.fieldNames()} for row in made]


def _with_curves(rows: Sequence[Figures], curves: Mapping[tuple[str, Window], Figures]) -> list[Figures]:
    """Add Murphy's curves to the months and the total of the pair that serves now."""
    return [
        {**row, **curves.get((row["grain"], row["window_start"]), {})}
        if row["is_current"] and row["grain"] != "window"
        else row
        for row in rows
    ]


def _of_pair(rows: Sequence[Figures], pair: Pair, subject: Subject) -> list[Figures]:
    ordered = sorted(rows, key=lambda row: row["window_start"] or date.min)
    trained = [subject.trained.get((pair[0], pair[1])), subject.trained.get((pair[2], pair[3]))]
    until = max(each for each in trained if each) if all(trained) else None
    judged = judge_windows(ordered, trained_until=until, settings=subject.settings)
    months: dict[Window, list[Figures]] = defaultdict(list)
    for row in judged:
        months[month_of(row["window_start"])].append(row)
    by_day = subject.features.window == "day"
    return [
        *judged,
        *(
            {"window_start": month, **judge_month(rows, settings=subject.settings, is_by_day=by_day)}
            for month, rows in months.items()
        ),
        {"window_start": None, **judge_all(judged, settings=subject.settings, is_by_day=by_day)},
    ]


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
