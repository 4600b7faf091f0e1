"""What all tests share: one local Spark session with Delta, started the way a user's is."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.session import start_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    # a thousand tiny jobs: compiling them well costs more than it saves
    fast = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    session = start_session(SessionConfig(master="local[2]", conf=fast), app_name="brierlake-tests")
    yield session
    session.stop()


pytest_plugins = ["tests.world"]
