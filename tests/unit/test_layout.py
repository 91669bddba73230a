"""The house rules a linter does not know."""

import ast
from functools import cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sparkcontrol", "services", "swaps", "cluster")
BANNED = {"utils.py", "helpers.py", "common.py", "services.py", "signals.py", "misc.py"}
SOURCES = [
    path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts
]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DJANGO_FREE = ("swaps/states.py", "sparkcontrol/supervisor.py", "sparkcontrol/children.py", "sparkcontrol/install.py")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, Function)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def lines_of(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_it_keeps_source_files_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_it_keeps_functions_short(path: Path) -> None:
    assert {node.name: lines_of(node) for node in functions(path) if lines_of(node) > 50} == {}


def test_it_keeps_most_functions_very_short() -> None:
    lengths = sorted(lines_of(node) for path in SOURCES for node in functions(path))
    assert median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 32


def test_it_has_no_drawer_for_odds_and_ends() -> None:
    assert [short(path) for path in SOURCES if path.name in BANNED] == []


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_it_imports_at_the_top_of_a_file(path: Path) -> None:
    inside = [
        f"{node.name}: line {inner.lineno}"
        for node in functions(path)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


@pytest.mark.parametrize("name", DJANGO_FREE)
def test_it_keeps_some_rooms_free_of_django(name: str) -> None:
    assert [
        line for line in (ROOT / name).read_text().splitlines() if line.startswith(("from django", "import django"))
    ] == []


def test_it_has_a_package_at_every_level_of_the_tests() -> None:
    folders = {path.parent for path in TESTS if path.name.startswith("test_")}
    assert [short(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
