"""Order, ties and copies: no registry is needed for these."""

import itertools

import pytest

from brierlake.config import ModelConfig
from brierlake.registry.ranking import rank_measures
from brierlake.registry.runs import Point
from brierlake.registry.values import Finding, LoggedPoints, Measure, choose_point, tell_apart
from brierlake.registry.versions import Version, origin_of

CONFIG = ModelConfig(names=("a", "b"))
MODEL, RUN = "m-" + "1" * 32, "2" * 32


def measure(label: str, value: float | None, *, origin: str | None = None, fault: str | None = None) -> Measure:
    name, _, number = label.partition("/")
    version = Version(name, int(number), f"run of {label}", f"source of {label}", "READY", {}, origin or label)
    point = None if value is None else Point(value, 3, 1_000)
    return Measure(version, Finding(value, point, "run", fault if value is not None else "metric brier is missing"))


def places(*measures: Measure, direction="min") -> list[tuple[str, int | None, bool]]:
    rows = rank_measures(measures, ModelConfig(names=("a",), direction=direction))
    return [(f"{row.model_name}/{row.model_version}", row.rank, row.is_tied) for row in rows]


def test_version_10_comes_before_9_where_they_tie() -> None:
    assert places(measure("a/9", 0.2), measure("a/10", 0.2)) == [("a/10", 1, True), ("a/9", 2, True)]


def test_ties_go_by_name_before_number() -> None:
    tied = [measure("b/7", 0.2), measure("a/1", 0.2), measure("a/2", 0.3)]
    assert places(*tied) == [("a/1", 1, True), ("b/7", 2, True), ("a/2", 3, False)]


def test_tie_is_exact() -> None:
    assert places(measure("a/1", 0.1 + 0.2), measure("a/2", 0.3)) == [("a/2", 1, False), ("a/1", 2, False)]


def test_direction_max() -> None:
    assert [label for label, _, _ in places(measure("a/1", 0.2), measure("a/2", 0.3), direction="max")] == [
        "a/2",
        "a/1",
    ]


def test_copies_of_one_origin_count_once_and_are_no_tie() -> None:
    rows = rank_measures([measure("b/1", 0.2, origin=MODEL), measure("a/4", 0.2, origin=MODEL)], CONFIG)
    assert [(row.model_name, row.rank, row.is_tied, row.reason) for row in rows] == [
        ("a", 1, False, None),
        ("b", None, False, "copy of a/4"),
    ]


def test_copy_stands_in_for_an_original_that_cant_be_chosen() -> None:
    original = measure("a/4", 0.2, origin=MODEL, fault="its status is PENDING_REGISTRATION")
    assert places(original, measure("b/1", 0.2, origin=MODEL)) == [("b/1", 1, False), ("a/4", None, False)]


def test_refused_origin_takes_its_copies_along() -> None:
    measures = [measure("a/1", 0.1, origin=MODEL), measure("b/1", 0.1, origin=MODEL), measure("a/2", 0.2)]
    rows = rank_measures(measures, CONFIG, refused={MODEL: "it has no signature"})
    assert [(row.model_name, row.rank, row.reason) for row in rows] == [
        ("a", 1, None),
        ("a", None, "it has no signature"),
        ("b", None, "it has no signature"),
    ]


def test_order_of_the_versions_doesnt_matter() -> None:
    measures = [
        measure("a/1", 0.2),
        measure("a/2", 0.2, origin=MODEL),
        measure("b/1", 0.2, origin=MODEL),
        measure("b/2", None),
        measure("a/10", 0.1, fault="its run is FAILED"),
    ]
    assert len({rank_measures(order, CONFIG) for order in itertools.permutations(measures)}) == 1


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        (f"models:/{MODEL}", MODEL),
        (f"models:/{MODEL}/", MODEL),
        (f"mlflow-artifacts:/1/models/{MODEL}/artifacts", MODEL),
        (f"runs:/{RUN}/model", f"runs:/{RUN}/model"),
        (f"runs:/{RUN}/deep/model/", f"runs:/{RUN}/deep/model"),
        (f"mlflow-artifacts:/1/{RUN}/artifacts/model", f"runs:/{RUN}/model"),
        (f"file:///srv/mlruns/1/{RUN}/artifacts/model", f"runs:/{RUN}/model"),
        (f"/srv/mlruns/1/{RUN}/artifacts/deep/model", f"runs:/{RUN}/deep/model"),
        ("s3://bucket/model", "s3://bucket/model"),
        ("models:/other/3", "models:/other/3"),
    ],
)
def test_sources_of_the_same_files_have_one_origin(source: str, origin: str) -> None:
    assert origin_of(source) == origin


def linked(created: int, *points: tuple[float, int, int]) -> LoggedPoints:
    return LoggedPoints(created, frozenset(Point(*point) for point in points))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(linked(0, (0.1, 0, 5)), linked(1, (0.2, 0, 6)), {0.1, 0.2}, id="each has its own"),
        pytest.param(
            linked(0, (0.1, 0, 5)), linked(6, (0.1, 0, 5), (0.2, 0, 7)), {0.1, 0.2}, id="one is older than it"
        ),
        pytest.param(linked(0, (0.1, 0, 5), (0.2, 0, 6)), linked(1), None, id="all linked to the first"),
        pytest.param(linked(0, (0.1, 0, 5)), linked(1, (0.1, 0, 5)), None, id="shared"),
        pytest.param(linked(0), linked(1), None, id="none"),
    ],
)
def test_tell_apart_models_of_one_step(first: LoggedPoints, second: LoggedPoints, expected: set[float] | None) -> None:
    apart = tell_apart({"first": first, "second": second}, {"first": 0, "second": 0})
    assert (apart and {point.value for points in apart.values() for point in points}) == expected


def test_models_of_different_steps_keep_what_is_linked() -> None:
    models = {"first": linked(0, (0.1, 0, 5)), "second": linked(1)}
    assert tell_apart(models, {"first": 0, "second": 7}) == {
        "first": frozenset({Point(0.1, 0, 5)}),
        "second": frozenset(),
    }


def test_no_points_have_no_last() -> None:
    assert choose_point([], "last_logged") is None
