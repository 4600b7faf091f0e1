"""Planted credentials: no command lets one out, to the screen, to a table, to the report or to MLflow."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from brierlake.cli import main
from brierlake.configfile import read_config
from tests.registry.mlflow_server import free_port, running_server
from tests.world import World, lay_out

pytestmark = pytest.mark.slow  # whole commands, and a server of its own

PASSWORD = "pl4nted/p@ss:word"  # noqa: S105 - planted
SECRETS = {
    "BRIERLAKE_TEST_HARMLESS": "pl4nted-in-a-harmless-setting",
    "BRIERLAKE_TEST_DIGEST": "pl4nted-digest",
    "AWS_SECRET_ACCESS_KEY": "pl4nted-in-the-environment",
    "MLFLOW_TRACKING_TOKEN": "pl4nted-token",
}
LITERAL = "pl4nted-in-the-file"
MARK = "pl4nted"


@dataclass(frozen=True)
class Planted:
    world: World
    server: Path
    uri: str
    scored: Result | None = None
    looked_at: dict[str, int] = field(default_factory=dict)
    """Commits of each table that were there when its rows were looked at last."""

    def invoke(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*command.split(), "--config", self.world.path, *arguments])

    def written(self) -> Iterator[tuple[str, list[str]]]:
        """Every row of each table that has a new commit as text, and its log as it lies there."""
        for table in sorted((self.world.folder / "lake" / "gold").glob("*")):
            logs = [each.read_text(encoding="utf-8") for each in (table / "_delta_log").glob("*.json")]
            if self.looked_at.get(table.name) != len(logs):
                self.looked_at[table.name] = len(logs)
                rows = self.world.spark.read.format("delta").load(str(table)).toPandas().astype(str)
                yield table.name, [rows.to_csv(), *logs]


def hides(text: str) -> bool:
    return MARK not in text and quote(PASSWORD, safe="") not in text and "p%40ss" not in text and "p@ss" not in text


@pytest.fixture(scope="module")
def planted(spark: SparkSession, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """The world's registry behind a real server, and a job that has scored against it with secrets everywhere."""
    world, folder = lay_out(spark, store, tmp_path_factory.mktemp("planted")), tmp_path_factory.mktemp("server")
    shutil.copy(store / "mlflow.db", folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, running_server(folder) as server:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        content = yaml.safe_load(Path(world.path).read_text(encoding="utf-8"))
        address = server.uri.replace("//", f"//me:{quote(PASSWORD, safe='')}@")
        content["mlflow"] = {"tracking_uri": address, "log_runs": True}
        content["report"] = {"path": "page.html"}
        content["challenger"] = {"runner_up": True}
        content["session"]["conf"] |= {
            "spark.brierlake.harmless": "${BRIERLAKE_TEST_HARMLESS}",
            "spark.hadoop.fs.s3a.secret.key": LITERAL,
            "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:postgresql://h/db?user=me&password={LITERAL}-2",
        }
        Path(world.path).write_text(yaml.safe_dump(content), encoding="utf-8")
        made = Planted(World(spark, world.folder, read_config(world.path), world.rows), folder, server.uri)
        yield replace(made, scored=made.invoke("score", "--json"))


def test_the_first_run_tells_all_but_the_secrets(planted: Planted) -> None:
    assert planted.scored is not None
    summary = json.loads(planted.scored.stdout)
    assert (planted.scored.exit_code, summary["notes"]) == (0, [])
    assert summary["mlflow"].startswith(f"{planted.uri}/#/experiments/")
    assert hides(planted.scored.output), planted.scored.output


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("plan", 0),
        ("plan --json --log-json", 0),
        ("score", 0),
        ("score --force --from 2024-01-30 --to 2024-01-31 --log-json", 0),
        ("diagnose --force", 0),
        ("report", 0),
        ("runs", 0),
        ("runs --json", 0),
        ("candidates --json", 0),
        ("show 2024-01-30 --json", 0),
        ("promote --json", 0),
        ("maintain --dry-run", 0),
        ("maintain --json", 0),
        ("score --force --set model.digest=${BRIERLAKE_TEST_DIGEST}", 3),
        ("score --force --json --set model.digest=${BRIERLAKE_TEST_DIGEST}", 3),
        ("score --force --debug --set model.digest=${BRIERLAKE_TEST_DIGEST}", 3),
        (f"score --set mlflow.timeout_seconds={LITERAL}", 2),
        ("score --debug --json --set mlflow.tracking_uri=http://me:pl4nted-other@127.0.0.1:PORT", 3),
        ("score --debug --set mlflow.tracking_uri=postgresql://me:pl4nted-db@127.0.0.1:PORT/db", 3),
        ("plan --set features.where=nobody='${BRIERLAKE_TEST_HARMLESS}'", 6),
        ("plan --debug --set features.where=nobody='${BRIERLAKE_TEST_HARMLESS}'", 6),
    ],
)
def test_no_command_lets_a_secret_out(planted: Planted, command: str, code: int) -> None:
    result = planted.invoke(command.replace("PORT", str(free_port())))
    assert hides(result.output), result.output
    assert result.exit_code == code, result.output
    for table, texts in planted.written():
        assert [table for text in texts if not hides(text)] == []
    assert hides((planted.world.folder / "page.html").read_text(encoding="utf-8"))


def test_the_ledger_says_where_a_value_came_from(planted: Planted) -> None:
    (config,) = set(planted.world.read("runs").query("action == 'score' and status == 'published'")["config"][:1])
    told = json.loads(config)
    assert told["session"]["conf"]["spark.brierlake.harmless"] == "${BRIERLAKE_TEST_HARMLESS}"
    assert told["session"]["conf"]["spark.hadoop.fs.s3a.secret.key"] == "***"
    assert told["mlflow"]["tracking_uri"].startswith("http://***@127.0.0.1:")
    assert told["job"] == "games"


def test_a_failure_is_recorded_without_the_secret(planted: Planted) -> None:
    planted.invoke("score --force --set model.digest=${BRIERLAKE_TEST_DIGEST}")
    errors = planted.world.read("runs")["error"].dropna()
    assert errors.str.contains("asks for ***", regex=False).any()


def test_mlflow_keeps_no_secret(planted: Planted) -> None:
    kept = [each for each in planted.server.rglob("*") if each.is_file() and each.name != "server.log"]
    assert any(each.name == "report.html" for each in kept)
    assert [each.name for each in kept if MARK.encode() in each.read_bytes()] == []


def test_init_writes_no_password(planted: Planted, tmp_path: Path) -> None:
    address, table = planted.world.config.mlflow.tracking_uri, planted.world.folder / "lake" / "silver" / "games"
    made = tmp_path / "made.yml"
    arguments = ["init", "--tracking-uri", address, "--features", str(table), "--output", str(made)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert hides(result.output + made.read_text(encoding="utf-8"))
    assert "Set MLFLOW_TRACKING_URI before you use it" in result.output
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        assert read_config(made).mlflow.tracking_uri == address
