"""Champion and challenger on the same rows."""

from pyspark.sql import types as T

from brierlake.schemas.diagnosis_tables import CLUSTER_FIELDS
from brierlake.schemas.spec import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    JOB,
    LONG,
    STRING,
    TIME,
    TableSpec,
    column,
)

_CURVE = T.ArrayType(DOUBLE, containsNull=False)

COMPARE_FIELDS = [
    column("is_current", BOOLEAN, "whether these two versions serve now; rows of earlier pairs stay"),
    column("n_paired", LONG, "rows that both scored"),
    column("n", LONG, "of these, with a label"),
    column("n_events", LONG, "of these, of the positive class"),
    column("sum_p", DOUBLE, "sum of the champion's probability over them"),
    column("sum_champion", DOUBLE, "sum of the champion's (p-y)^2"),
    column("sum_challenger", DOUBLE, "sum of the challenger's"),
    column("sum_d", DOUBLE, "sum of d, the challenger's (p-y)^2 minus the champion's"),
    column("sum_d2", DOUBLE, "sum of d^2"),
    column("sum_abs_d", DOUBLE, "sum of |d|"),
    column("brier_champion", DOUBLE, "over these rows; null: none"),
    column("brier_challenger", DOUBLE, "over these rows; null: none"),
    column("difference", DOUBLE, "challenger minus champion; below 0: the challenger is better"),
    column("difference_se", DOUBLE, "its standard error, paired; see se_kind"),
    column("difference_low", DOUBLE, "lower end of its interval, for one look"),
    column("difference_high", DOUBLE, "upper end of its interval, for one look"),
    column("se_kind", STRING, "clustered (by diagnostics.cluster), or independent (rows)"),
    column("lags", LONG, "days after which errors still hang together; null: not clustered"),
    column("log_e_value", DOUBLE, "evidence for a difference up to this window, natural log; null at grain month"),
    column("sequence_low", DOUBLE, "lower end of the confidence sequence of a window's difference: for every look"),
    column("sequence_high", DOUBLE, "its upper end; null: infinite, or grain month"),
    column("n_windows", LONG, "windows that the evidence is from, merged ones as one"),
    column("n_in_sample", LONG, "windows left out, from before the end of either's training; grain all"),
    column("block", LONG, "windows that are merged, for they hang together; 1: none"),
    column(
        "evidence_status",
        STRING,
        "ok, or why this counts for nothing (in_sample, incomplete, no_windows) or not yet (few_windows, constant, "
        "correlated)",
    ),
    column(
        "verdict",
        STRING,
        "on the challenger: better or worse (evidence 20 : 1 or more; months: by the interval), not_distinguishable "
        "yet, too_few_labels, in_sample, or no_windows",
    ),
    column("change_statistic", DOUBLE, "largest so far; from 1,000 on the difference isn't what it was; grain all"),
    column("changed_on", DATE, "window at which that was found first; null: no change; grain all"),
    column("sum_benefit", DOUBLE, "true less false positives at decision's odds, challenger minus champion"),
    column("benefit_difference", DOUBLE, "net benefit at decision's threshold: above 0 the challenger is better"),
    column("benefit_log_e_value", DOUBLE, "evidence for a difference of it, as log_e_value; null: no decision"),
    column("murphy_threshold", _CURVE, "0, .01, ... 1; null at grain window, and of pairs that don't serve now"),
    column("murphy_champion", _CURVE, "mean elementary score at each threshold, 0 to 1; null: no label"),
    column("murphy_challenger", _CURVE, "below the champion's throughout: better under every proper score"),
]

COMPARE = TableSpec(
    T.StructType(
        [
            JOB,
            column("grain", STRING, "window, month or all", nullable=False),
            column("window_start", DATE, "first day of the window or month; null: no time, or grain all"),
            column("champion_name", STRING, "registered model"),
            column("champion_version", INT, "its version"),
            column("challenger_name", STRING, "registered model"),
            column("challenger_version", INT, "its version"),
            *COMPARE_FIELDS,
            *(CLUSTER_FIELDS[name] for name in ("clusters", "sum_s2", "sum_s_n", "sum_n2")),
            column("champion_id", STRING, "run_id that the champion's window held; null at other grains"),
            column("challenger_id", STRING, "run_id that the challenger's window held; null at other grains"),
            column("labels_as_of", TIME, "labels known up to then count (UTC)"),
            column("run_id", STRING, "run that computed the row", nullable=False),
            column("computed_at", TIME, "when (UTC)", nullable=False),
        ]
    ),
    key=("job", "grain", "window_start", "champion_name", "champion_version", "challenger_name", "challenger_version"),
)

TABLES = {"compare": COMPARE}
"""By its name in `lakehouse.tables`."""
