"""Leaves a text where a scheduler looks for it: in a file here, or at any address that Spark's file systems know."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from brierlake.config import SessionConfig
from brierlake.errors import StorageError, first_line
from brierlake.session import hadoop_path, is_remote, start_session


def deliver(text: str, uri: str) -> None:
    """Write the text whole, over what is there.

    Args:
        uri: A path, or hdfs://…, s3a://…, abfss://…, gs://….

    Raises:
        StorageError: It can't be written there.
        SetupError: There is no Spark session for its file system, and none can be started.
    """
    where = urlsplit(uri)
    try:
        if where.scheme in ("", "file"):
            _write_here(text, Path(unquote(where.path) if where.scheme else uri))
        else:
            _write_there(text, uri)
    except (OSError, Py4JError, PySparkException) as error:
        reason = first_line(getattr(error, "java_exception", None) or error)
        raise StorageError.failed("write the summary to", uri, reason) from error


def _write_here(text: str, path: Path) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        made = Path(file.name)
        try:
            file.write(text)
            file.flush()
            made.chmod(0o644)
            made.replace(path)  # a reader sees the whole of it or what was there
        except OSError:
            made.unlink()
            raise


def _write_there(text: str, uri: str) -> None:
    spark = start_session(SessionConfig(), app_name="brierlake summary")
    if is_remote(spark):
        raise StorageError.failed("write the summary to", uri, "over Spark Connect only a path of this machine will do")
    system, path = hadoop_path(spark, uri)
    stream = system.create(path, True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
