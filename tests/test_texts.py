"""What the READMEs and the texts for contributors point at is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from brierlake.cli import main

ROOT = Path(__file__).parents[1]
TEXTS = sorted([ROOT / "README.md", *ROOT.glob("*/README.md"), *ROOT.glob(".github/*.md")])


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_and_pictures_lead_to_files_and_headings(file: Path) -> None:
    text = read(file)
    found = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|srcset)="([^"]+)"', text)]
    targets = [each.partition("#") for each in found if "://" not in each]
    assert [path for path, _, _ in targets if path and not (file.parent / path).exists()] == []
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)", text, re.MULTILINE)
    }
    assert {heading for path, _, heading in targets if heading and not path} <= headings


def test_modules_and_files_that_commands_name_are_there() -> None:
    text = "\n".join(read(file) for file in TEXTS)
    modules = set(re.findall(r"python -m (tests[\w.]*)", text))
    assert {"tests.matrix", "tests.generate", "tests.benchmarks.whole_job"} <= modules
    assert {each for each in modules if find_spec(each) is None} == set()
    files = set(re.findall(r"(?:conf|tests|jobs|\.ci|\.github)/[\w./-]*\w", text))
    assert {"conf/spark-defaults.conf", "tests/cluster"} <= files
    assert {each for each in files if not (ROOT / each).exists()} == set()


def test_each_command_of_brierlake_is_told_and_no_other() -> None:
    text = read(ROOT / "README.md")
    told = set(re.findall(r"(?:(?<=\bbrierlake )|(?<=`))[a-z]+\b", text))
    assert set(main.commands) - {"packages"} <= told
    code = re.findall(r"^(?:.*/bin/)?brierlake ([a-z]+)", text, re.MULTILINE)
    assert set(code) <= set(main.commands)
