"""The order of a model's training columns, as a tag or a param says it."""

import ast
import json
from collections.abc import Mapping

NAMES = ("brierlake.features", "features")


def read_features(*places: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the first feature list found in the places, or nothing.

    A list is JSON, or what `str` makes of a Python list, or names between commas. What begins like a list and isn't
    one (cut off, for example) is passed over.
    """
    for name in NAMES:
        for place in places:
            if features := _parsed(place.get(name, "")):
                return features
    return ()


def _parsed(text: str) -> tuple[str, ...]:
    stripped = text.strip()
    if not stripped.startswith(("[", "(", "{")):
        return tuple(part.strip() for part in stripped.split(",") if part.strip())
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(stripped)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list | tuple) and all(isinstance(each, str) and each for each in found):
            return tuple(found)
    return ()
