"""What several of the odd inputs need."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.lakehouse.tables import Table
from tests.world import World

_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


def vacuum_at_once(spark: SparkSession, table: Table) -> None:
    """Removes every file that the latest version doesn't need, as nobody should."""
    spark.conf.set(_CHECK, "false")
    try:
        spark.sql(f"VACUUM {table.sql} RETAIN 0 HOURS")
    finally:
        spark.conf.unset(_CHECK)


def recast(world: World, name: str, select: str) -> None:
    """A silver table with other columns, which no job has read yet."""
    path = Path(str(world.silver(name).path))
    made = path.with_name(f"{name}-made")
    world.spark.sql(f"SELECT {select} FROM delta.`{path}`").write.format("delta").save(str(made))
    shutil.rmtree(path)
    made.rename(path)


def overwrite(world: World, name: str, select: str) -> None:
    """The same table, written anew as a whole by another engine."""
    table = world.silver(name)
    rows = world.spark.sql(f"SELECT {select} FROM {table.sql}")
    rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(table.path)
