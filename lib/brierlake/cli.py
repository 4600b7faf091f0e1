"""The `brierlake` command."""

import sys
from pathlib import Path
from typing import Literal

import click

from brierlake import __version__
from brierlake.config import Config
from brierlake.errors import BrierlakeError, ConfigError
from brierlake.invocation import (
    ACCEPT,
    BY,
    EMPTY,
    FORCE,
    FROM,
    INCREMENTAL,
    TO,
    Terminal,
    fail,
    with_config,
    with_outputs,
)
from brierlake.terminal.speaker import Speaker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="brierlake")
def main() -> None:
    """Score Delta tables with the best registered MLflow model, and hold every probability to account."""


# each command imports its own room: --help mustn't wait for Spark


@main.command()
@FROM
@TO
@INCREMENTAL
@BY
@FORCE
@EMPTY
@ACCEPT
@with_config
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
@FROM
@TO
@INCREMENTAL
@EMPTY
@with_config
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
@FROM
@TO
@FORCE
@click.option("--as-of", metavar="TIME", help="Answer by the labels known then (UTC), and write nothing.")
@with_config
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
@with_config
def maintain(config: Config, *, retain_days: int, is_dry_run: bool, terminal: Terminal) -> None:
    """Put small files of the job's own tables together, and remove what is no longer needed."""
    from brierlake.commands.maintain import maintain as run

    say, is_debug = terminal.say, terminal.is_debug
    terminal.show(run(config, retain_days=retain_days, is_dry_run=is_dry_run, say=say, is_debug=is_debug))


@main.command()
@click.option("--output", metavar="FILE", help="Where it goes; without it report.path, or JOB-report.html.")
@with_config
def report(config: Config, *, output: str | None, terminal: Terminal) -> None:
    """Write one HTML page from the tables: can the probabilities be trusted, and why (not)."""
    from brierlake.commands.report import report as run

    terminal.show(run(config, output=output, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--most", default=15, show_default=True, type=click.IntRange(min=1), help="How many.")
@with_config
def runs(config: Config, *, most: int, terminal: Terminal) -> None:
    """List the latest runs that wrote something or failed."""
    from brierlake.commands.show import runs as run

    terminal.show(run(config, most=most, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--run", "run_id", metavar="ID", help="The run that looked; without it the last one.")
@with_config
def candidates(config: Config, *, run_id: str | None, terminal: Terminal) -> None:
    """List the versions that were looked at: which one was chosen, and why not the others."""
    from brierlake.commands.show import candidates as run

    terminal.show(run(config, run_id=run_id, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.argument("window")
@with_config
def show(config: Config, *, window: str, terminal: Terminal) -> None:
    """Show what WINDOW (2013-12-31, a month 2013-12, a year 2013) holds, who made it, and what it is worth."""
    from brierlake.commands.show import show as run

    terminal.show(run(config, window=window, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be done, and do nothing.")
@with_config
def promote(config: Config, *, is_dry_run: bool, terminal: Terminal) -> None:
    """Give an alias to the challenger where the comparison supports it; say why or why not."""
    from brierlake.commands.promote import promote as run

    terminal.show(run(config, is_dry_run=is_dry_run, say=terminal.say, is_debug=terminal.is_debug))


@main.command()
@click.option("--model", metavar="NAME/NUMBER", help="Version, also as name@alias; without it the one `score` chooses.")
@FROM
@click.option("--fit-until", metavar="TIME", help="Maps are fitted before it and tried from it on; else half and half.")
@TO
@click.option("--picture", metavar="FILE", help="Draw the maps to this SVG file.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be registered, and register nothing.")
@with_config
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
@with_config
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
@with_outputs
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
@with_outputs
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
        fail(Terminal(is_json=False, is_debug=is_debug, say=Speaker(is_quiet=True)), str(error), code=error.exit_code)
