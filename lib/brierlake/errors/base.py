"""What all errors are, and how their messages name things."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from brierlake.redaction import redacted


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or nothing where no known name is near."""
    found = get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(each) for each in found)}?" if found else ""


def listed(names: Iterable[str], *, most: int = 20) -> str:
    """Return the names sorted and shortened for a message; `none` where there are none."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:most])
    return f"{shown} and {len(ordered) - most} more" if len(ordered) > most else shown or "none"


def first_line(error: object) -> str:
    """Return the first line of an error's text that says something; nothing where none does."""
    return next((line for line in str(error).splitlines() if line.strip()), "")


class BrierlakeError(Exception):
    """Something that the user can act on. The message is one or two sentences, holds the fix and no credentials."""

    exit_code: ClassVar[int] = 1

    def __init__(self, text: str) -> None:
        super().__init__(redacted(text))
