"""Cells, and what is computed from them: metrics, reliability, sums over clusters."""

from collections.abc import Sequence
from datetime import date
from typing import get_args

from pydantic import BaseModel
from pyspark.sql import types as T

from brierlake.figures import Metrics
from brierlake.schemas.spec import (
    DATE,
    DOUBLE,
    INT,
    JOB,
    LONG,
    MODEL,
    STATISTICS,
    STRING,
    TIME,
    TableSpec,
    column,
)

_DIAGNOSTIC_KEY = [
    JOB,
    column("role", STRING, "champion or challenger", nullable=False),
    *MODEL,
    column("grain", STRING, "window, month or all", nullable=False),
    column("window_start", DATE, "first day of the window or month; null: no time, or grain all"),
    column("slice_key", STRING, "column sliced by; null: all rows"),
    column("slice_value", STRING, "its value as text; null beside a slice_key: the value is missing"),
]
DIAGNOSTIC_KEY = tuple(each.name for each in _DIAGNOSTIC_KEY)

_PROVENANCE = [
    column("predictions_id", STRING, "run_id that the window held; for several windows a digest of theirs"),
    column("labels_version", LONG, "version of the labels table that was read; null: none"),
    column("labels_as_of", TIME, "labels known up to then count (UTC)"),
    column("run_id", STRING, "run that computed the row", nullable=False),
    column("computed_at", TIME, "when (UTC)", nullable=False),
    column("labels_id", STRING, "Delta's id of the labels table that was read; null: none, or written by format 1"),
    column("diagnostics_recipe", STRING, "hash of the settings that decide a figure; null: written by format 1"),
]

CELL_FIELDS = T.StructType(
    [
        column(
            "cell_id",
            LONG,
            "upper edge of the cell in units of 1e-10; 0: p = 0; 10000000001: p = 1; null: no probability",
        ),
        column("outcome", INT, "1: the positive class; 0: another; null: no label yet"),
        column("n", LONG, "rows", nullable=False),
        column("sum_d", DOUBLE, "sum of d = p - centre of the cell"),
        column("sum_d2", DOUBLE, "sum of d^2"),
        column("sum_d3", DOUBLE, "sum of d^3"),
        column("sum_d4", DOUBLE, "sum of d^4"),
    ]
)

_SKIPPED_BY = {STATISTICS: "job, role, window_start, slice_key, model_name"}


def _by_grain(*columns: T.StructField, key: Sequence[str] = ()) -> TableSpec:
    """Shape of a table of the diagnostics: what a total reads of all months isn't mixed with the days."""
    schema = T.StructType([*_DIAGNOSTIC_KEY, *columns])
    return TableSpec(schema, key=(*DIAGNOSTIC_KEY, *key), partitioned_by=("grain",), properties=_SKIPPED_BY)


CELLS = _by_grain(*CELL_FIELDS, *_PROVENANCE, key=("cell_id", "outcome"))

_KINDS = {int: LONG, float: DOUBLE, str: STRING, date: DATE}


def _fields_of(record: type[BaseModel]) -> T.StructType:
    """Columns of a record's fields: whole numbers are longs."""
    kinds = {
        name: (get_args(field.annotation) or (field.annotation,))[0] for name, field in record.model_fields.items()
    }
    comments = {name: field.description or "" for name, field in record.model_fields.items()}
    return T.StructType([column(name, _KINDS[kind], comments[name]) for name, kind in kinds.items()])


METRIC_FIELDS = _fields_of(Metrics)

_FROM_CELLS = [*_PROVENANCE, column("cells_version", LONG, "version of the cells table that it was made from")]

METRICS = _by_grain(*METRIC_FIELDS, *_FROM_CELLS)

RELIABILITY_FIELDS = T.StructType(
    [
        column("kind", STRING, "bins_10, bins_20, or corp: a block of the isotonic fit"),
        column("position", INT, "of the bin or block, from 0"),
        column("lower", DOUBLE, "lower edge; of a block: its smallest probability"),
        column("upper", DOUBLE, "upper edge, inclusive; of a block: its largest probability"),
        column("n_scored", LONG, "rows with a probability"),
        column("n_labelled", LONG, "rows with a label too"),
        column("n_events", LONG, "labelled rows of the positive class"),
        column("mean_probability", DOUBLE, "over scored rows"),
        column("mean_probability_labelled", DOUBLE, "over labelled rows"),
        column("event_rate", DOUBLE, "n_events / n_labelled"),
        column("event_rate_low", DOUBLE, "Wilson interval of the event rate"),
        column("event_rate_high", DOUBLE, "Wilson interval of the event rate"),
        column("band_low", DOUBLE, "band that a calibrated model's whole fit would lie in; null: not computed"),
        column("band_high", DOUBLE, "consistency band; null: not computed"),
    ]
)

RELIABILITY = _by_grain(*RELIABILITY_FIELDS, *_FROM_CELLS, key=("kind", "position"))

CLUSTER_FIELDS = T.StructType(
    [
        column("clusters", LONG, "clusters that hold labelled rows; they lie within windows, so these sums add up"),
        column("n", LONG, "labelled rows"),
        column("n_scored", LONG, "rows with a probability"),
        column("sum_s", DOUBLE, "sum of s = (p-y)^2"),
        column("sum_ss", DOUBLE, "sum of s^2"),
        column("sum_y", DOUBLE, "labelled rows of the positive class"),
        column("sum_r", DOUBLE, "sum of r = y - p"),
        column("sum_z", DOUBLE, "sum of z = (1-2p)(y-p)"),
        column("sum_n2", DOUBLE, "sum over clusters of n^2, n the labelled rows of a cluster"),
        column("sum_s2", DOUBLE, "sum over clusters of S^2, S the sum of s in a cluster"),
        column("sum_y2", DOUBLE, "sum over clusters of Y^2, Y that of y"),
        column("sum_r2", DOUBLE, "sum over clusters of R^2, R that of r"),
        column("sum_z2", DOUBLE, "sum over clusters of Z^2, Z that of z"),
        column("sum_s_n", DOUBLE, "sum over clusters of S n"),
        column("sum_y_n", DOUBLE, "sum over clusters of Y n"),
        column("sum_r_n", DOUBLE, "sum over clusters of R n"),
        column("sum_z_n", DOUBLE, "sum over clusters of Z n"),
        column("sum_s_y", DOUBLE, "sum over clusters of S Y"),
    ]
)

CLUSTERS = _by_grain(*CLUSTER_FIELDS, *_PROVENANCE)

TABLES = {"cells": CELLS, "clusters": CLUSTERS, "metrics": METRICS, "reliability": RELIABILITY}
"""By their names in `lakehouse.tables`."""
