"""Statistics are tested as users compute them: by the code that Spark generates."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from tests.quick import COMPILED, INTERPRETED


@pytest.fixture(autouse=True)
def _compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    if "spark" not in request.fixturenames:
        yield
        return
    spark: SparkSession = request.getfixturevalue("spark")
    for name, value in COMPILED.items():
        spark.conf.set(name, value)
    yield
    for name, value in INTERPRETED.items():
        spark.conf.set(name, value)
