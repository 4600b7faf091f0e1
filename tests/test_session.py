"""Java that is missing or too old, and sessions that are there already."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from brierlake.config import SessionConfig
from brierlake.errors import SetupError
from brierlake.installed import delta_package, validate_java, validate_spark
from brierlake.session import Pace, start_session, storage_warning, validate_remote


def fake_java(folder: Path, version: str) -> None:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", encoding="utf-8")
    java.chmod(java.stat().st_mode | stat.S_IEXEC)


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.21", "16"])
def test_an_old_java_is_refused_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=r"needs Java 17 (or newer|to 21) and found Java \d+ .*Install a JDK"):
        validate_java()


@pytest.mark.parametrize("version", ["17.0.15", "21"])
def test_a_new_java_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    validate_java()


@pytest.mark.parametrize(
    ("spark", "words"), [("4.0.1", "Spark 4.0 needs Java 17 to 21 and found Java 25"), ("4.2.0", None)]
)
def test_a_java_that_is_too_new_for_this_spark_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spark: str, words: str | None
) -> None:
    fake_java(tmp_path, "25.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(pyspark, "__version__", spark)
    if words is None:
        validate_java()
    else:
        with pytest.raises(SetupError, match=words):
            validate_java()


@pytest.mark.parametrize("version", ["3.5.6", "3.5.6-amzn-0"])
def test_a_spark_that_is_too_old_is_refused_by_name(version: str) -> None:
    with pytest.raises(SetupError, match=rf"This is Spark {version}, and Brierlake needs Spark 4.0 or newer"):
        validate_spark(version)


@pytest.mark.parametrize("version", ["4.0.0", "4.1.1.5.2", "4.2.0-SNAPSHOT", "5.0.0-preview1", "4.0"])
def test_other_sparks_pass_however_a_platform_calls_them(version: str) -> None:
    validate_spark(version)


def test_a_delta_for_another_spark_is_refused_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspark, "__version__", "9.9.0")
    with pytest.raises(
        SetupError, match=r"delta-spark .* is made for PySpark .*4\.0.*, and PySpark 9\.9\.0 is installed"
    ):
        delta_package()


def test_no_java_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="needs Java 17 (or newer|to 21) and found none"):
        validate_java()


def test_a_java_home_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(SetupError, match=r"no .*gone/bin/java, which JAVA_HOME names"):
        validate_java()


def test_the_session_that_is_there_is_taken_as_it_is(spark: SparkSession) -> None:
    before = dict(spark.conf.getAll)
    taken = start_session(SessionConfig(conf={"spark.sql.shuffle.partitions": "99"}), app_name="other")
    assert taken is spark
    assert dict(spark.conf.getAll) == before


def test_another_threads_session_is_taken_as_it_is(spark: SparkSession) -> None:
    before = dict(spark.conf.getAll)
    config = SessionConfig(conf={"spark.sql.shuffle.partitions": "99", "spark.sql.session.timeZone": "Asia/Tokyo"})
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(start_session, config, app_name="other").result()
    assert taken.sparkContext is spark.sparkContext
    assert dict(spark.conf.getAll) == before


def test_without_deltas_settings_a_session_is_refused(spark: SparkSession) -> None:
    name = "spark.sql.catalog.spark_catalog"
    kept = spark.conf.get(name)
    spark.conf.unset(name)
    try:
        with pytest.raises(SetupError, match="has no Delta support"):
            start_session(SessionConfig(), app_name="other")
    finally:
        spark.conf.set(name, str(kept))


@pytest.mark.parametrize(
    ("root", "log_store", "words"),
    [("s3a://b/lake", "", "one Spark driver"), ("s3a://b/lake", "io.delta.storage.Other", None), ("/lake", "", None)],
)
def test_several_writers_on_s3_are_warned_of(spark: SparkSession, root: str, log_store: str, words: str | None) -> None:
    name = "spark.delta.logStore.s3a.impl"
    spark.conf.set(name, log_store)
    try:
        warning = storage_warning(spark, root)
        assert warning is None if words is None else words in str(warning)
    finally:
        spark.conf.unset(name)


def test_a_connect_server_that_is_not_there_is_named_at_once() -> None:
    pytest.importorskip("grpc")
    with pytest.raises(SetupError, match=r"No Spark Connect server answers at sc://127.0.0.1:1 \(.*refused"):
        validate_remote("sc://127.0.0.1:1/;token=secret")


def test_the_extra_that_connect_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SetupError, match=r"brierlake\[connect\]"):
        validate_remote("sc://127.0.0.1:1")


def test_a_python_without_pyspark_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pyspark.py").write_text("raise ModuleNotFoundError(\"No module named 'pyspark'\", name='pyspark')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "brierlake", "score"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": path},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Brierlake needs PySpark 4.0 or newer, and there is none")
    assert "pip install 'brierlake[local]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_small_run_interprets_its_plans_and_leaves_the_session_as_it_was(spark: SparkSession) -> None:
    names = ("spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode")

    def held() -> list[str | None]:
        return [spark.conf.get(name, None) for name in names]

    before, pace = held(), Pace(spark)
    try:
        spark.conf.set(names[0], "true")
        spark.conf.unset(names[1])
        mine = held()
        with pace.interpreting():
            assert held() == ["false", "NO_CODEGEN"]
        assert held() == mine
        with pytest.raises(LookupError), pace.interpreting():
            raise LookupError
        assert held() == mine
        with pace.interpreting():
            pace.compile()
            assert held() == mine
    finally:
        for name, value in zip(names, before, strict=True):
            spark.conf.set(name, value) if value else spark.conf.unset(name)
