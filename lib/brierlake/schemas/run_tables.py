"""Predictions, the versions that a run looked at, and the ledger of runs."""

from pyspark.sql import types as T

from brierlake.schemas.spec import (
    BOOLEAN,
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

PREDICTION_COLUMNS = [
    column("probability", DOUBLE, "P(positive class), 0 to 1; null: not scored, see issue"),
    column("issue", STRING, "why there is no probability; null: there is one"),
    *MODEL,
    column("recipe", STRING, "hash of all that decides a probability apart from the rows", nullable=False),
    column("run_id", STRING, "run that wrote the row; the runs table tells more", nullable=False),
    column("features_version", LONG, "version of the features table that was read", nullable=False),
    column("scored_at", TIME, "when the run started to score (UTC)", nullable=False),
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
        column("window_start", DATE, "first day of the window; null: no time column, or no time in the row"),
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
        {STATISTICS: ",".join(skipped_by)},
    )


CANDIDATES = TableSpec(
    T.StructType(
        [
            column("run_id", STRING, "run that looked", nullable=False),
            JOB,
            column("looked_at", TIME, "when (UTC)", nullable=False),
            column("rank", INT, "1 is the best; null: not eligible"),
            *MODEL,
            column("metric_name", STRING, "metric that ranks"),
            column("value", DOUBLE, "its value; null: none was found"),
            column("step", LONG, "step at which it was logged"),
            column("logged_at", TIME, "when it was logged (UTC)"),
            column("value_source", STRING, "run, logged_model or tag"),
            column("model_run_id", STRING, "MLflow run that made the version"),
            column("is_eligible", BOOLEAN, "whether it could be chosen", nullable=False),
            column("reason", STRING, "why it could not"),
            column("is_selected", BOOLEAN, "the one that was chosen", nullable=False),
            column("is_tied", BOOLEAN, "has exactly the best value too", nullable=False),
            column("recalibrates", STRING, "what a recalibrated version is; null: it is none"),
        ]
    ),
    key=("run_id", "model_name", "model_version"),
)

RUNS = TableSpec(
    T.StructType(
        [
            column("run_id", STRING, "unique, sorts by time", nullable=False),
            JOB,
            column("action", STRING, "score, diagnose, challenge, promote or recalibrate", nullable=False),
            column("status", STRING, "published, held or failed (an unchanged run writes nothing)", nullable=False),
            column("started_at", TIME, "UTC", nullable=False),
            column("finished_at", TIME, "UTC", nullable=False),
            *MODEL,
            column("model_digest", STRING, "sha256 over the model's files"),
            column("recipe", STRING, "see predictions"),
            column("metric_name", STRING, "metric that ranked"),
            column("metric_value", DOUBLE, "its value for the version"),
            column("trained_until", TIME, "first moment that the version was not trained on (UTC)"),
            column("trained_until_source", STRING, "tag, config, run_end or registered"),
            column("scope", STRING, "full, incremental, or start/end of the windows asked for"),
            column("window_count", LONG, "windows written"),
            column("first_window", DATE, "first of them"),
            column("last_window", DATE, "last of them"),
            column("features_table", STRING, "name or path"),
            column("features_id", STRING, "Delta's id of the table"),
            column("features_version", LONG, "version that was read"),
            column("predictions_table", STRING, "name or path"),
            column("predictions_version", LONG, "version that this run's commit made"),
            column("labels_version", LONG, "version of the labels that was read"),
            column("rows_in", LONG, "rows in the windows written"),
            column("rows_scored", LONG, "of these, with a probability"),
            column("rows_with_issue", LONG, "of these, without"),
            column("issues", T.MapType(STRING, LONG), "rows by issue"),
            column("issue_examples", T.MapType(STRING, T.ArrayType(STRING)), "keys of up to three rows by issue"),
            column("brier", DOUBLE, "of the windows written, where labels are known"),
            column("brier_se", DOUBLE, "its standard error"),
            column("expected_brier", DOUBLE, "of the windows written"),
            column("base_rate", DOUBLE, "of the windows written, where labels are known"),
            column("coverage", DOUBLE, "share of scored rows with a label"),
            column("gates", STRING, "JSON: the gates and what they said"),
            column("config", STRING, "JSON: the config without secrets"),
            column("libraries", T.MapType(STRING, STRING), "versions of the libraries that decide"),
            column("seconds", T.MapType(STRING, DOUBLE), "where the time went, by step, up to this record"),
            column("recalibration", STRING, "JSON: windows, maps and figures of a recalibrate run"),
            column("error", STRING, "what the user was told"),
            column("exit_code", INT, "of the command", nullable=False),
        ]
    ),
    key=("run_id",),
)

TABLES = {"candidates": CANDIDATES, "runs": RUNS}
"""Those that several jobs may write, by their names in `lakehouse.tables`; the others hold one job's predictions."""
