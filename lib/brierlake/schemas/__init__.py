"""Every table that is written: columns, keys, layout and what each column means. Tables are created from here."""

from brierlake.schemas import comparison_table, diagnosis_tables, run_tables
from brierlake.schemas.comparison_table import COMPARE, COMPARE_FIELDS
from brierlake.schemas.diagnosis_tables import (
    CELL_FIELDS,
    CELLS,
    CLUSTER_FIELDS,
    CLUSTERS,
    DIAGNOSTIC_KEY,
    METRIC_FIELDS,
    METRICS,
    RELIABILITY,
    RELIABILITY_FIELDS,
)
from brierlake.schemas.run_tables import (
    CANDIDATES,
    CARRIED,
    PREDICTION_COLUMNS,
    PREDICTION_WORDS,
    RUNS,
    predictions_spec,
)
from brierlake.schemas.spec import FORMAT_VERSION, TableSpec, column

SHARED_TABLES = {**run_tables.TABLES, **diagnosis_tables.TABLES, **comparison_table.TABLES}
"""Tables that several jobs may write, by their names in `lakehouse.tables`; the others hold one job's predictions."""

__all__ = [
    "CANDIDATES",
    "CARRIED",
    "CELLS",
    "CELL_FIELDS",
    "CLUSTERS",
    "CLUSTER_FIELDS",
    "COMPARE",
    "COMPARE_FIELDS",
    "DIAGNOSTIC_KEY",
    "FORMAT_VERSION",
    "METRICS",
    "METRIC_FIELDS",
    "PREDICTION_COLUMNS",
    "PREDICTION_WORDS",
    "RELIABILITY",
    "RELIABILITY_FIELDS",
    "RUNS",
    "SHARED_TABLES",
    "TableSpec",
    "column",
    "predictions_spec",
]
