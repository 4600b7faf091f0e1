"""The labels table at one version."""

from brierlake.jobs.run import Run
from brierlake.lakehouse.tables import Pin, pin_table


def pin_labels(run: Run, *, features: Pin | None = None) -> Pin | None:
    """Returns the labels table at one version; null: the config has no labels.

    Args:
        features: The features that are pinned already, for labels that are beside them; null: the latest version.
    """
    labels = run.config.labels
    if labels is None:
        return None
    if features is not None and labels.table is None:
        return features
    table = run.silver(labels.table or run.config.features.table)
    return pin_table(run.spark, table, setting="labels.table")
