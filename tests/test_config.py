"""Configs: what is refused, with which words; overrides, variables and paths."""

from pathlib import Path

import pytest
import yaml

from brierlake.config import Config
from brierlake.configfile import read_config
from brierlake.errors import ConfigError

ROOT = Path(__file__).parents[1]
MINIMAL = {
    "job": "j",
    "lakehouse": {"root": "lake"},
    "features": {"table": "f", "key": ["id"]},
    "model": {"names": ["m"]},
    "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
}


def write(folder: Path, content: object) -> Path:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_minimal_config_has_the_documented_defaults(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, MINIMAL))
    assert config.features.window == "day"
    assert config.model.metric == "brier"
    assert config.model.range == (0.0, 2.0)
    assert config.labels is None


def test_relative_paths_start_at_the_folder_beside_the_file(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, {**MINIMAL, "folder": "there"}))
    assert config.lakehouse.root == str(tmp_path / "there" / "lake")
    assert config.mlflow.tracking_uri == f"sqlite:///{tmp_path}/there/mlflow.db"


@pytest.mark.parametrize("uri", ["https://mlflow.example", "databricks", "databricks-uc"])
def test_remote_addresses_stay_as_they_are(tmp_path: Path, uri: str) -> None:
    assert read_config(write(tmp_path, {**MINIMAL, "mlflow": {"tracking_uri": uri}})).mlflow.tracking_uri == uri


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scoring": {"env_manager": "virtualenv"}}, r"scoring\.env_manager.*only local is.*on the cluster instead"),
        (
            {"features": {"table": "f", "key": ["id"], "carri": ["a"]}},
            r"unknown key `features.carri`. Did you mean 'carry'\?",
        ),
        ({"modle": {}}, r"unknown key `modle`. Did you mean 'model'\?"),
        ({"labels": {"outcome": "y", "zzz": 1}}, r"unknown key `labels.zzz`. Known: .*outcome"),
        ({"features": {"key": ["id"]}}, "`features.table` is missing"),
        ({"features": {"table": "f", "key": []}}, "`features.key`"),
        ({"features": {"table": "f", "key": ["a", "a"]}}, "`key` names a column twice"),
        ({"features": {"table": "f", "key": ["a", "A"]}}, "`key` names a column twice"),
        ({"model": {"names": ["  "]}}, "`model.names.0`: is blank"),
        ({"job": ""}, "`job`: is blank"),
        ({"session": {"conf": {"spark.x": None}}}, "`session.conf.spark.x`: Input should be a valid string"),
        ({"session": {"conf": {"spark.x": [1]}}}, "`session.conf.spark.x`: Input should be a valid string"),
        ({"lakehouse": {}}, "give either `root`"),
        ({"lakehouse": {"root": "r", "catalog": "c"}}, "give either `root`"),
        ({"model": {}}, "give either `names`"),
        ({"model": {"names": ["m"], "pin": "m/1"}}, "give either `names`"),
        ({"model": {"pin": "m"}}, "`pin` is name/number or name@alias"),
        ({"model": {"names": ["m"], "direction": "up"}}, "`model.direction`"),
        ({"labels": {"outcome": "y", "positive": "late"}}, "`negative` must list the other classes"),
        ({"labels": {"outcome": "y", "positive": 1, "negative": [1]}}, "can't be positive and negative"),
        ({"labels": {"outcome": "y", "key": ["a", "b"]}}, "labels.key must have as many columns"),
        ({"diagnostics": {"slices": ["c"]}}, "diagnostics uses c: add to features.carry"),
        ({"decision": {}}, "give `threshold`, or both `cost_false_alarm` and `cost_miss`"),
        ({"decision": {"threshold": 0.2, "cost_miss": 1}}, "give `threshold`, or both"),
        ({"decision": {"cost_miss": 1}}, "give `threshold`, or both"),
        ({"decision": {"threshold": 1}}, "`decision.threshold`: Input should be less than 1"),
        ({"gates": [{"metric": "net_benefit", "min": 0}]}, "a gate on net_benefit needs `decision`"),
        ({"session": {"master": "local", "remote": "sc://x"}}, "give either `master` or `remote`"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(write(tmp_path, {**MINIMAL, **change}))


@pytest.mark.parametrize(
    ("decision", "threshold"),
    [
        ({"threshold": 0.2}, 0.2),
        ({"cost_false_alarm": 1, "cost_miss": 4}, 0.2),
        ({"cost_false_alarm": 3, "cost_miss": 1}, 0.75),
    ],
)
def test_a_decision_is_made_at_a_threshold_or_by_its_costs(
    tmp_path: Path, decision: dict[str, float], threshold: float
) -> None:
    config = read_config(write(tmp_path, {**MINIMAL, "decision": decision}))
    assert config.decision is not None
    assert config.decision.at == pytest.approx(threshold)


@pytest.mark.parametrize("name", ["predictions", "Predictions", "./predictions", "predictions/", "../gold/predictions"])
def test_two_tables_of_the_job_are_never_one(tmp_path: Path, name: str) -> None:
    content = {**MINIMAL, "lakehouse": {"root": "lake", "tables": {"staged": name}}}
    with pytest.raises(ConfigError, match=r"tables\.predictions and tables\.staged are one table.*its own name"):
        read_config(write(tmp_path, content))


@pytest.mark.parametrize(
    ("lakehouse", "labels", "setting"),
    [
        (
            {"gold": "silver", "tables": {"predictions": "F"}},
            None,
            r"features\.table and lakehouse\.tables\.predictions",
        ),
        ({"gold": "Silver/", "tables": {"runs": "y"}}, "y", r"labels\.table and lakehouse\.tables\.runs"),
        ({"tables": {"cells": "../silver/f"}}, None, r"features\.table and lakehouse\.tables\.cells"),
        ({"catalog": "main", "root": None, "gold": "silver", "tables": {"cells": "f"}}, None, r"features\.table"),
    ],
)
def test_what_is_read_is_never_written(
    tmp_path: Path, lakehouse: dict[str, object], labels: str | None, setting: str
) -> None:
    content = {**MINIMAL, "lakehouse": {"root": "lake", **lakehouse}}
    content |= {"labels": {"table": labels, "outcome": "y"}} if labels else {}
    with pytest.raises(ConfigError, match=f"{setting}.* are one table.*different layers"):
        read_config(write(tmp_path, content))


def test_one_layer_for_all_is_fine_where_the_tables_differ(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, {**MINIMAL, "lakehouse": {"root": "lake", "gold": "silver"}})).job == "j"


def test_a_carried_column_may_be_one_of_the_key(tmp_path: Path) -> None:
    content = {**MINIMAL, "features": {"table": "f", "key": ["id"], "carry": ["id", "team"]}}
    assert read_config(write(tmp_path, content)).features.carry == ("id", "team")


def test_names_are_used_as_they_are_written_and_addresses_without_a_lines_end(tmp_path: Path) -> None:
    content = {
        **MINIMAL,
        "model": {"names": [" first "], "metric": "brier "},
        "features": {"table": "f", "key": [" id"], "carry": ["team "]},
        "labels": {"outcome": "y ", "positive": " late", "negative": ["in time "]},
        "mlflow": {"tracking_uri": "https://mlflow.example\n"},
    }
    config = read_config(write(tmp_path, content))
    assert (config.model.names, config.model.metric) == ((" first ",), "brier ")
    assert (config.features.key, config.features.carry) == ((" id",), ("team ",))
    assert config.labels is not None
    assert (config.labels.outcome, config.labels.positive, config.labels.negative) == ("y ", " late", ("in time ",))
    assert config.mlflow.tracking_uri == "https://mlflow.example"


def test_numbers_are_text_where_text_is_meant_and_labels_keep_their_types(tmp_path: Path) -> None:
    content = {
        **MINIMAL,
        "job": 7,
        "model": {"names": [2024, 1.5], "positive_class": True},
        "features": {"table": 2024, "key": [1], "carry": [2, True], "columns": [3]},
        "labels": {"outcome": 4, "positive": 1, "negative": [False, 0.5, "no"]},
        "diagnostics": {"slices": [2]},
    }
    sets = ["session.conf.spark.x=8", "session.conf.spark.y=true", "session.conf.spark.z=0.5", "promotion.alias=1"]
    config = read_config(write(tmp_path, content), overrides=sets)
    assert (config.job, config.model.names, config.features.table) == ("7", ("2024", "1.5"), "2024")
    assert (config.features.key, config.features.carry, config.features.columns) == (("1",), ("2", "true"), ("3",))
    assert config.session.conf == {"spark.x": "8", "spark.y": "true", "spark.z": "0.5"}
    assert config.labels is not None
    assert [repr(each) for each in (config.labels.positive, *config.labels.negative)] == ["1", "False", "0.5", "'no'"]
    assert config.model.positive_class is True
    assert (config.promotion.alias, config.diagnostics.slices) == ("1", ("2",))


def test_overrides_win_and_reach_settings_with_dots(tmp_path: Path) -> None:
    sets = ["model.metric=auc", "model.range=null", "session.conf.spark.sql.shuffle.partitions='7'", "job=other"]
    config = read_config(write(tmp_path, MINIMAL), overrides=sets)
    assert (config.model.metric, config.model.range, config.job) == ("auc", None, "other")
    assert config.session.conf == {"spark.sql.shuffle.partitions": "7"}


@pytest.mark.parametrize("text", ["model.metric", "=x", "job.name=x"])
def test_an_override_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"isn't of the form section\.key=value"):
        read_config(write(tmp_path, MINIMAL), overrides=[text])


def test_variables_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIERLAKE_TEST_JOB", "nightly")
    config = read_config(write(tmp_path, {**MINIMAL, "job": "${BRIERLAKE_TEST_JOB}-${BRIERLAKE_TEST_ABSENT:-1}"}))
    assert config.job == "nightly-1"


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"job uses the environment variable BRIERLAKE_TEST_ABSENT"):
        read_config(write(tmp_path, {**MINIMAL, "job": "${BRIERLAKE_TEST_ABSENT}"}))


def test_a_missing_file_and_a_file_that_is_no_yaml_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no config file"):
        read_config(tmp_path / "absent.yml")
    (tmp_path / "bad.yml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="isn't valid YAML"):
        read_config(tmp_path / "bad.yml")
    (tmp_path / "list.yml").write_text("- a", encoding="utf-8")
    with pytest.raises(ConfigError, match="isn't a mapping"):
        read_config(tmp_path / "list.yml")


def test_the_example_config_and_the_demo_are_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIERLAKE_FOLDER", str(tmp_path))
    demo = tmp_path / "demo.yml"
    demo.write_text((ROOT / "lib/brierlake/commands/demo/demo.yml").read_text(encoding="utf-8"), encoding="utf-8")
    assert read_config(ROOT / "conf/local.yml") == read_config(demo)


def test_every_key_says_what_it_means() -> None:
    silent, models = [], [Config]
    for model in models:
        for name, field in model.model_fields.items():
            inner = [
                each
                for each in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if hasattr(each, "model_fields")
            ]
            models += [each for each in inner if each not in models]
            if not field.description and not inner and model.__name__ != "TableNames":
                silent.append(f"{model.__name__}.{name}")
    assert silent == []
