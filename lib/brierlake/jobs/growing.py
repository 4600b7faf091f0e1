"""Which tables of the job will grow, and how: said by `plan`, done by the first run that writes them."""

from brierlake.jobs.plan import Plan
from brierlake.jobs.run import Run
from brierlake.lakehouse.predictions import spec_for
from brierlake.lakehouse.tables import check_table, is_there
from brierlake.schemas import CANDIDATES, CELLS, CLUSTERS, COMPARE, METRICS, RELIABILITY, RUNS, TableSpec


def find_growths(run: Run, plan: Plan) -> dict[str, str]:
    """Returns name of each table that lacks something, and what it gets.

    Raises:
        StorageError: A table is another job's, or can't become what this release writes.
    """
    growths = {}
    for name, (spec, job) in _specs(run, plan).items():
        table = run.gold(name)
        if is_there(run.spark, table) and (growth := check_table(run.spark, table, spec, job=job)):
            growths[table.name] = str(growth)
    return growths


def _specs(run: Run, plan: Plan) -> dict[str, tuple[TableSpec, str | None]]:
    tables, owner = run.config.lakehouse.tables, run.config.job
    predictions = spec_for(run.config.features, plan.features.schema)
    owned = dict.fromkeys((tables.predictions, tables.staged, tables.challengers), (predictions, owner))
    shared = {
        tables.candidates: CANDIDATES,
        tables.cells: CELLS,
        tables.clusters: CLUSTERS,
        tables.metrics: METRICS,
        tables.reliability: RELIABILITY,
        tables.compare: COMPARE,
        tables.runs: RUNS,
    }
    return {**owned, **{name: (spec, None) for name, spec in shared.items()}}
