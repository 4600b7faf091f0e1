"""What is installed here, whether it fits together, and which jars Spark has to fetch: no version is written down."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pyspark
from packaging.requirements import Requirement
from packaging.version import Version
from pyspark.sql import SparkSession

from brierlake.errors import SetupError

Store = Literal["s3", "abfs"]

_OLDEST_SPARK = Version("4.0")
_OLDEST_JAVA, _NEWEST_JAVA_BEFORE_4_2 = 17, 21
_CONNECTORS = {"s3": "hadoop-aws", "abfs": "hadoop-azure"}


def validate_spark(found: str) -> None:
    """Raise SetupError where this Spark is older than what Brierlake is written for.

    Args:
        found: Its version as Spark tells it, `4.1.1` or `4.2.0-SNAPSHOT`.
    """
    if Version(re.match(r"[\d.]*\d|", found).group() or "0") < _OLDEST_SPARK:  # type: ignore[union-attr] # it matches anything
        raise SetupError.old_spark(found, _OLDEST_SPARK.base_version)


def validate_java() -> None:
    """Raise SetupError unless the installed PySpark can start the Java that it will find."""
    newest = _NEWEST_JAVA_BEFORE_4_2 if Version(pyspark.__version__) < Version("4.2") else None
    needed = f"Java {_OLDEST_JAVA} or newer" if newest is None else f"Java {_OLDEST_JAVA} to {newest}"
    spark = ".".join(pyspark.__version__.split(".")[:2])
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise SetupError.no_java(f"no {java}, which JAVA_HOME names" if home else None, spark=spark, needed=needed)
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's own Java
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if found is None:
        raise SetupError.no_java(f"no working Java at {java}", spark=spark, needed=needed)
    number = int(found.group(1))
    if number < _OLDEST_JAVA or (newest is not None and number > newest):
        raise SetupError.no_java(f"Java {number} at {java}", spark=spark, needed=needed)


def delta_package() -> str:
    """Return the Maven coordinate of the Delta that goes with the installed delta-spark and PySpark.

    Raises:
        SetupError: There is no delta-spark, or it is made for another Spark.
    """
    if find_spec("delta") is None:
        raise SetupError.missing_extra("local", "delta-spark")
    from delta import configure_spark_with_delta_pip  # noqa: PLC0415 - a platform with jars of its own has no such package

    _validate_delta()
    builder = configure_spark_with_delta_pip(SparkSession.Builder())
    return str(builder._options["spark.jars.packages"])  # noqa: SLF001 - Delta tells it in no other way


def find_packages(store: Store | None) -> Sequence[str]:
    """Return what `spark-submit --packages` needs: Delta, and Hadoop's connector to an object store."""
    hadoop = [f"org.apache.hadoop:{_CONNECTORS[store]}:{_hadoop_version()}"] if store else []
    return [delta_package(), *hadoop]


def is_distributed() -> bool:
    """Whether this package is installed, not just on this process's path."""
    return installed_version("brierlake") is not None


def _hadoop_version() -> str:
    jars = Path(pyspark.__file__).parent / "jars"
    client = next(iter(jars.glob("hadoop-client-api-*.jar")), None)
    if client is None:
        raise SetupError.no_jars(str(jars))
    return client.stem.rpartition("-")[2]


def _validate_delta() -> None:
    # delta-spark names the Sparks that it is made for from 4.1 on; before, each minor version was made for its own
    found = installed_version("delta-spark")
    if found is None:
        return
    wanted = next((Requirement(each) for each in requires("delta-spark") or () if each.startswith("pyspark")), None)
    limits = wanted.specifier if wanted else None
    if not any(each.operator in ("<", "<=", "==", "~=") for each in limits or ()):
        limits = Requirement(f"pyspark=={'.'.join(found.split('.')[:2])}.*").specifier
    if not limits or not limits.contains(pyspark.__version__, prereleases=True):
        raise SetupError.unfit_delta(found, pyspark.__version__, str(limits))


def installed_version(name: str) -> str | None:
    """Return a package's version; None: it isn't installed as a package (a platform may bring its own on the path)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
