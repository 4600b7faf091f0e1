"""Keys of every type, keys that serve as something else too, and what isn't installed as a package."""

import importlib.metadata
from typing import Any

import pytest

from brierlake import installed
from brierlake.errors import ContractError
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.planning import make_plan
from brierlake.scoring.score_run import score_windows
from tests.odd.helpers import recast
from tests.world import PER_DAY, World

pytestmark = pytest.mark.slow  # several whole runs each

ALL = Scope()


def with_features(world: World, **changes: Any) -> World:
    return world.with_config(features=world.config.features.model_copy(update=changes))


@pytest.mark.parametrize(
    "key",
    [
        "CAST(CAST(id AS STRING) AS BINARY)",
        "CAST(id AS DECIMAL(38, 0))",
        "timestamp_micros(id)",
        "CAST(timestamp_micros(id) AS TIMESTAMP_NTZ)",
        "date_add(DATE'0001-01-01', CAST(id AS INT))",
        "CAST(id AS DOUBLE)",
        "concat('ключ ', id, ' [/b] `')",
    ],
)
def test_keys_of_every_type_find_their_labels(world: World, key: str) -> None:
    recast(world, "games", f"{key} AS id, at, x1, x2, team")
    recast(world, "results", f"{key} AS id, y, known_at")
    highest = float(world.rows["x1"].max())
    world.sql(f"UPDATE {world.silver('games').sql} SET x1 = NULL WHERE x1 >= {highest - 1e-9}")
    scored = score_windows(world.run(), scope=ALL)
    assert scored.diagnosis is not None
    assert scored.diagnosis.total["n_rows"] == len(world.rows)
    assert scored.diagnosis.total["n_labelled"] in (3 * PER_DAY, 3 * PER_DAY - 1)
    assert score_windows(world.run(), scope=ALL).status == "unchanged"


def test_a_boolean_among_several_keys_works(world: World) -> None:
    recast(world, "games", "id > 99 AS `ist_groß`, id, at, x1, x2, team")
    recast(world, "results", "id > 99 AS `ist_groß`, id, y, known_at")
    diagnosis = score_windows(with_features(world, key=("ist_groß", "id")).run(), scope=ALL).diagnosis
    assert diagnosis is not None
    assert diagnosis.total["n_labelled"] == 3 * PER_DAY


@pytest.mark.parametrize(
    ("key", "kind"), [("array(id)", "array<bigint>"), ("map('a', id)", "map<string,bigint>"), ("struct(id)", "struct")]
)
def test_keys_that_are_no_single_values_are_refused_by_plan(world: World, key: str, kind: str) -> None:
    recast(world, "games", f"{key} AS id, at, x1, x2, team")
    with pytest.raises(ContractError, match=rf"column `id` is {kind}.*: a key needs single values"):
        make_plan(world.run(), scope=ALL, is_forced=False, is_empty_allowed=False)


@pytest.mark.parametrize(
    ("key", "carry"), [(("sensor", "event_at"), ()), (("sensor", "event_at"), ("event_at", "sensor", "team"))]
)
def test_the_time_may_be_a_part_of_the_key_and_carried_too(
    world: World, key: tuple[str, ...], carry: tuple[str, ...]
) -> None:
    recast(world, "games", "id AS sensor, at AS event_at, x1, x2, team")
    recast(world, "results", "id AS sensor, known_at - INTERVAL 1 DAY AS event_at, y, known_at")
    world = with_features(world, key=key, event_at="event_at", carry=carry)
    slices = ("team",) if carry else ()
    world = world.with_config(diagnostics=world.config.diagnostics.model_copy(update={"slices": slices}))
    diagnosis = score_windows(world.run(), scope=ALL).diagnosis
    assert diagnosis is not None
    assert diagnosis.total["n_labelled"] == 3 * PER_DAY
    assert world.read("predictions").columns.tolist().count("event_at") == 1
    assert score_windows(world.run(), scope=ALL).status == "unchanged"


def test_what_is_not_installed_as_a_package_is_said_so_in_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def on_a_platform(name: str) -> str:
        if name in ("pyspark", "delta-spark"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(installed, "version", on_a_platform)
    assert score_windows(world.run(), scope=ALL).status == "published"
    libraries = dict(world.read("runs")["libraries"].iloc[0])
    assert libraries["delta-spark"] == libraries["pyspark"] == "not installed as a package"
