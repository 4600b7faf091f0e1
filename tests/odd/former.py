"""A small world whose tables an earlier release has written, kept as an archive beside this file.

    python -m tests.odd.former [ARCHIVE]

makes the archive, by the release that is checked out: run it on the last commit before the format changes. Addresses
are relative to the folder, for the first format's recipe holds the registry's.
"""

import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from pyspark.sql import SparkSession

from brierlake.config import Config, MlflowConfig, SessionConfig
from brierlake.configfile import read_config
from brierlake.lakehouse.windows import Scope
from brierlake.scoring.score_run import score_windows
from brierlake.session import start_session
from tests.world import World, lay_out, log_versions, make_rows

ARCHIVE = Path(__file__).parent / "former_format_1.tar.xz"
_URI = "sqlite:///mlflow.db"


def config_in(folder: Path) -> Config:
    config = read_config(folder / "job.yml")
    return config.model_copy(update={"mlflow": MlflowConfig(tracking_uri=_URI, log_runs=False)})


def read_former_world(spark: SparkSession, folder: Path) -> World:
    """Unpacks the archive into a folder that is the current directory."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        made_in = (folder / "made_in").read_text(encoding="utf-8")
        for table, column in (
            ("runs", "artifact_uri"),
            ("experiments", "artifact_location"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (made_in, str(folder)))
    return World(spark=spark, folder=folder, config=config_in(folder), rows=make_rows())


def main() -> None:
    target = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ARCHIVE
    spark = start_session(SessionConfig(master="local[2]"), app_name="former")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chdir(folder)
        (folder / "store").mkdir()
        log_versions(folder / "store")
        world = lay_out(spark, folder / "store", folder)
        shutil.copytree(folder / "store" / "artifacts", folder / "artifacts")
        score_windows(World(spark=spark, folder=folder, config=config_in(folder), rows=world.rows).run(), scope=Scope())
        (folder / "made_in").write_text(str(folder / "store"), encoding="utf-8")
        shutil.rmtree(folder / "store")
        with tarfile.open(target, "w:xz") as archive:
            for each in sorted(folder.iterdir()):
                archive.add(each, arcname=each.name)


if __name__ == "__main__":
    main()
