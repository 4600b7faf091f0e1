"""Which windows are stale: the state of the tables decides."""

from dataclasses import replace
from datetime import date

import pytest

from brierlake.lakehouse.predictions import WindowState, find_stale, oldest_version
from brierlake.lakehouse.windows import Window

W1, W2 = date(2024, 1, 1), date(2024, 1, 2)
CURRENT = WindowState(rows=5, run_id="a", recipe="r", features_version=3, is_mixed=False)


@pytest.mark.parametrize(
    ("state", "is_stale"),
    [
        (CURRENT, False),
        (None, True),
        (replace(CURRENT, recipe="other"), True),
        (replace(CURRENT, is_mixed=True), True),
        (replace(CURRENT, rows=4), True),
    ],
)
def test_a_window_is_current_when_it_holds_one_run_of_todays_recipe(state: WindowState | None, is_stale: bool) -> None:  # noqa: FBT001 - a parameter of the test
    states = {W1: state} if state else {}
    assert find_stale({W1: 5}, states, recipe="r", features_version=3, changed_at={}) == ([W1] if is_stale else [])


@pytest.mark.parametrize(
    ("changed_at", "stale"),
    [({}, []), ({W2: 4}, []), ({W1: 3}, []), ({W1: 4}, [W1]), (None, [W1])],
)
def test_newer_features_matter_where_they_changed_the_window_or_nobody_can_tell(
    changed_at: dict[Window, int] | None, stale: list[Window]
) -> None:
    assert find_stale({W1: 5}, {W1: CURRENT}, recipe="r", features_version=4, changed_at=changed_at) == stale


def test_a_window_whose_rows_are_gone_is_stale_and_one_that_never_was_is_not() -> None:
    assert find_stale({W2: 0}, {W1: CURRENT}, recipe="r", features_version=3, changed_at={}) == [W1]


def test_rows_without_a_time_come_last() -> None:
    assert find_stale({None: 1, W2: 1, W1: 1}, {}, recipe="r", features_version=3, changed_at={}) == [W1, W2, None]


def test_the_oldest_version_counts_only_windows_that_may_be_current() -> None:
    states = {W1: CURRENT, W2: replace(CURRENT, features_version=1, recipe="other")}
    assert oldest_version(states, recipe="r") == 3
    assert oldest_version({}, recipe="r") is None
