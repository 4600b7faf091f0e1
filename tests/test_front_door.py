"""`import brierlake`: what a notebook starts with."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import brierlake
from brierlake.summaries import DiagnoseSummary, PlanSummary, ScoreSummary
from tests.world import World

README = Path(__file__).parents[1] / "README.md"


def test_the_door_opens_without_spark_or_mlflow() -> None:
    code = "import brierlake, sys; print(sorted({'pyspark', 'mlflow', 'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_explained() -> None:
    assert set(brierlake.__all__) <= set(dir(brierlake))
    for name in brierlake.__all__:
        assert len(getattr(brierlake, name).__doc__ or "") > 30, name
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = brierlake.scores  # type: ignore[attr-defined]


def test_the_readmes_notebook_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"## In a notebook\n.*?```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    shutil.copy(world.path, world.folder / "my-job.yml")
    monkeypatch.chdir(world.folder)
    rng = np.random.default_rng(1)
    probability = rng.random(100)
    names = {"spark": world.spark, "probability": probability, "outcome": rng.random(100) < probability}
    exec(block, names)  # noqa: S102 - our own README
    summary = names["summary"]
    assert isinstance(summary, ScoreSummary)
    assert (summary.status, summary.rows_scored) == ("published", len(world.rows))
    assert Path("games-report.html").exists()
    shown = summary._repr_html_()
    assert shown.startswith("<pre ")
    for text in ("published", "second version 1", "Brier", "2024-01"):
        assert text in shown, text


def test_summaries_are_typed(published: World) -> None:
    config, spark = published.config, published.spark
    assert isinstance(brierlake.plan(config, spark=spark), PlanSummary)
    first = brierlake.score(config, spark=spark, end="2024-01-31")
    assert (first.status, first.windows_stale) == ("unchanged", 0)
    assert isinstance(brierlake.diagnose(config, spark=spark), DiagnoseSummary)
