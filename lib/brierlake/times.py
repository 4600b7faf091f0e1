"""Times as microseconds since 1970 UTC: exact, and whatever the session's time zone is."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

DAY_MICROS = 86_400_000_000


def micros_of(moment: Column, kind: T.DataType) -> Column:
    """A DATE, TIMESTAMP or TIMESTAMP_NTZ as BIGINT; what has no zone is taken as UTC."""
    if isinstance(kind, T.DateType):
        return F.unix_date(moment).cast("bigint") * F.lit(DAY_MICROS)
    if isinstance(kind, T.TimestampNTZType):
        # Spark's functions on times would go through the session's zone, which skips an hour a year
        return F.unix_micros(F.concat(moment.cast("string"), F.lit("Z")).cast("timestamp"))
    return F.unix_micros(moment)
