"""Makes the README's pictures from a demo's lakehouse: `brierlake demo`, then `python -m tests.pictures brierlake-demo`.

It takes Chromium. The last month is scored again, so that the terminal has something to show.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from rich.console import Console
from rich.text import Text

from brierlake.summaries import SUMMARY, Summary
from brierlake.terminal.summary import print_summary
from tests.browser.chromium import open_browser

FOLDER = Path(__file__).parents[1] / ".github"
COLUMNS = 86
COLOURS = 96


def call(*arguments: str) -> Summary:
    command = [sys.executable, "-m", "brierlake", *arguments, "--json", "--quiet"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    summary = SUMMARY.validate_json(answer.stdout)
    assert isinstance(summary, Summary)
    return summary


def draw_terminal(config: str) -> str:
    """Two commands and what they print, as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    last = ("--from", "2013-12-01", "--to", "2014-01-01")
    console.print(Text.assemble(("$ ", "dim"), f"brierlake score {' '.join(last)} --force"))
    summary = call("score", "--config", config, *last, "--force")
    print_summary(
        summary.model_copy(update={"report": "report.html", "mlflow": "run in experiment brierlake"}), console
    )
    console.print(Text.assemble(("\n$ ", "dim"), "brierlake show 2013-12-31"))
    print_summary(call("show", "2013-12-31", "--config", config), console)
    return console.export_svg(title="brierlake")


def photograph(browser: Any, address: str, *, to: Path, width: int, height: int | None, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": height or 800}, color_scheme=scheme)
    context.set_offline(True)  # rich names a web font; the machine's own will do
    page = context.new_page()
    page.goto(address)
    target = page.locator("svg").first if height is None else page
    shot = target.screenshot()
    context.close()
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    if height is None:
        picture = picture.crop(ImageOps.invert(picture).getbbox())  # without the white beside it
    picture.quantize(COLOURS).save(to, optimize=True)  # few colours: a quarter of the size


def main(demo: Path) -> None:
    config = str(demo / "demo.yml")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        terminal, report = Path(folder) / "terminal.svg", Path(folder) / "report.html"
        terminal.write_text(draw_terminal(config), encoding="utf-8")
        call("report", "--config", config, "--output", str(report))
        photograph(browser, terminal.as_uri(), to=FOLDER / "terminal.png", width=1100, height=None, scheme="light")
        photograph(browser, report.as_uri(), to=FOLDER / "report.png", width=1000, height=1180, scheme="light")
        photograph(browser, report.as_uri(), to=FOLDER / "report-dark.png", width=1000, height=1180, scheme="dark")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "brierlake-demo"))
