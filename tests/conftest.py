"""What all tests share: one local Spark session with Delta, started the way a user's is."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.session import start_session
from tests.once import one_at_a_time
from tests.quick import FAST_TO_START


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    # two workers that fetch Delta's jars at once would spoil each other's
    with one_at_a_time(Path(tempfile.gettempdir()) / "brierlake-tests.lock"):
        session = start_session(SessionConfig(master="local[2]", conf=FAST_TO_START), app_name="brierlake-tests")
    yield session
    session.stop()


_OUTSIDE = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}


@pytest.fixture(autouse=True)
def _mlflow_as_it_was() -> Iterator[None]:
    """Undoes what connecting to a store sets for the whole process; what a session's fixture left goes too."""
    forget_mlflow()
    yield
    forget_mlflow()


def forget_mlflow() -> None:
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    for name in [each for each in os.environ if each.startswith("MLFLOW_") and each not in _OUTSIDE]:
        del os.environ[name]
    os.environ.update(_OUTSIDE)


pytest_plugins = ["tests.world"]
