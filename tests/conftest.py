"""What all tests share: one local Spark session with Delta, started the way a user's is."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.session import start_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = start_session(SessionConfig(master="local[2]"), app_name="brierlake-tests")
    yield session
    session.stop()
