"""Two steps at the same time."""

from threading import Event

import pytest

from brierlake.threads import both


def test_both_run_at_the_same_time_and_give_what_they_found() -> None:
    met = Event()

    def wait() -> str:
        assert met.wait(10), "the other never began"
        return "one"

    def call() -> str:
        met.set()
        return "other"

    assert both(wait, call) == ("one", "other")


def test_the_first_error_is_told_once_both_have_ended() -> None:
    ended = []

    def fail() -> None:
        raise LookupError("first")

    def go_on() -> None:
        ended.append(True)

    with pytest.raises(LookupError, match="first"):
        both(fail, go_on)
    assert ended == [True]
    with pytest.raises(LookupError, match="first"):
        both(go_on, fail)
