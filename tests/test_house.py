"""The house rules that no linter checks."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "lib" / "brierlake").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_a_file_name_names_one_file() -> None:
    counts = Counter(each.name for each in PACKAGE if each.name != "__init__.py")
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("file", TESTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_test_reaches_for_a_private_name(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brierlake")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    patched = [
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr"
        for each in node.args[:2]
        if isinstance(each, ast.Constant)
        and (text := str(each.value)).rpartition(".")[2].startswith("_")
        and not text.startswith("__")
    ]
    rooms = {alias.asname or alias.name for node in ast.walk(tree) for alias in _imported_rooms(node)}
    read = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms
        if node.attr.startswith("_") and not node.attr.startswith("__")
    ]
    assert imported + patched + read == []


def _imported_rooms(node: ast.AST) -> list[ast.alias]:
    """Names in `from brierlake… import …`."""
    is_ours = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brierlake")
    return node.names if is_ours and isinstance(node, ast.ImportFrom) else []
