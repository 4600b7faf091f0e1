"""Register: the runs of an experiment as versions of the registered models that `score` chooses from."""

from brierlake.config import Config
from brierlake.registry import connect, register_runs
from brierlake.summaries import RegisterSummary


def register(
    config: Config,
    *,
    experiment: str,
    name: str | None = None,
    filter_string: str = "",
    top: int | None = None,
    is_dry_run: bool = False,
) -> RegisterSummary:
    """Register and tell; see `brierlake.registry.register_runs`. Needs no Spark.

    Raises:
        ModelError: No such experiment, a bad filter or name, or MLflow fails.
    """
    rows = register_runs(
        connect(config.mlflow),
        config.model,
        experiment=experiment,
        name=name,
        filter_string=filter_string,
        top=top,
        is_dry_run=is_dry_run,
    )
    count = sum(each.is_registered for each in rows)
    return RegisterSummary(
        job=config.job,
        status="planned" if is_dry_run and count else "published" if count else "unchanged",
        registered_count=count,
        runs=rows,
    )
