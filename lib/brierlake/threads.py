"""Steps that don't depend on each other, at the same time: much of a small step is waiting for the other side."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


def both(first: Callable[[], One], second: Callable[[], Other]) -> tuple[One, Other]:
    """Return what both give; where one fails, its error once the other has ended, the first's before the second's."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(second)
        found = first()
        return found, waiting.result()
