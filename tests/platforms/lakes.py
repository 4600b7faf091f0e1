"""The flights job with its lake in an object store: filled, scored twice, and compared with a run in a folder."""

import re
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brierlake.installed import Store
from tests.cluster.conftest import KEYS, Flights
from tests.cluster.processes import ROOT, clean_environment, submit_command, submitted, summary_in

_HERE = Path(__file__).parent
_PATIENCE_SECONDS = 480  # two cores that do other work too


@dataclass(frozen=True)
class Lake:
    """A place in a store, and how spark-submit gets there."""

    root: str
    properties: str
    conf: Mapping[str, str]
    python: str
    store: Store | None = None

    def submit(self, *arguments: str, flights: Flights, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs spark-submit to its end: a process that stays is a failure."""
        command = submit_command(
            *arguments,
            master="local[2]",
            python=self.python,
            conf=self.conf,
            properties=self.properties,
            store=self.store,
        )
        environment = clean_environment(**{**flights.variables, "BRIERLAKE_LAKE": self.root, **variables})
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )

    def score(self, *arguments: str, flights: Flights) -> tuple[int, dict[str, Any]]:
        """Returns the exit code and the summary."""
        command = ("jobs/score.py", "--config", "conf/cluster.yml", "--json", "--quiet", *arguments)
        done = self.submit(*command, flights=flights)
        return done.returncode, summary_in(done.stdout)

    def with_conf(self, **changes: str) -> "Lake":
        return replace(self, conf={**self.conf, **changes})


def score_as_in_a_folder(lake: Lake, flights: Flights, *, layer: str) -> None:
    """Fills the lake, scores it, scores it again, and looks at what came out."""
    local = flights.folder / "lake"
    copy = str(_HERE / "copy_tables.py")
    done = lake.submit(copy, str(local / "silver"), f"{lake.root}/silver", "flights", "arrivals", flights=flights)
    assert done.returncode == 0, done.stderr[-4000:]
    code, summary = lake.score(flights=flights)
    assert (code, summary["status"], summary["rows_in"], summary["rows_with_issue"]) == (0, "published", 240, 0)
    code, summary = lake.score(flights=flights)
    assert (code, summary["status"]) == (0, "unchanged")
    done = lake.submit(copy, f"{lake.root}/gold", str(local / layer), *KEYS, flights=flights)
    assert done.returncode == 0, done.stderr[-4000:]
    flights.assert_same_as_local(layer, is_copied=True)


def race(lake: Lake, flights: Flights, folder: Path, *, log_store: str, commits: int = 25) -> list[dict[str, Any]]:
    """Lets three drivers write the same commits at once; returns what each says of it."""
    with ExitStack() as stack:
        jobs = []
        for name in ("a", "b", "c"):
            (folder / name).mkdir()
            jobs.append(
                stack.enter_context(
                    submitted(
                        *(str(_HERE / "commit_race.py"), f"{lake.root}/race/_delta_log", log_store, str(commits)),
                        *(name, str(folder)),
                        master="local[1]",
                        python=lake.python,
                        environment=clean_environment(**flights.variables),
                        folder=folder / name,
                        conf=lake.conf,
                        properties=lake.properties,
                        store=lake.store,
                    )
                )
            )
        return [job.finish() for job in jobs]


def assert_exclusive(racers: list[dict[str, Any]], *, commits: int = 25) -> None:
    assert sorted(version for each in racers for version in each["won"]) == list(range(commits))
    assert all(each["kept"] == each["won"] for each in racers)
    assert {loss for each in racers for loss in each["losses"]} == {"java.nio.file.FileAlreadyExistsException"}


def assert_refused(answer: tuple[int, dict[str, Any]], *, code: int, words: str) -> None:
    """One sentence, the right exit code, and no class of Java's."""
    found, summary = answer
    assert found == code == summary["exit_code"], summary
    assert re.search(words, summary["error"]), summary["error"]
    assert "\n" not in summary["error"]
    assert len(summary["error"]) < 700
