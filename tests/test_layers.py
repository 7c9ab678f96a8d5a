"""Which room may import which: the two wings meet only in the contract, and the shipped model stands alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("contract", "training", "serving")


def imported(file):
    """The rooms of this project that a file imports, anywhere in it, and for type checking, too."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    relative = [ROOMS for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    assert not relative, f"{file} has a relative import, which this test cannot follow"
    return {module.split(".")[0] for module in modules} & set(ROOMS)


@pytest.mark.parametrize(
    ("room", "may_import"),
    [
        ("contract", {"contract"}),
        ("training", {"training", "contract"}),
        ("serving", {"serving", "contract"}),
    ],
)
def test_a_room_imports_only_what_it_may(room, may_import):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    wrong = {str(file.relative_to(ROOT)): imported(file) - may_import for file in files}
    assert {file: rooms for file, rooms in wrong.items() if rooms} == {}


def test_the_shipped_model_imports_nothing_of_this_project():
    assert imported(ROOT / "training" / "store" / "model.py") == set()
