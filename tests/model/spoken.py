from pyspark.sql import DataFrame

from brierlake.model import ISSUE, PROBABILITY


def spoken(scored: DataFrame) -> DataFrame:
    """Gives the two columns that `with_predictions` adds the names that they have in the predictions table."""
    return scored.withColumnsRenamed({PROBABILITY: "probability", ISSUE: "issue"})
