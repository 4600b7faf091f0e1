"""The `brierlake` command."""

import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TextIO, cast

import click
from rich.console import Console
from rich.text import Text

from brierlake import __version__
from brierlake.config import Config
from brierlake.configfile import read_config
from brierlake.errors import BrierlakeError, ConfigError, GateError, first_line
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
_FROM = click.option("--from", "start", metavar="TIME", help="First window, inclusive: a date or UTC timestamp.")
_TO = click.option("--to", "end", metavar="TIME", help="End of the windows, exclusive.")
_INCREMENTAL = click.option(
    "--incremental", "is_incremental", is_flag=True, help="Only the windows that the features' change data feed names."
)
_BY = click.option(
    "--by", type=click.Choice(["month"]), help="Fill --from to --to a month at a time; goes on where it stopped."
)
_FORCE = click.option("--force", "is_forced", is_flag=True, help="Take every window of the scope as out of date.")
_ACCEPT = click.option(
    "--accept", "is_accepted", is_flag=True, help="Publish what the gates hold back; who did it is recorded."
)
_JSON = click.option("--json", "is_json", is_flag=True, help="Print one JSON summary instead of text.")
_QUIET = click.option("--quiet", "is_quiet", is_flag=True, help="No progress lines.")
_LOG_JSON = click.option("--log-json", "is_log_json", is_flag=True, help="Progress as JSON lines with the run's id.")
_SUMMARY_TO = click.option(
    "--summary-to", metavar="URI", help="Leave the JSON summary there too, for a scheduler that sees no output."
)
_DEBUG = click.option("--debug", "is_debug", is_flag=True, help="Tracebacks, and all that Spark and MLflow say.")
_EMPTY = click.option("--allow-empty", "is_empty_allowed", is_flag=True, help="An empty scope is no mistake.")


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


def _outputs(command: Callable[P, None]) -> Callable[P, None]:
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
            _fail(terminal, str(error), code=error.exit_code)
        except Exception as error:
            _fail(terminal, f"Unexpected {type(error).__name__}: {first_line(error)} (more with --debug)", code=1)

    return _JSON(_SUMMARY_TO(_QUIET(_LOG_JSON(_DEBUG(wrapped)))))


def _fail(terminal: Terminal, message: str, *, code: int) -> None:
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


def _configured(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config and --set, and hand over the config that they make."""

    @wraps(command)
    def wrapped(*, config_path: str, overrides: tuple[str, ...], **options: Any) -> None:
        command(read_config(config_path, overrides=overrides), **options)

    return _CONFIG(_SET(_outputs(wrapped)))


def _hush() -> None:
    warnings.simplefilter("ignore")
    for name in ("mlflow", "alembic", "py4j", "pyspark"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # says every SQL error a second time, with the query and a page of Java
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="brierlake")
def main() -> None:
    """Score Delta tables with the best registered MLflow model, and hold every probability to account."""


# each command imports its own room: --help mustn't wait for Spark


@main.command()
@_FROM
@_TO
@_INCREMENTAL
@_BY
@_FORCE
@_EMPTY
@_ACCEPT
@_configured
def score(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_incremental: bool,
    by: str | None,
    is_forced: bool,
    is_empty_allowed: bool,
    is_accepted: bool,
    terminal: Terminal,
) -> None:
    """Score the windows that need it, publish them, and diagnose."""
    from brierlake.commands.score import score as run

    summary = run(
        config,
        start=start,
        end=end,
        is_incremental=is_incremental,
        by=by,
        is_forced=is_forced,
        is_empty_allowed=is_empty_allowed,
        is_accepted=is_accepted,
        say=terminal.say,
        is_debug=terminal.is_debug,
    )
    terminal.show(summary)


@main.command()
@_FROM
@_TO
@_INCREMENTAL
@_EMPTY
@_configured
def plan(
    config: Config,
    *,
    start: str | None,
    end: str | None,
    is_incremental: bool,
    is_empty_allowed: bool,
    terminal: Terminal,
) -> None:
    """Say which version would score which windows, and write nothing."""
    from brierlake.commands.plan import plan as run

    summary = run(
        config,
        start=start,
        end=end,
        is_incremental=is_incremental,
        is_empty_allowed=is_empty_allowed,
        say=terminal.say,
        is_debug=terminal.is_debug,
    )
    terminal.show(summary)


@main.command()
@_FROM
@_TO
@_FORCE
@click.option("--as-of", metavar="TIME", help="Answer by the labels known then (UTC), and write nothing.")
@_configured
def diagnose(
    config: Config, *, start: str | None, end: str | None, is_forced: bool, as_of: str | None, terminal: Terminal
) -> None:
    """Diagnose the predictions by the labels known so far."""
    from brierlake.commands.diagnose import diagnose as run

    say, is_debug = terminal.say, terminal.is_debug
    terminal.show(run(config, start=start, end=end, is_forced=is_forced, as_of=as_of, say=say, is_debug=is_debug))


@main.command()
@click.option("--retain-days", default=7, show_default=True, help="Versions of the last days stay readable.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say how many files there are.")
@_configured
def maintain(config: Config, *, retain_days: int, is_dry_run: bool, terminal: Terminal) -> None:
    """Put small files of the job's own tables together, and remove what is no longer needed."""
    from brierlake.commands.maintain import maintain as run

    say, is_debug = terminal.say, terminal.is_debug
    terminal.show(run(config, retain_days=retain_days, is_dry_run=is_dry_run, say=say, is_debug=is_debug))


@main.command()
@click.option("--output", metavar="FILE", help="Where it goes; without it report.path, or JOB-report.html.")
@_configured
def report(config: Config, *, output: str | None, terminal: Terminal) -> None:
    """Write one HTML page from the tables: can the probabilities be trusted, and why (not)."""
    from brierlake.commands.report import report as run

    terminal.show(run(config, output=output, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--most", default=15, show_default=True, type=click.IntRange(min=1), help="How many.")
@_configured
def runs(config: Config, *, most: int, terminal: Terminal) -> None:
    """List the latest runs that wrote something or failed."""
    from brierlake.commands.show import runs as run

    terminal.show(run(config, most=most, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--run", "run_id", metavar="ID", help="The run that looked; without it the last one.")
@_configured
def candidates(config: Config, *, run_id: str | None, terminal: Terminal) -> None:
    """List the versions that were looked at: which one was chosen, and why not the others."""
    from brierlake.commands.show import candidates as run

    terminal.show(run(config, run_id=run_id, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.argument("window")
@_configured
def show(config: Config, *, window: str, terminal: Terminal) -> None:
    """Show what WINDOW (2013-12-31, a month 2013-12, a year 2013) holds, who made it, and what it is worth."""
    from brierlake.commands.show import show as run

    terminal.show(run(config, window=window, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be done, and do nothing.")
@_configured
def promote(config: Config, *, is_dry_run: bool, terminal: Terminal) -> None:
    """Give an alias to the challenger where the comparison supports it; say why or why not."""
    from brierlake.commands.promote import promote as run

    terminal.show(run(config, is_dry_run=is_dry_run, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--model", metavar="NAME/NUMBER", help="Version, also as name@alias; without it the one `score` chooses.")
@_FROM
@click.option("--fit-until", metavar="TIME", help="Maps are fitted before it and tried from it on; else half and half.")
@_TO
@click.option("--picture", metavar="FILE", help="Draw the maps to this SVG file.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be registered, and register nothing.")
@_configured
def recalibrate(
    config: Config,
    *,
    model: str | None,
    start: str | None,
    fit_until: str | None,
    end: str | None,
    picture: str | None,
    is_dry_run: bool,
    terminal: Terminal,
) -> None:
    """Fit maps that mend a version's probabilities, and register the one that later windows prove."""
    from brierlake.commands.recalibrate import recalibrate as run

    summary = run(
        config,
        model=model,
        start=start,
        fit_until=fit_until,
        end=end,
        picture=picture,
        is_dry_run=is_dry_run,
        say=terminal.say,
        is_debug=terminal.is_debug,
    )
    terminal.show(summary)


@main.command()
@click.option("--experiment", required=True, metavar="NAME", help="Experiment whose runs are looked at.")
@click.option("--name", metavar="MODEL", help="Registered model; may hold {model}, {params.x}, {tags.x}.")
@click.option("--filter", "filter_string", default="", metavar="SEARCH", help="Only runs that MLflow's search finds.")
@click.option("--top", type=click.IntRange(min=1), help="Only the best this many under each name.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be registered, and register nothing.")
@_configured
def register(
    config: Config,
    *,
    experiment: str,
    name: str | None,
    filter_string: str,
    top: int | None,
    is_dry_run: bool,
    terminal: Terminal,
) -> None:
    """Register an experiment's runs as model versions; twice registers nothing twice."""
    from brierlake.commands.register import register as run

    summary = run(config, experiment=experiment, name=name, filter_string=filter_string, top=top, is_dry_run=is_dry_run)
    terminal.show(summary)


@main.command()
@click.option(
    "--tracking-uri", metavar="URI", help="MLflow, as in a config: http(s)://…, sqlite:///file.db, databricks."
)
@click.option("--features", metavar="TABLE", help="Table to score: its name, or a whole path or catalog.schema.table.")
@click.option("--labels", metavar="TABLE", help="Table of the outcomes, in the same layer.")
@click.option("--root", metavar="FOLDER", help="Folder or URI of the lakehouse, where --features is a name only.")
@click.option("--catalog", metavar="NAME", help="Catalog instead of a root.")
@click.option("--silver", default="silver", show_default=True, metavar="LAYER", help="Layer that holds the tables.")
@click.option(
    "--model", "names", multiple=True, metavar="NAME", help="Only these registered models; else all that fit."
)
@click.option("--key", multiple=True, metavar="COLUMN", help="Columns that name a row, instead of what is found.")
@click.option("--output", default="my-job.yml", show_default=True, metavar="FILE", help="Config to write.")
@_outputs
def init(
    *,
    tracking_uri: str | None,
    features: str | None,
    labels: str | None,
    root: str | None,
    catalog: str | None,
    silver: str,
    names: tuple[str, ...],
    key: tuple[str, ...],
    output: str,
    terminal: Terminal,
) -> None:
    """Ask the registry and the features table, and write a commented config that works."""
    uri = _asked(tracking_uri, "--tracking-uri", "where MLflow is")
    table = _asked(features, "--features", "the table to score")
    from brierlake.commands.init import init as run

    summary = run(
        tracking_uri=uri,
        features=table,
        labels=labels,
        root=root,
        catalog=catalog,
        silver=silver,
        names=names,
        key=key,
        output=output,
        say=terminal.say,
        is_debug=terminal.is_debug,
    )
    terminal.show(summary)


def _asked(value: str | None, option: str, what: str) -> str:
    """Return what was given, or ask a person for it; where there is no one to answer, that is an error."""
    if value is None and not sys.stdin.isatty():
        raise ConfigError.missing_option(option, what)
    return value if value is not None else str(click.prompt(f"{option} ({what})", err=True))


@main.command()
@click.option("--folder", default="brierlake-demo", show_default=True, metavar="DIR", help="Where everything goes.")
@_outputs
def demo(*, folder: str, terminal: Terminal) -> None:
    """Build a lakehouse of 336,776 real flights, train nine models, score five months and diagnose them."""
    from brierlake.commands.demo import run_demo

    run_demo(Path(folder), say=terminal.say, show=terminal.show, is_debug=terminal.is_debug)


@main.command()
@click.option("--store", type=click.Choice(["s3", "abfs"]), help="With Hadoop's connector to this object store.")
@click.option("--debug", "is_debug", is_flag=True, hidden=True)
def packages(*, store: Literal["s3", "abfs"] | None, is_debug: bool) -> None:
    """Print what `spark-submit --packages` needs beside the Spark and Delta that are installed here."""
    from brierlake.installed import find_packages

    try:
        click.echo(",".join(find_packages(store)))
    except BrierlakeError as error:
        _fail(Terminal(is_json=False, is_debug=is_debug, say=Speaker(is_quiet=True)), str(error), code=error.exit_code)
