"""The keys of a config as Markdown tables: from the models in `brierlake.config`, and what they say of each field."""

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as limits
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from brierlake.config import Config

_WORDS = {str: "text", bool: "`true` or `false`", int: "whole number", float: "number"}
_PLURALS = {str: "texts", float: "numbers"}
_LIMITS = (
    (limits.MinLen, "min_length", "at least {:g}"),
    (limits.Ge, "ge", "{:g} or more"),
    (limits.Gt, "gt", "above {:g}"),
    (limits.Le, "le", "at most {:g}"),
    (limits.Lt, "lt", "below {:g}"),
)


def render_keys() -> str:
    """Returns a heading and a table for each section, in the order in which the models name them."""
    return "\n\n".join(_render_section(path, model) for path, model in walk_sections("", Config))


def walk_sections(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yields the path and the model of a section and of all below it."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield from walk_sections(_joined(path, name), inner)


def describe(field: FieldInfo) -> str:
    """Returns what is said of the field where it is declared, else of the section that it holds."""
    told = [field.description, *(_own_words(each) for each in _models_in(field.annotation))]
    return next((" ".join(each.split()).replace("|", "\\|") for each in told if each), "")


def _render_section(path: str, model: type[BaseModel]) -> str:
    heading = f"### `{path}`" if path else "### Top level"
    rows = [
        f"| `{name}` | {_kind_of(_joined(path, name), field)} | {_default_of(field)} | {describe(field)} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join([heading, "", "| key | value | default | what it says |", "|---|---|---|---|", *rows])


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _own_words(model: type[BaseModel]) -> str | None:
    return vars(model).get("__doc__")


def _kind_of(path: str, field: FieldInfo) -> str:
    parts = _alternatives(field.annotation)
    words = [_word_of(path, each) for each in parts if each is not types.NoneType]
    if {bool, int, float, str} <= {*parts}:
        words = ["text, number, `true` or `false`"]
    if types.NoneType in parts and field.default is not None:
        words.append("`null`")
    bounds = [
        text.format(getattr(each, name))
        for kind, name, text in _LIMITS
        for each in field.metadata
        if isinstance(each, kind)
    ]
    return ", ".join([" or ".join(words), *bounds])


def _word_of(path: str, kind: Any) -> str:
    if _models_in(kind):
        return f"[{'list of sections' if get_origin(kind) is tuple else 'section'}](#{path.replace('.', '')})"
    if get_origin(kind) is Literal:
        return " or ".join(f"`{each}`" for each in get_args(kind))
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        count = "" if others == [...] else f"{len(others) + 1} "
        return f"list of {count}{_PLURALS.get(_without_notes(first), 'values')}"
    if get_origin(kind) is dict:
        return "names with their texts"
    return _WORDS.get(kind) or kind.__name__


def _default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True)
    return "" if isinstance(default, BaseModel) else f"`{json.dumps(default).strip(chr(34))}`"


def _alternatives(kind: Any) -> list[Any]:
    plain = _without_notes(kind)
    if get_origin(plain) in (Union, types.UnionType):
        return [part for each in get_args(plain) for part in _alternatives(each)]
    return [plain]


def _without_notes(kind: Any) -> Any:
    return _without_notes(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _models_in(kind: Any) -> list[type[BaseModel]]:
    plain = _without_notes(kind)
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return [plain]
    return [model for each in get_args(plain) for model in _models_in(each)]
