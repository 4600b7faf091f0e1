"""Progress: lines for people, JSON for machines, and what passes."""

import io
import json
import sys

import pytest

from brierlake.terminal import speaker
from brierlake.terminal.speaker import Speaker


class Screen(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_json_lines_carry_the_runs_id(capsys: pytest.CaptureFixture[str]) -> None:
    say = Speaker(is_json=True)
    say("Starting Spark")
    say.of_run("20240101T000000-abc")("Scoring")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each["run_id"], each["message"]) for each in lines] == [
        (None, "Starting Spark"),
        ("20240101T000000-abc", "Scoring"),
    ]
    assert all(each["time"].endswith("+00:00") for each in lines)


def test_what_passes_is_wiped_by_the_next_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    say = Speaker()
    say.passing("1 of 4 tasks")
    say.passing("2 of 4 tasks")
    say("Done")
    assert screen.getvalue().startswith("· 1 of 4 tasks\r\x1b[2K· 2 of 4 tasks\r\x1b[2K")
    assert screen.getvalue().endswith(" Done\n")


def test_a_log_gets_what_passes_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(speaker.time, "monotonic", lambda: clock[0])
    say = Speaker()
    say("Scoring")
    for second in range(65):
        clock[0] = 100.0 + second
        say.passing(f"after {second} s")
    assert capsys.readouterr().err.splitlines() == ["· Scoring", "· after 30 s", "· after 60 s"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    say = Speaker(is_quiet=True)
    say("Scoring")
    say.passing("1 of 4 tasks")
    assert capsys.readouterr().err == ""
