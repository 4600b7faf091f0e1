"""How a command is called, and how it ends: shared options, text or JSON, errors as one sentence and an exit code."""

import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, ParamSpec, TextIO, cast

import click
from rich.console import Console
from rich.text import Text

from brierlake.configfile import read_config
from brierlake.errors import BrierlakeError, GateError, first_line
from brierlake.redaction import RedactedStream, redacted, redacted_data
from brierlake.summaries import FailedSummary, Summary
from brierlake.terminal.speaker import Speaker
from brierlake.terminal.summary import print_summary

P = ParamSpec("P")

_CONFIG = click.option(
    "--config",
    "config_path",
    default="conf/local.yml",
    show_default=True,
    help="The job's YAML config.",
    metavar="FILE",
)
_SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override: section.key=value.")
FROM = click.option("--from", "start", metavar="TIME", help="First window, inclusive: a date or UTC timestamp.")
TO = click.option("--to", "end", metavar="TIME", help="End of the windows, exclusive.")
INCREMENTAL = click.option(
    "--incremental", "is_incremental", is_flag=True, help="Only the windows that the features' change data feed names."
)
BY = click.option(
    "--by", type=click.Choice(["month"]), help="Fill --from to --to a month at a time; goes on where it stopped."
)
FORCE = click.option("--force", "is_forced", is_flag=True, help="Take every window of the scope as out of date.")
ACCEPT = click.option(
    "--accept", "is_accepted", is_flag=True, help="Publish what the gates hold back; who did it is recorded."
)
_JSON = click.option("--json", "is_json", is_flag=True, help="Print one JSON summary instead of text.")
_QUIET = click.option("--quiet", "is_quiet", is_flag=True, help="No progress lines.")
_LOG_JSON = click.option("--log-json", "is_log_json", is_flag=True, help="Progress as JSON lines with the run's id.")
_SUMMARY_TO = click.option(
    "--summary-to", metavar="URI", help="Leave the JSON summary there too, for a scheduler that sees no output."
)
_DEBUG = click.option("--debug", "is_debug", is_flag=True, help="Tracebacks, and all that Spark and MLflow say.")
EMPTY = click.option("--allow-empty", "is_empty_allowed", is_flag=True, help="An empty scope is no mistake.")


@dataclass(frozen=True)
class Terminal:
    """Where progress and results go."""

    is_json: bool
    is_debug: bool
    say: Speaker
    summary_to: str | None = None

    def show(self, summary: Summary) -> None:
        told = redacted_data(summary.model_dump(mode="json"))
        text = json.dumps(told, sort_keys=True)
        self.deliver(told)
        if self.is_json:
            click.echo(text)
        else:
            print_summary(type(summary).model_validate_json(text), Console(highlight=False))
        if summary.code:
            sys.exit(summary.code)

    def deliver(self, summary: dict[str, Any]) -> None:
        """Leave the summary where --summary-to says: it has its `exit_code`, which a cluster may keep to itself."""
        if self.summary_to is not None:
            text = json.dumps({"exit_code": 0, **summary}, sort_keys=True)
            from brierlake.delivery import deliver

            deliver(f"{text}\n", self.summary_to)


def with_outputs(command: Callable[P, None]) -> Callable[P, None]:
    """Add --json, --quiet and --debug; turn errors into one sentence and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        options = {name: bool(kwargs.pop(name)) for name in ("is_json", "is_quiet", "is_debug", "is_log_json")}
        say = Speaker(is_quiet=options["is_quiet"], is_json=options["is_log_json"])
        where = kwargs.pop("summary_to")
        terminal = Terminal(
            is_json=options["is_json"], is_debug=options["is_debug"], say=say, summary_to=str(where) if where else None
        )
        if not terminal.is_debug:
            _hush()
        kwargs["terminal"] = terminal
        try:
            with redirect_stderr(cast("TextIO", RedactedStream(sys.stderr))):  # what others log and warn of, too
                command(*args, **kwargs)
        except BrierlakeError as error:
            fail(terminal, str(error), code=error.exit_code)
        except Exception as error:
            fail(terminal, f"Unexpected {type(error).__name__}: {first_line(error)} (more with --debug)", code=1)

    return _JSON(_SUMMARY_TO(_QUIET(_LOG_JSON(_DEBUG(wrapped)))))


def fail(terminal: Terminal, message: str, *, code: int) -> None:
    message = redacted(message)
    if terminal.is_debug:
        click.echo(redacted(traceback.format_exc()), err=True)
    status: Literal["held", "failed"] = "held" if code == GateError.exit_code else "failed"
    told = FailedSummary(status=status, exit_code=code, error=message).model_dump()
    try:
        terminal.deliver(told)
    except BrierlakeError as error:
        message = message if str(error) == message else f"{message} (and: {error})"
    if terminal.is_json:
        click.echo(json.dumps(told))
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(("Error:", "bold red"), f" {message}"))
    sys.exit(code)


def with_config(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config and --set, and hand over the config that they make."""

    @wraps(command)
    def wrapped(*, config_path: str, overrides: tuple[str, ...], **options: Any) -> None:
        command(read_config(config_path, overrides=overrides), **options)

    return _CONFIG(_SET(with_outputs(wrapped)))


def _hush() -> None:
    warnings.simplefilter("ignore")
    for name in ("mlflow", "alembic", "py4j", "pyspark"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # says every SQL error a second time, with the query and a page of Java
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
