"""Writes what is generated from the code: `python -m tests.generate`. A test fails where one of the files is out of date.

`conf/summary.schema.json` is generated whole; in `conf/README.md` only what stands between the marks.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from brierlake.summaries import SUMMARY
from tests.config_reference import render_keys

COMMAND = "python -m tests.generate"
CONF = Path(__file__).parents[1] / "conf"
_MARKED = re.compile(r"(?<=<!-- keys -->\n).*(?=<!-- end -->)", flags=re.DOTALL)


def make_schema(_: str) -> str:
    made = SUMMARY.json_schema(mode="serialization")
    return f"{json.dumps(made, indent=2, sort_keys=True)}\n"


def make_reference(written: str) -> str:
    made, count = _MARKED.subn(lambda _: f"\n{render_keys()}\n\n", written)
    if count != 1:
        raise ValueError("conf/README.md needs the lines <!-- keys --> and <!-- end --> once")
    return made


GENERATED: Mapping[Path, Callable[[str], str]] = {
    CONF / "summary.schema.json": make_schema,
    CONF / "README.md": make_reference,
}
"""How each file is made from what it holds now."""


def main() -> None:
    for file, make in GENERATED.items():
        written = file.read_text(encoding="utf-8")
        if (made := make(written)) != written:
            file.write_text(made, encoding="utf-8")
            print(f"{file.relative_to(CONF.parent)} is written anew")


if __name__ == "__main__":
    main()
