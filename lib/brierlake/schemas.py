"""Every table that is written: columns, keys, layout and what each column means. Tables are created from here."""

from dataclasses import dataclass, field
from datetime import date
from typing import get_args

from pydantic import BaseModel
from pyspark.sql import types as T

from brierlake.figures import Metrics

FORMAT_VERSION = 2
"""Version of our own table format, kept as a table property; a newer one is refused, an older one grows in place.

1: the first. 2: diagnostics say which labels table and which settings they were made with.
"""

_STRING, _LONG, _INT, _DOUBLE = T.StringType(), T.LongType(), T.IntegerType(), T.DoubleType()
_BOOLEAN, _DATE, _TIME = T.BooleanType(), T.DateType(), T.TimestampType()


@dataclass(frozen=True)
class TableSpec:
    """Shape of one table: `key` names a row, `partitioned_by` is its layout, `constraints` are CHECKs by name."""

    schema: T.StructType
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...] = ()
    constraints: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


def column(name: str, kind: T.DataType, comment: str, *, nullable: bool = True) -> T.StructField:
    return T.StructField(name, kind, nullable, {"comment": comment})


_MODEL = [
    column("model_name", _STRING, "registered model"),
    column("model_version", _INT, "its version"),
]
_JOB = column("job", _STRING, "job, as the config names it", nullable=False)

_STATISTICS = "delta.dataSkippingStatsColumns"
"""Property that says by which columns files are skipped; Delta would compare every value of every column."""

PREDICTION_COLUMNS = [
    column("probability", _DOUBLE, "P(positive class), 0 to 1; null: not scored, see issue"),
    column("issue", _STRING, "why there is no probability; null: there is one"),
    *_MODEL,
    column("recipe", _STRING, "hash of all that decides a probability apart from the rows", nullable=False),
    column("run_id", _STRING, "run that wrote the row; the runs table tells more", nullable=False),
    column("features_version", _LONG, "version of the features table that was read", nullable=False),
    column("scored_at", _TIME, "when the run started to score (UTC)", nullable=False),
]


PREDICTION_WORDS = ("event_at", "window_start", *(each.name for each in PREDICTION_COLUMNS))
"""Columns that each predictions table has beside the key and what is carried."""
CARRIED = "carried from the features, to slice by"
"""Comment of the columns that a config may add and leave out again."""

_SKIPPING = (T.NumericType, T.StringType, T.DateType, T.TimestampType, T.TimestampNTZType)
"""Types that Delta can skip files by."""


def predictions_spec(*, key: T.StructType, event_at: T.DataType, carried: T.StructType) -> TableSpec:
    """The predictions table: one row a row of the features table, in the types that its columns have there.

    A column that serves twice, as a key and as `event_at` for example, is there once.
    """
    fields = [
        *(column(each.name, each.dataType, "key, as in the features") for each in key),
        column("event_at", event_at, "time that the prediction is about, as in the features; null: none is configured"),
        column("window_start", _DATE, "first day of the window; null: no time column, or no time in the row"),
        *(column(each.name, each.dataType, CARRIED) for each in carried),
        *PREDICTION_COLUMNS,
    ]
    check = (
        "(probability IS NULL AND issue IS NOT NULL) OR "
        "(probability IS NOT NULL AND probability >= 0 AND probability <= 1 AND issue IS NULL)"
    )
    unique: dict[str, T.StructField] = {}
    for each in fields:
        unique.setdefault(each.name, each)
    names = tuple(key.fieldNames())
    # Delta can't read names that need quotes in this property
    skipped_by = [
        name
        for name in dict.fromkeys((*names, "event_at"))
        if name.isidentifier() and name.isascii() and isinstance(unique[name].dataType, _SKIPPING)
    ]
    return TableSpec(
        T.StructType(list(unique.values())),
        names,
        ("window_start",),
        {"brierlake_probability": check},
        {_STATISTICS: ",".join(skipped_by)},
    )


CANDIDATES = TableSpec(
    T.StructType(
        [
            column("run_id", _STRING, "run that looked", nullable=False),
            _JOB,
            column("looked_at", _TIME, "when (UTC)", nullable=False),
            column("rank", _INT, "1 is the best; null: not eligible"),
            *_MODEL,
            column("metric_name", _STRING, "metric that ranks"),
            column("value", _DOUBLE, "its value; null: none was found"),
            column("step", _LONG, "step at which it was logged"),
            column("logged_at", _TIME, "when it was logged (UTC)"),
            column("value_source", _STRING, "run, logged_model or tag"),
            column("model_run_id", _STRING, "MLflow run that made the version"),
            column("is_eligible", _BOOLEAN, "whether it could be chosen", nullable=False),
            column("reason", _STRING, "why it could not"),
            column("is_selected", _BOOLEAN, "the one that was chosen", nullable=False),
            column("is_tied", _BOOLEAN, "has exactly the best value too", nullable=False),
            column("recalibrates", _STRING, "what a recalibrated version is; null: it is none"),
        ]
    ),
    key=("run_id", "model_name", "model_version"),
)

_DIAGNOSTIC_KEY = [
    _JOB,
    column("role", _STRING, "champion or challenger", nullable=False),
    *_MODEL,
    column("grain", _STRING, "window, month or all", nullable=False),
    column("window_start", _DATE, "first day of the window or month; null: no time, or grain all"),
    column("slice_key", _STRING, "column sliced by; null: all rows"),
    column("slice_value", _STRING, "its value as text; null beside a slice_key: the value is missing"),
]
DIAGNOSTIC_KEY = tuple(each.name for each in _DIAGNOSTIC_KEY)

_PROVENANCE = [
    column("predictions_id", _STRING, "run_id that the window held; for several windows a digest of theirs"),
    column("labels_version", _LONG, "version of the labels table that was read; null: none"),
    column("labels_as_of", _TIME, "labels known up to then count (UTC)"),
    column("run_id", _STRING, "run that computed the row", nullable=False),
    column("computed_at", _TIME, "when (UTC)", nullable=False),
    column("labels_id", _STRING, "Delta's id of the labels table that was read; null: none, or written by format 1"),
    column("diagnostics_recipe", _STRING, "hash of the settings that decide a figure; null: written by format 1"),
]

CELL_FIELDS = T.StructType(
    [
        column(
            "cell_id",
            _LONG,
            "upper edge of the cell in units of 1e-10; 0: p = 0; 10000000001: p = 1; null: no probability",
        ),
        column("outcome", _INT, "1: the positive class; 0: another; null: no label yet"),
        column("n", _LONG, "rows", nullable=False),
        column("sum_d", _DOUBLE, "sum of d = p - centre of the cell"),
        column("sum_d2", _DOUBLE, "sum of d^2"),
        column("sum_d3", _DOUBLE, "sum of d^3"),
        column("sum_d4", _DOUBLE, "sum of d^4"),
    ]
)

_BY_GRAIN = ("grain",)
"""Layout of the diagnostics: what a total reads of all months isn't mixed with the days."""
_SKIPPED_BY = {_STATISTICS: "job, role, window_start, slice_key, model_name"}

CELLS = TableSpec(
    T.StructType([*_DIAGNOSTIC_KEY, *CELL_FIELDS, *_PROVENANCE]),
    key=(*DIAGNOSTIC_KEY, "cell_id", "outcome"),
    partitioned_by=_BY_GRAIN,
    properties=_SKIPPED_BY,
)

_KINDS = {int: _LONG, float: _DOUBLE, str: _STRING, date: _DATE}


def _fields_of(record: type[BaseModel]) -> T.StructType:
    """Columns of a record's fields: whole numbers are longs."""
    kinds = {
        name: (get_args(field.annotation) or (field.annotation,))[0] for name, field in record.model_fields.items()
    }
    comments = {name: field.description or "" for name, field in record.model_fields.items()}
    return T.StructType([column(name, _KINDS[kind], comments[name]) for name, kind in kinds.items()])


METRIC_FIELDS = _fields_of(Metrics)

_FROM_CELLS = [*_PROVENANCE, column("cells_version", _LONG, "version of the cells table that it was made from")]

METRICS = TableSpec(
    T.StructType([*_DIAGNOSTIC_KEY, *METRIC_FIELDS, *_FROM_CELLS]),
    key=DIAGNOSTIC_KEY,
    partitioned_by=_BY_GRAIN,
    properties=_SKIPPED_BY,
)

RELIABILITY_FIELDS = T.StructType(
    [
        column("kind", _STRING, "bins_10, bins_20, or corp: a block of the isotonic fit"),
        column("position", _INT, "of the bin or block, from 0"),
        column("lower", _DOUBLE, "lower edge; of a block: its smallest probability"),
        column("upper", _DOUBLE, "upper edge, inclusive; of a block: its largest probability"),
        column("n_scored", _LONG, "rows with a probability"),
        column("n_labelled", _LONG, "rows with a label too"),
        column("n_events", _LONG, "labelled rows of the positive class"),
        column("mean_probability", _DOUBLE, "over scored rows"),
        column("mean_probability_labelled", _DOUBLE, "over labelled rows"),
        column("event_rate", _DOUBLE, "n_events / n_labelled"),
        column("event_rate_low", _DOUBLE, "Wilson interval of the event rate"),
        column("event_rate_high", _DOUBLE, "Wilson interval of the event rate"),
        column("band_low", _DOUBLE, "band that a calibrated model's whole fit would lie in; null: not computed"),
        column("band_high", _DOUBLE, "consistency band; null: not computed"),
    ]
)

RELIABILITY = TableSpec(
    T.StructType([*_DIAGNOSTIC_KEY, *RELIABILITY_FIELDS, *_FROM_CELLS]),
    key=(*DIAGNOSTIC_KEY, "kind", "position"),
    partitioned_by=_BY_GRAIN,
    properties=_SKIPPED_BY,
)

CLUSTER_FIELDS = T.StructType(
    [
        column("clusters", _LONG, "clusters that hold labelled rows; they lie within windows, so these sums add up"),
        column("n", _LONG, "labelled rows"),
        column("n_scored", _LONG, "rows with a probability"),
        column("sum_s", _DOUBLE, "sum of s = (p-y)^2"),
        column("sum_ss", _DOUBLE, "sum of s^2"),
        column("sum_y", _DOUBLE, "labelled rows of the positive class"),
        column("sum_r", _DOUBLE, "sum of r = y - p"),
        column("sum_z", _DOUBLE, "sum of z = (1-2p)(y-p)"),
        column("sum_n2", _DOUBLE, "sum over clusters of n^2, n the labelled rows of a cluster"),
        column("sum_s2", _DOUBLE, "sum over clusters of S^2, S the sum of s in a cluster"),
        column("sum_y2", _DOUBLE, "sum over clusters of Y^2, Y that of y"),
        column("sum_r2", _DOUBLE, "sum over clusters of R^2, R that of r"),
        column("sum_z2", _DOUBLE, "sum over clusters of Z^2, Z that of z"),
        column("sum_s_n", _DOUBLE, "sum over clusters of S n"),
        column("sum_y_n", _DOUBLE, "sum over clusters of Y n"),
        column("sum_r_n", _DOUBLE, "sum over clusters of R n"),
        column("sum_z_n", _DOUBLE, "sum over clusters of Z n"),
        column("sum_s_y", _DOUBLE, "sum over clusters of S Y"),
    ]
)

CLUSTERS = TableSpec(
    T.StructType([*_DIAGNOSTIC_KEY, *CLUSTER_FIELDS, *_PROVENANCE]),
    key=DIAGNOSTIC_KEY,
    partitioned_by=_BY_GRAIN,
    properties=_SKIPPED_BY,
)

_CURVE = T.ArrayType(_DOUBLE, containsNull=False)

COMPARE_FIELDS = [
    column("is_current", _BOOLEAN, "whether these two versions serve now; rows of earlier pairs stay"),
    column("n_paired", _LONG, "rows that both scored"),
    column("n", _LONG, "of these, with a label"),
    column("n_events", _LONG, "of these, of the positive class"),
    column("sum_p", _DOUBLE, "sum of the champion's probability over them"),
    column("sum_champion", _DOUBLE, "sum of the champion's (p-y)^2"),
    column("sum_challenger", _DOUBLE, "sum of the challenger's"),
    column("sum_d", _DOUBLE, "sum of d, the challenger's (p-y)^2 minus the champion's"),
    column("sum_d2", _DOUBLE, "sum of d^2"),
    column("sum_abs_d", _DOUBLE, "sum of |d|"),
    column("brier_champion", _DOUBLE, "over these rows; null: none"),
    column("brier_challenger", _DOUBLE, "over these rows; null: none"),
    column("difference", _DOUBLE, "challenger minus champion; below 0: the challenger is better"),
    column("difference_se", _DOUBLE, "its standard error, paired; see se_kind"),
    column("difference_low", _DOUBLE, "lower end of its interval, for one look"),
    column("difference_high", _DOUBLE, "upper end of its interval, for one look"),
    column("se_kind", _STRING, "clustered (by diagnostics.cluster), or independent (rows)"),
    column("lags", _LONG, "days after which errors still hang together; null: not clustered"),
    column("log_e_value", _DOUBLE, "evidence for a difference up to this window, natural log; null at grain month"),
    column("sequence_low", _DOUBLE, "lower end of the confidence sequence of a window's difference: for every look"),
    column("sequence_high", _DOUBLE, "its upper end; null: infinite, or grain month"),
    column("n_windows", _LONG, "windows that the evidence is from, merged ones as one"),
    column("n_in_sample", _LONG, "windows left out, from before the end of either's training; grain all"),
    column("block", _LONG, "windows that are merged, for they hang together; 1: none"),
    column(
        "evidence_status",
        _STRING,
        "ok, or why this counts for nothing (in_sample, incomplete, no_windows) or not yet (few_windows, constant, "
        "correlated)",
    ),
    column(
        "verdict",
        _STRING,
        "on the challenger: better or worse (evidence 20 : 1 or more; months: by the interval), not_distinguishable "
        "yet, too_few_labels, in_sample, or no_windows",
    ),
    column("change_statistic", _DOUBLE, "largest so far; from 1,000 on the difference isn't what it was; grain all"),
    column("changed_on", _DATE, "window at which that was found first; null: no change; grain all"),
    column("sum_benefit", _DOUBLE, "true less false positives at decision's odds, challenger minus champion"),
    column("benefit_difference", _DOUBLE, "net benefit at decision's threshold: above 0 the challenger is better"),
    column("benefit_log_e_value", _DOUBLE, "evidence for a difference of it, as log_e_value; null: no decision"),
    column("murphy_threshold", _CURVE, "0, .01, ... 1; null at grain window, and of pairs that don't serve now"),
    column("murphy_champion", _CURVE, "mean elementary score at each threshold, 0 to 1; null: no label"),
    column("murphy_challenger", _CURVE, "below the champion's throughout: better under every proper score"),
]

COMPARE = TableSpec(
    T.StructType(
        [
            _JOB,
            column("grain", _STRING, "window, month or all", nullable=False),
            column("window_start", _DATE, "first day of the window or month; null: no time, or grain all"),
            column("champion_name", _STRING, "registered model"),
            column("champion_version", _INT, "its version"),
            column("challenger_name", _STRING, "registered model"),
            column("challenger_version", _INT, "its version"),
            *COMPARE_FIELDS,
            *(CLUSTER_FIELDS[name] for name in ("clusters", "sum_s2", "sum_s_n", "sum_n2")),
            column("champion_id", _STRING, "run_id that the champion's window held; null at other grains"),
            column("challenger_id", _STRING, "run_id that the challenger's window held; null at other grains"),
            column("labels_as_of", _TIME, "labels known up to then count (UTC)"),
            column("run_id", _STRING, "run that computed the row", nullable=False),
            column("computed_at", _TIME, "when (UTC)", nullable=False),
        ]
    ),
    key=("job", "grain", "window_start", "champion_name", "champion_version", "challenger_name", "challenger_version"),
)

RUNS = TableSpec(
    T.StructType(
        [
            column("run_id", _STRING, "unique, sorts by time", nullable=False),
            _JOB,
            column("action", _STRING, "score, diagnose, challenge, promote or recalibrate", nullable=False),
            column("status", _STRING, "published, held or failed (an unchanged run writes nothing)", nullable=False),
            column("started_at", _TIME, "UTC", nullable=False),
            column("finished_at", _TIME, "UTC", nullable=False),
            *_MODEL,
            column("model_digest", _STRING, "sha256 over the model's files"),
            column("recipe", _STRING, "see predictions"),
            column("metric_name", _STRING, "metric that ranked"),
            column("metric_value", _DOUBLE, "its value for the version"),
            column("trained_until", _TIME, "first moment that the version was not trained on (UTC)"),
            column("trained_until_source", _STRING, "tag, config, run_end or registered"),
            column("scope", _STRING, "full, incremental, or start/end of the windows asked for"),
            column("window_count", _LONG, "windows written"),
            column("first_window", _DATE, "first of them"),
            column("last_window", _DATE, "last of them"),
            column("features_table", _STRING, "name or path"),
            column("features_id", _STRING, "Delta's id of the table"),
            column("features_version", _LONG, "version that was read"),
            column("predictions_table", _STRING, "name or path"),
            column("predictions_version", _LONG, "version that this run's commit made"),
            column("labels_version", _LONG, "version of the labels that was read"),
            column("rows_in", _LONG, "rows in the windows written"),
            column("rows_scored", _LONG, "of these, with a probability"),
            column("rows_with_issue", _LONG, "of these, without"),
            column("issues", T.MapType(_STRING, _LONG), "rows by issue"),
            column("issue_examples", T.MapType(_STRING, T.ArrayType(_STRING)), "keys of up to three rows by issue"),
            column("brier", _DOUBLE, "of the windows written, where labels are known"),
            column("brier_se", _DOUBLE, "its standard error"),
            column("expected_brier", _DOUBLE, "of the windows written"),
            column("base_rate", _DOUBLE, "of the windows written, where labels are known"),
            column("coverage", _DOUBLE, "share of scored rows with a label"),
            column("gates", _STRING, "JSON: the gates and what they said"),
            column("config", _STRING, "JSON: the config without secrets"),
            column("libraries", T.MapType(_STRING, _STRING), "versions of the libraries that decide"),
            column("seconds", T.MapType(_STRING, _DOUBLE), "where the time went, by step, up to this record"),
            column("recalibration", _STRING, "JSON: windows, maps and figures of a recalibrate run"),
            column("error", _STRING, "what the user was told"),
            column("exit_code", _INT, "of the command", nullable=False),
        ]
    ),
    key=("run_id",),
)

SHARED_TABLES = {
    "candidates": CANDIDATES,
    "cells": CELLS,
    "clusters": CLUSTERS,
    "metrics": METRICS,
    "reliability": RELIABILITY,
    "compare": COMPARE,
    "runs": RUNS,
}
"""Tables that several jobs may write, by their names in `lakehouse.tables`; the others hold one job's predictions."""
