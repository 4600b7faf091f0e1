"""The logged report as MLflow's own web page shows it, and the version's tags."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.browser.chromium import CHROMIUM, NO_CHROMIUM, open_browser
from tests.page.pages import NOW, make_rows, make_tables

from brierlake.config import MlflowConfig
from brierlake.page import render_page
from brierlake.registry import Result, Source, connect, log_result, tag_version

sys.path.insert(0, str(Path(__file__).parents[1] / "registry"))
from mlflow_server import Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


def test_the_report_shows_in_mlflows_page(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = MlflowConfig(tracking_uri=server.uri, experiment="scored")
    client: MlflowClient = connect(config)
    client.create_registered_model("games")
    page_text = render_page(make_tables(make_rows()), made_at=NOW)
    result = Result(
        name="games score",
        params={"model_name": "games"},
        metrics={"brier": 0.18, "base_rate": 0.25},
        tags={"mlflow.note.content": "**✗ badly calibrated**"},
        source=Source("lake.silver.games", "id-1", 3),
        page=page_text,
    )
    run_id = log_result(client, config, result)
    assert capsys.readouterr().out == "", "stdout is the summary's"
    logged = client.get_run(run_id).info
    client.create_model_version("games", source=f"{logged.artifact_uri}/model", run_id=run_id)
    tag_version(client, config, "games", 1, {"brier_production": "0.18"})
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{server.uri}/#/experiments/{logged.experiment_id}/runs/{run_id}/artifacts/report.html")
        frame = page.frame_locator("iframe").first
        frame.get_by_role("heading", name="games & more: can its probabilities be trusted?").wait_for()
        assert frame.locator("svg:visible").count() >= 5
        page.screenshot(path=str(tmp_path / "report.png"))
        page.goto(f"{server.uri}/#/models/games/versions/1")
        page.get_by_text("brier_production").first.wait_for()
