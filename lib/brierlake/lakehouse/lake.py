"""Lake: the tables of one job, located once and handed down."""

from dataclasses import dataclass, fields

from pyspark.sql import SparkSession

from brierlake.config import Config
from brierlake.lakehouse.tables import Table, locate_table


@dataclass(frozen=True)
class Lake:
    """What a job reads, and what it writes."""

    features: Table
    labels: Table | None
    """None: the config has no labels. Outcomes beside the features are in the features table."""
    predictions: Table
    challengers: Table
    staged: Table
    candidates: Table
    cells: Table
    clusters: Table
    metrics: Table
    reliability: Table
    compare: Table
    runs: Table

    @property
    def spark(self) -> SparkSession:
        return self.features.spark

    @property
    def written(self) -> dict[str, Table]:
        """Tables that the job writes, by the names of `lakehouse.tables`."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("features", "labels")}


def open_lake(spark: SparkSession, config: Config) -> Lake:
    """Locate every table of a job; read none."""
    lakehouse, labels = config.lakehouse, config.labels

    def silver(name: str) -> Table:
        return locate_table(spark, lakehouse, layer=lakehouse.silver, name=name)

    written = {role: locate_table(spark, lakehouse, layer=lakehouse.gold, name=name) for role, name in lakehouse.tables}
    return Lake(
        features=silver(config.features.table),
        labels=silver(labels.table or config.features.table) if labels else None,
        **written,
    )
