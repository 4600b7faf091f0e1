"""What the platform tests share with those of clusters."""

import pytest

from tests.cluster.conftest import bare_python, flights

__all__ = ["bare_python", "flights"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "platforms" in item.path.parts:
            item.add_marker(pytest.mark.slow)
