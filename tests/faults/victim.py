"""Runs a `brierlake` command in this process and kills the process and its JVM around one of the table writes.

    python -m tests.faults.victim before:1 score --config job.yml     # SIGKILL instead of the first write
    python -m tests.faults.victim after:3 score --config job.yml      # SIGKILL right after the third

Writes are counted where all of them pass, in PySpark: the code under test knows nothing of it.
"""

import os
import signal
import sys
from itertools import count
from typing import Any

from pyspark.sql.readwriter import DataFrameWriter

from brierlake.cli import main


def arm(moment: str) -> None:
    side, _, place = moment.partition(":")
    numbers, save = count(1), DataFrameWriter.save

    def killing(self: DataFrameWriter, *args: Any, **kwargs: Any) -> None:
        is_now = next(numbers) == int(place)
        if is_now and side == "before":
            os.killpg(0, signal.SIGKILL)
        save(self, *args, **kwargs)
        if is_now:
            os.killpg(0, signal.SIGKILL)

    DataFrameWriter.save = killing  # type: ignore[method-assign]


if __name__ == "__main__":
    if sys.argv[1] != "never":
        arm(sys.argv[1])
    main(sys.argv[2:])
