"""What is generated from the code is up to date, and what the code says is enough to generate it from."""

from pathlib import Path

import pytest

from brierlake.config import Config
from tests.config_reference import describe, walk_sections
from tests.generate import COMMAND, GENERATED, make_reference


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_a_generated_file_is_up_to_date(file: Path) -> None:
    written = file.read_text(encoding="utf-8")
    assert GENERATED[file](written) == written, f"write it again: {COMMAND}"


def test_each_key_of_a_config_says_what_it_is() -> None:
    fields = {
        (path, name): field for path, model in walk_sections("", Config) for name, field in model.model_fields.items()
    }
    assert [key for key, field in fields.items() if not describe(field)] == []


def test_the_reference_tells_values_limits_and_defaults() -> None:
    lines = make_reference("<!-- keys -->\n<!-- end -->").splitlines()
    assert "### `diagnostics.reference`" in lines
    for begun in (
        "| `job` | text | **required** | ",
        "| `key` | list of texts, at least 1 | **required** | ",
        "| `window` | `day` or `month` | `day` | ",
        "| `positive_class` | text, number, `true` or `false` | `1` | ",
        "| `range` | list of 2 numbers or `null` | `[0.0, 2.0]` | ",
        "| `drift_alert` | number, above 0, at most 1 | `0.5` | ",
        "| `reference` | `previous` or [section](#diagnosticsreference) | `previous` | ",
        "| `gates` | [list of sections](#gates) | `[]` | ",
        "| `labels` | [section](#labels) | `null` | ",
    ):
        assert [line for line in lines if line.startswith(begun)], begun


def test_what_is_written_by_hand_stays() -> None:
    made = make_reference("# Before\n\n<!-- keys -->\nold\n<!-- end -->\n\nbehind\n")
    assert made.startswith("# Before\n\n<!-- keys -->\n\n###")
    assert made.endswith("|\n\n<!-- end -->\n\nbehind\n")
    with pytest.raises(ValueError, match="once"):
        make_reference("# No marks\n")
