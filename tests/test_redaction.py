"""What is a credential, how it may be written, and what only looks like one."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from brierlake.configfile import read_config, told_config
from brierlake.errors import ConfigError, ModelError
from brierlake.redaction import (
    is_credential,
    note_secret,
    note_secrets,
    redacted,
    redacted_data,
    redacted_record,
    without_login,
)
from tests.test_config import MINIMAL, write


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MLflow at http://me:pw12@h:5000/x. Check", "MLflow at http://***@h:5000/x. Check"),
        ("https://lonetoken@host/p", "https://***@host/p"),
        ("postgresql+psycopg2://u:p/w@ho/db", "postgresql+psycopg2://***@ho/db"),
        ("s3a://AKIA:SK@bucket/x", "s3a://***@bucket/x"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("https://a/b?sig=ab%2F&se=1", "https://a/b?sig=***&se=1"),
        ("https://a/b?X-Amz-Signature=ab&X=1", "https://a/b?X-Amz-Signature=***&X=1"),
        ("jdbc:sqlserver://h:1;user=x;password=abcd;z=1", "jdbc:sqlserver://h:1;user=x;password=***;z=1"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dabcd", "mssql+pyodbc:///?odbc_connect=***"),
        ("sc://h:1/;token=abcd;user_id=x", "sc://h:1/;token=***;user_id=x"),
        ("-Djavax.net.ssl.trustStorePassword=changeit -Dx=1", "-Djavax.net.ssl.trustStorePassword=*** -Dx=1"),
        ("AccountName=a;AccountKey=abc==;End=1", "AccountName=a;AccountKey=***;End=1"),
        ("'Authorization': 'Bearer abc.def'", "'Authorization': 'Bearer ***'"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_what_is_written_like_a_credential(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Log it again with signature=infer_signature(features, predictions)",
        "TOKENIZERS_PARALLELISM=false",
        "rows with id=5; account_key=77",
        "sqlite:////tmp/mlflow.db",
        "fs.s3a.aws.credentials.provider=com.example.Provider",
        "2024-01-30/2024-02-01",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("spark.hadoop.fs.s3a.secret.key", True),
        ("spark.hadoop.fs.s3a.access.key", True),
        ("spark.hadoop.fs.azure.account.key.acct.dfs.core.windows.net", True),
        ("javax.jdo.option.ConnectionPassword", True),
        ("fs.azure.sas.fixed.token", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("MLFLOW_TRACKING_TOKEN", True),
        ("PGPASSWORD", True),
        ("MYSQL_PWD", True),
        ("PWD", False),
        ("OLDPWD", False),
        ("apiKey", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("AWS_SECRETS_PREFIX", False),
        ("TOKEN_TIMEOUT", False),
        ("fs.s3a.aws.credentials.provider", False),
        ("HADOOP_TOKEN_FILE_LOCATION", False),
        ("spark.sql.shuffle.partitions", False),
        ("key", False),
        ("MONKEY", False),
    ],
)
def test_names_of_credentials(name: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_credential(name) is is_one


def test_a_secret_is_known_however_it_is_written() -> None:
    secret = 'pl/nt&d "p@ss\'wörd"'  # noqa: S105 - planted
    note_secret(secret)
    forms = [secret, quote(secret), quote(secret, safe=""), quote(secret, safe="").lower(), json.dumps(secret)]
    assert [redacted(f"<{form}>") for form in forms] == [*["<***>"] * 4, '<"***">']


def test_short_words_count_only_alone_and_plain_values_never() -> None:
    note_secrets({"session.token": "hunt9", "access.key": "true", "a.password": "123", "b.secret": "2024-01-30"})
    assert redacted("hunt9 hunt9r true 123 2024-01-30") == "*** hunt9r true 123 2024-01-30"


def test_the_environments_credentials_are_known_and_its_settings_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted-in-environment")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:planted-for-proxy@proxy:3128")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("PWD", "/home/somebody")
    told = redacted_data({"planted-in-environment": ["planted-for-proxy", ("false", 1, None), "in /home/somebody"]})
    assert told == {"***": ["***", ["false", 1, None], "in /home/somebody"]}


def test_a_link_still_leads_there_without_its_login() -> None:
    assert without_login("https://me:pw12@host:5000/base") == "https://host:5000/base"


def test_a_row_keeps_what_it_is_found_by() -> None:
    note_secret("full")
    record = {"run_id": "full", "scope": "full", "error": "it was full", "table": "s3a://a:b@bucket/full", "rows": 3}
    told = {"run_id": "full", "scope": "full", "error": "it was ***", "table": "s3a://***@bucket/***", "rows": 3}
    assert redacted_record(record, kept=("run_id",)) == told


def test_errors_hold_no_credential_whoever_makes_them() -> None:
    note_secret("planted-in-an-error")
    assert str(ModelError.failed("answer", "http://x:pw12@h", "planted-in-an-error")) == (
        "MLflow at http://***@h could not answer: ***"
    )


SECRETIVE = {
    **MINIMAL,
    "mlflow": {"tracking_uri": "http://me:${BRIERLAKE_TEST_PW}@host:1"},
    "model": {"names": ["m"], "digest": "${BRIERLAKE_TEST_DIGEST}"},
    "lakehouse": {"root": "s3a://${BRIERLAKE_TEST_ACCESS_KEY}:${BRIERLAKE_TEST_SECRET}@bucket/${BRIERLAKE_TEST_STAGE}"},
    "session": {
        "conf": {
            "spark.harmless": "${BRIERLAKE_TEST_HARMLESS}",
            "spark.number": "${BRIERLAKE_TEST_NUMBER}",
            "fs.s3a.secret.key": "planted-literal-key",
            "spark.driver.extraJavaOptions": "-Dx.password=planted-option -Dy=1",
        }
    },
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {
        "PW": "planted-pw",
        "DIGEST": "planted-digest",
        "ACCESS_KEY": "planted-access",
        "SECRET": "planted-secret",
        "STAGE": "production",
        "HARMLESS": "planted-harmless",
        "NUMBER": "17",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"BRIERLAKE_TEST_{name}", value)
    return values


def test_a_told_config_has_references_and_no_values(tmp_path: Path, environment: dict[str, str]) -> None:
    config = read_config(write(tmp_path, SECRETIVE))
    told = json.loads(told_config(config))
    assert "planted" not in json.dumps(told)
    assert told["mlflow"]["tracking_uri"] == "http://***@host:1"
    assert told["model"]["digest"] == "${BRIERLAKE_TEST_DIGEST}"
    assert told["session"]["conf"] == {
        "spark.harmless": "${BRIERLAKE_TEST_HARMLESS}",
        "spark.number": "${BRIERLAKE_TEST_NUMBER}",
        "fs.s3a.secret.key": "***",
        "spark.driver.extraJavaOptions": "-Dx.password=*** -Dy=1",
    }
    assert told["job"] == "j"
    assert config.session.conf["spark.harmless"] == environment["HARMLESS"]
    assert redacted("planted-harmless planted-digest production 17") == "*** *** production 17"


def test_places_and_names_from_the_environment_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIERLAKE_TEST_PLACE", "a-public-place")
    content = {
        **MINIMAL,
        "job": "${BRIERLAKE_TEST_PLACE}",
        "features": {"table": "${BRIERLAKE_TEST_PLACE}", "key": ["id"]},
    }
    told = json.loads(told_config(read_config(write(tmp_path, content))))
    assert (told["job"], told["features"]["table"]) == ("a-public-place", "a-public-place")
    assert redacted("a-public-place") == "a-public-place"


@pytest.mark.parametrize(
    ("content", "overrides"),
    [
        ("job: j\nsession: {conf: {a.password: planted-broken, b: ]}}\n", []),
        ("job: j\nsession: {conf: {a.password: *planted-alias}}\n", []),
        (yaml.safe_dump(MINIMAL), ["session.conf.a.password=[planted-override"]),
        (yaml.safe_dump(MINIMAL), ["nonsense.a=planted-section"]),
        (yaml.safe_dump(MINIMAL), ["model.pin=planted-pin", "model.names=[]", "session.conf.x.token=planted-pin"]),
        (yaml.safe_dump(MINIMAL), ["mlflow.timeout_seconds=planted-timeout"]),
        (yaml.safe_dump(MINIMAL), ["=planted-nothing"]),
    ],
)
def test_a_config_that_is_refused_is_not_quoted(tmp_path: Path, content: str, overrides: list[str]) -> None:
    (tmp_path / "job.yml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "job.yml", overrides=overrides)
    assert "planted" not in str(caught.value)
