"""The one place that builds a SparkSession. A session that is there already is taken as it is."""

import atexit
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pyspark
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

import brierlake
from brierlake.config import LakehouseConfig, SessionConfig
from brierlake.errors import SetupError, first_line
from brierlake.installed import delta_package, is_distributed, validate_java, validate_spark
from brierlake.names import quoted_name

_SPARK_SHIPS = (
    "org.apache.hadoop:*,com.fasterxml.jackson.core:*,com.fasterxml.jackson.datatype:*,org.apache.parquet:*,"
    "org.apache.logging.log4j:*,io.unitycatalog:*,org.slf4j:*,org.xerial.snappy:*,commons-logging:*,"
    "com.github.luben:*,io.airlift:*,org.roaringbitmap:*,commons-pool:*,com.google.code.findbugs:*,"
    "javax.annotation:*,org.locationtech.jts:*"
)
_DELTA_CONF = {
    "spark.jars.excludes": _SPARK_SHIPS,
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
_FAST_CONF = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",  # false before 4.2
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    "spark.sql.execution.arrow.maxBytesPerBatch": "33554432",  # what counts where rows are wide
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "64m",
    "spark.sql.execution.arrow.localRelationThreshold": "1048576",  # the planner evaluates these row by row
    "spark.sql.codegen.cache.maxEntries": "1000",  # with the hundred that Spark keeps a first run takes longer
}
_LOCAL_CONF = {
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",  # G1 takes an eighth more time on few cores
    "spark.databricks.delta.vacuum.parallelDelete.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "2g",
}
_EXCLUSIVE = ("file", "hdfs", "viewfs", "abfs", "abfss", "wasb", "wasbs", "adl", "gs", "dbfs")
"""Where of two writers of one file, or of two renames to one name, one fails."""
_PACKAGES = "spark.jars.packages"
_CONNECT_PORT = 15002
_PATIENCE_SECONDS = 15
_SUBMITTED = "PYSPARK_GATEWAY_PORT"


def start_session(config: SessionConfig, *, app_name: str, is_debug: bool = False) -> SparkSession:
    """Return the session that this process has, no matter who made it and in which thread; else starts one.

    A session that is there already (a notebook, a managed runtime) gets no setting and no package. Under spark-submit
    the session gets its settings from there. Otherwise local settings fit for a laptop apply, then the config's
    `session.conf`. Executors elsewhere get this package from here.

    Raises:
        SetupError: No usable Java, Spark or Delta, Delta's jars can't be had, or Spark doesn't start.
    """
    spark = _session(config, app_name=app_name, is_debug=is_debug)
    _ship_package(spark)
    return spark


def _session(config: SessionConfig, *, app_name: str, is_debug: bool) -> SparkSession:
    there = _find_session()
    if there is not None:
        return _with_delta(there)
    validate_spark(pyspark.__version__)
    if config.remote:
        validate_remote(config.remote)
        return _started(SparkSession.builder.remote(config.remote).appName(app_name), config.conf)
    if _SUBMITTED in os.environ:
        return _with_delta(_started(SparkSession.builder.appName(app_name), config.conf))
    validate_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = config.master or "local[*,4]"  # local masters try a failed task again only when told to
    conf = {**_DELTA_CONF, **_FAST_CONF, **(_LOCAL_CONF if master.startswith("local") else {}), **config.conf}
    if not {"spark.jars", _PACKAGES} & config.conf.keys():
        conf[_PACKAGES] = delta_package()
    with _noise_aside(is_shown=is_debug) as noise:
        try:
            return _with_delta(_started(SparkSession.builder.master(master).appName(app_name), conf))
        except SetupError as error:
            noise.seek(0)
            missing = re.search(
                r"unresolved dependency: (\S+?)#(\S+?);([^\s:]+)", noise.read().decode(errors="replace")
            )
            if missing:
                raise SetupError.no_delta_jars(":".join(missing.groups())) from error
            raise


_INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.localRelationThreshold": "1048576",
}
"""A run on a few rows spends a third of its time on compiling and re-planning each query."""


class Pace:
    """Whether Spark compiles its plans, which pays for many rows, or interprets them, which is sooner done for few."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._before: dict[str, str | None] = {}

    @contextmanager
    def interpreting(self) -> Iterator[None]:
        """Interpret until `compile` is called, or this ends; a platform that doesn't allow it goes on as it is."""
        with suppress(PySparkException, Py4JError):
            for name, value in _INTERPRETED.items():
                before = self._spark.conf.get(name, None)
                self._spark.conf.set(name, value)
                self._before[name] = before
        try:
            yield
        finally:
            self.compile()

    def compile(self) -> None:
        """Go back to what the session does."""
        while self._before:
            name, value = self._before.popitem()
            with suppress(PySparkException, Py4JError):
                self._spark.conf.unset(name) if value is None else self._spark.conf.set(name, value)


def _find_session() -> SparkSession | None:
    try:
        return SparkSession.active()  # the process's own too, where another thread made it
    except PySparkException:
        return None


def validate_remote(address: str) -> None:
    """Raise SetupError unless a server listens there; Spark's own client would try for ten minutes."""
    if find_spec("grpc") is None:
        raise SetupError.missing_extra("connect", "grpcio")
    where = urlsplit(address)
    if where.scheme != "sc":
        return  # local[2] starts a server of its own
    try:
        socket.create_connection((where.hostname or "", where.port or _CONNECT_PORT), _PATIENCE_SECONDS).close()
    except OSError as error:
        raise SetupError.unreachable(address.partition("/;")[0], str(error)) from error


def _started(builder: SparkSession.Builder, conf: Mapping[str, str]) -> SparkSession:
    for name, value in conf.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise SetupError.no_session(first_line(error)) from error


def _with_delta(spark: SparkSession) -> SparkSession:
    validate_spark(spark.version)
    if is_databricks():
        return spark  # which has Delta, and on serverless hides such settings
    if "delta" not in str(spark.conf.get("spark.sql.catalog.spark_catalog", "")).lower():
        raise SetupError.no_delta_session()
    return spark


def is_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def _ship_package(spark: SparkSession) -> None:
    """Let executors import brierlake: functions that run there are pickled by name."""
    if not Path(brierlake.__file__).parent.is_dir():
        return  # it came in a zip by --py-files, which executors have too
    if is_distributed() and (is_databricks() or (not is_remote(spark) and _is_local(spark))):
        return  # what is installed for a notebook there, executors have
    if is_remote(spark):
        spark.addArtifacts(_package_zip(), pyfile=True)
    else:
        spark.sparkContext.addPyFile(_package_zip())


def _is_local(spark: SparkSession) -> bool:
    return str(spark.conf.get("spark.master")).startswith("local")


def storage_warning(spark: SparkSession, location: str | None) -> str | None:
    """Say where two drivers that write one table could lose a commit: where the store doesn't make one exclusive.

    Args:
        location: The lakehouse's root; None: not known.
    """
    scheme, is_uri, _ = (location or "").partition("://")
    if not is_uri or scheme in _EXCLUSIVE or is_databricks():
        return None
    if spark.conf.get(f"spark.delta.logStore.{scheme}.impl", ""):
        return None
    return (
        f"On {scheme}:// only one Spark driver may write a table at a time: of two, one could lose a commit without an "
        "error. Let one scheduler run the jobs in turn, or name a log store (conf/spark-s3.conf says more)"
    )


def find_location(spark: SparkSession, config: LakehouseConfig) -> str | None:
    """Return where the gold layer is; None where its catalog doesn't say."""
    if config.root is not None:
        return config.root
    layer = ".".join(quoted_name(part) for part in (config.catalog or "", config.gold))
    try:
        facts = {row["info_name"]: row["info_value"] for row in spark.sql(f"DESCRIBE SCHEMA {layer}").collect()}
    except (PySparkException, Py4JError):
        return None  # whether it is there is asked where a table is
    return facts.get("Location")


def hadoop_path(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    """Return Hadoop's file system of an address, and the path in it; not over Spark Connect, which has no JVM here.

    Raises:
        Py4JError: There is no such file system.
    """
    gateway: Any = spark
    path = gateway._jvm.org.apache.hadoop.fs.Path(uri)  # noqa: SLF001 - Spark shows its file systems in no other way
    return path.getFileSystem(gateway._jsparkSession.sessionState().newHadoopConf()), path  # noqa: SLF001


def is_remote(spark: SparkSession) -> bool:
    """Whether this is a Spark Connect session, which has no JVM and no SparkContext here."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


@cache
def _package_zip() -> str:
    folder = tempfile.mkdtemp(prefix="brierlake-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    package, path = Path(brierlake.__file__).parent, Path(folder) / f"brierlake-{brierlake.__version__}.zip"
    with ZipFile(path, "w") as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(package.parent))
    return str(path)


@contextmanager
def _noise_aside(*, is_shown: bool) -> Iterator[IO[bytes]]:
    """What the JVM that is started meanwhile writes, now and later, goes to a file that isn't kept, or to stderr.

    Its stdout too, where VACUUM says what it has deleted: ours belongs to the summary.
    """
    with tempfile.TemporaryFile() as noise:
        target = 2 if is_shown else noise.fileno()
        with _pointed(1, at=target), _pointed(2, at=target):
            yield noise


@contextmanager
def _pointed(descriptor: int, *, at: int) -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = os.dup(descriptor)
    os.dup2(at, descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
