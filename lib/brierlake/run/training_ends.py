"""What is known of the training data of the versions that a job has scored with."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from brierlake.errors import ModelError
from brierlake.registry import Resolution, connect, read_trained_until
from brierlake.run.ledger import read_served

if TYPE_CHECKING:
    from brierlake.run.context import Run

Trained = Mapping[tuple[str, int], datetime]
"""Until when each version's training data reaches, by its name and number."""


def gather_trained(run: "Run", resolutions: Iterable[Resolution] = ()) -> Trained:
    """Return what these resolutions say, what the registry says of the others, and the ledger where it can't be asked.

    A version of which nothing is known is left out.
    """
    found = {
        (each.model_name, each.model_version): each.trained_until.moment for each in resolutions if each.trained_until
    }
    served = read_served(run.lake.runs, job=run.config.job)
    missing = {version: moment for version, moment in served.items() if version not in found}
    asked: dict[tuple[str, int], datetime] = {}
    try:
        client = connect(run.config.mlflow) if missing else None
        for name, number in missing:
            if client is not None and (known := read_trained_until(client, run.config.model, name, number)):
                asked[name, number] = known.moment
    except ModelError as error:
        run.say(f"Training periods are those of the runs table, for the registry can't be asked: {error}")
    return {**{key: moment for key, moment in missing.items() if moment is not None}, **asked, **found}
