"""Real summaries are as the schema says."""

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from brierlake.cli import main
from brierlake.summaries import SUMMARY, DiagnoseSummary, FailedSummary, PlanSummary, ScoreSummary
from tests.world import BAD, World


def summary_of(world: World, *arguments: str) -> object:
    result = CliRunner().invoke(main, [*arguments, "--config", world.path, "--json", "--quiet"])
    return SUMMARY.validate_json(result.stdout.splitlines()[-1])


def test_each_command_prints_what_the_schema_says(published: World) -> None:
    world = published
    assert isinstance(summary_of(world, "plan"), PlanSummary)
    scored = SUMMARY.validate_json(world.said("score.json"))
    assert isinstance(scored, ScoreSummary)
    assert (scored.status, scored.rows_scored) == ("published", len(world.rows) - len(BAD))
    assert (scored.exit_code, scored.breaches) == (0, [])
    unchanged = summary_of(world, "score")
    assert isinstance(unchanged, ScoreSummary)
    assert (unchanged.status, unchanged.predictions_version) == ("unchanged", None)
    diagnosed = summary_of(world, "diagnose", "--force")
    assert isinstance(diagnosed, DiagnoseSummary)
    assert diagnosed.diagnostics.total is not None
    failed = summary_of(world, "score", "--set", "model.names=[nobody]")
    assert isinstance(failed, FailedSummary)
    assert failed.exit_code == 3


def test_a_summary_that_lacks_something_is_none() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        SUMMARY.validate_python({"action": "score", "status": "published", "job": "j"})
