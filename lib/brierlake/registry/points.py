"""Logged values as MLflow hands them out, from the three places it keeps them in."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlflow import MlflowClient

from brierlake.registry.connection import asking
from brierlake.registry.runs import Point, Run

Rule = Literal["last_logged", "last_step"]


@dataclass(frozen=True)
class LoggedPoints:
    """A metric's values that MLflow has linked to one logged model."""

    created: int
    """Milliseconds since 1970, UTC."""
    points: frozenset[Point]


def choose_point(points: Iterable[Point], rule: Rule) -> Point | None:
    """Returns the last value by wall clock, or the one at the highest step; MLflow breaks ties the same way."""
    if rule == "last_logged":
        return max(points, key=lambda point: (point.timestamp, point.step, point.value), default=None)
    return max(points, key=lambda point: (point.step, point.timestamp, point.value), default=None)


def tell_apart(models: Mapping[str, LoggedPoints], steps: Mapping[str, int]) -> dict[str, frozenset[Point]] | None:
    """Returns the values that are each model's own, of several that one run logged; None: they can't be told apart.

    MLflow keeps no record of whether a value was logged for a model by name. Without a name it links the value to the
    first of the models at the value's step, and links what is there already to each model that follows. So a link
    means something only where the models have different steps (checkpoints), or where, leaving out values older than
    the model, every model has values and no two share one.
    """
    own = {model_id: each.points for model_id, each in models.items()}
    if len({steps.get(model_id) for model_id in models}) == len(models):
        return own
    if _are_distinct(own.values()):
        return own
    later = {
        model_id: frozenset(point for point in each.points if point.timestamp >= each.created)
        for model_id, each in models.items()
    }
    return later if _are_distinct(later.values()) else None


def read_linked_points(client: MlflowClient, run: Run, metric: str) -> dict[str, LoggedPoints]:
    """Reads the values linked to each of the models that a run logged; deleted models are left out."""
    found: dict[str, LoggedPoints] = {}
    token: str | None = None
    with asking(client.tracking_uri, f"read the logged models of run {run.run_id}"):
        while True:
            page = client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'", page_token=token)
            found.update({model.model_id: _linked(model, metric) for model in page})
            token = page.token
            if not token:
                return found


def read_model_points(client: MlflowClient, model_id: str, metric: str) -> LoggedPoints:
    """Reads the values linked to a logged model that is from no run."""
    with asking(client.tracking_uri, f"read the logged model {model_id}"):
        return _linked(client.get_logged_model(model_id), metric)


def _linked(model: Any, metric: str) -> LoggedPoints:
    points = (Point(each.value, each.step, each.timestamp) for each in model.metrics or () if each.key == metric)
    return LoggedPoints(created=model.creation_timestamp, points=frozenset(points))


def _are_distinct(sets: Collection[frozenset[Point]]) -> bool:
    return all(sets) and sum(map(len, sets)) == len(frozenset().union(*sets))
