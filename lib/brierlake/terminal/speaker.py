"""Lines of progress on stderr: text for people, or one JSON object a line for machines."""

import json
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from brierlake.redaction import redacted

_SPARSE_SECONDS = 30.0


@dataclass
class Speaker:
    """Says what a run is doing. Called with a line, it says that line; `passing` is for what the next line replaces."""

    is_quiet: bool = False
    is_json: bool = False
    """One JSON object a line, with time, run_id and message."""
    run_id: str | None = None
    _said_at: float = field(default=0.0, repr=False)
    _has_passing: bool = field(default=False, repr=False)

    def __call__(self, line: str) -> None:
        if self.is_quiet:
            return
        self._wipe()
        self._said_at = time.monotonic()
        if self.is_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            said = {"time": at, "run_id": self.run_id, "message": redacted(line)}
            print(json.dumps(said), file=sys.stderr, flush=True)  # noqa: T201
        else:
            Console(stderr=True, highlight=False).print(
                Text.assemble(("·", "dim"), f" {redacted(line)}"), soft_wrap=True
            )

    def passing(self, line: str) -> None:
        """Say how far something has come: again and again in the same line on a terminal, now and then in a log."""
        if self.is_quiet:
            return
        if self.is_json or not sys.stderr.isatty():
            if time.monotonic() - self._said_at >= _SPARSE_SECONDS:
                self(line)
            return
        self._wipe()
        width = Console(stderr=True).width - 4
        sys.stderr.write(f"· {redacted(line)[:width]}")
        sys.stderr.flush()
        self._has_passing = True

    def hush(self) -> None:
        """Take away what is passing."""
        self._wipe()

    def of_run(self, run_id: str) -> "Speaker":
        """The same voice, whose lines carry a run's id."""
        return replace(self, run_id=run_id)

    def _wipe(self) -> None:
        if self._has_passing:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._has_passing = False
