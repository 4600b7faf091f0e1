"""What a table is declared with: its shape, its columns, and those that many tables have."""

from dataclasses import dataclass, field

from pyspark.sql import types as T

FORMAT_VERSION = 2
"""Version of our own table format, kept as a table property; a newer one is refused, an older one grows in place.

1: the first. 2: diagnostics say which labels table and which settings they were made with.
"""

STRING, LONG, INT, DOUBLE = T.StringType(), T.LongType(), T.IntegerType(), T.DoubleType()
BOOLEAN, DATE, TIME = T.BooleanType(), T.DateType(), T.TimestampType()


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


MODEL = [
    column("model_name", STRING, "registered model"),
    column("model_version", INT, "its version"),
]
JOB = column("job", STRING, "job, as the config names it", nullable=False)

STATISTICS = "delta.dataSkippingStatsColumns"
"""Property that says by which columns files are skipped; Delta would compare every value of every column."""
