"""The whole demo data, built once."""

import pytest

from brierlake.commands.demo.flights import Flights, build_flights


@pytest.fixture(scope="session")
def flights() -> Flights:
    return build_flights()
