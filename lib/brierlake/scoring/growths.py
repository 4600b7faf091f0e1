"""Which tables of the job will grow, and how: said by `plan`, done by the first run that writes them."""

from brierlake.lakehouse.creating import check_table
from brierlake.lakehouse.lake import Lake
from brierlake.lakehouse.predictions import spec_for
from brierlake.lakehouse.tables import is_there
from brierlake.schemas import SHARED_TABLES
from brierlake.scoring.planning import Plan


def find_growths(lake: Lake, plan: Plan, *, job: str) -> dict[str, str]:
    """Return the name of each table that lacks something, and what it gets.

    Raises:
        StorageError: A table is another job's, or can't become what this release writes.
    """
    own = spec_for(plan.features.config, plan.features.schema)
    growths = {}
    for role, table in lake.written.items():
        spec, owner = (SHARED_TABLES[role], None) if role in SHARED_TABLES else (own, job)
        if is_there(table) and (growth := check_table(table, spec, job=owner)):
            growths[table.name] = str(growth)
    return growths
