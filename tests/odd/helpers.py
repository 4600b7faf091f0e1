"""What several of the odd inputs need."""

from pyspark.sql import SparkSession

from brierlake.lakehouse.tables import Table

_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


def vacuum_at_once(spark: SparkSession, table: Table) -> None:
    """Removes every file that the latest version doesn't need, as nobody should."""
    spark.conf.set(_CHECK, "false")
    try:
        spark.sql(f"VACUUM {table.sql} RETAIN 0 HOURS")
    finally:
        spark.conf.unset(_CHECK)
