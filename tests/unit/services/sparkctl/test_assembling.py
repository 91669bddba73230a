import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from services.sparkctl.assembling import PARTS, ROOM, sparkctl

OLDEST_PYTHON = (3, 9)
SLOW_TO_IMPORT = {"urllib.request", "shutil", "tempfile", "asyncio", "dataclasses", "logging", "secrets", "email.mime"}


@pytest.fixture(scope="module")
def source() -> str:
    return sparkctl("http://spark.lan:9999", "1.2.3")


def test_it_is_one_file_for_the_oldest_python_we_promise(source: str) -> None:
    tree = ast.parse(source, feature_version=OLDEST_PYTHON)
    assert source.startswith("#!/usr/bin/env python3\n")
    assert "SPARKCTL_KEY" in (ast.get_docstring(tree) or "")


def imported(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_it_needs_nothing_but_the_standard_library(source: str) -> None:
    assert {module.partition(".")[0] for module in imported(source)} <= sys.stdlib_module_names


def test_it_imports_nothing_that_starts_slowly(source: str) -> None:
    assert imported(source) & SLOW_TO_IMPORT == set()


def test_no_part_hides_a_name_of_another(source: str) -> None:
    names = Counter(
        target
        for node in ast.parse(source).body
        for target in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [name.id for name in node.targets if isinstance(name, ast.Name)]
            if isinstance(node, ast.Assign)
            else []
        )
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_uses_only_those_before_it() -> None:
    for at, part in enumerate(PARTS):
        own = {name for name in imported((ROOM / f"{part}.py").read_text()) if name.startswith("services.")}
        assert own <= {f"services.sparkctl.{earlier}" for earlier in PARTS[:at]}


def test_it_knows_where_it_came_from_and_which_one_it_is(source: str) -> None:
    assert '\nSERVER = "http://spark.lan:9999"\n' in source
    assert '\nVERSION = "1.2.3"\n' in source


def test_an_address_cannot_become_code() -> None:
    hostile = 'http://x"; import os; "\\\n'
    tree = ast.parse(sparkctl(hostile, "1"))
    assert next(ast.literal_eval(node.value) for node in tree.body if is_server(node)) == hostile  # type: ignore[attr-defined]


def is_server(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "SERVER"


def test_it_runs_on_its_own(source: str, tmp_path: Path) -> None:
    file = tmp_path / "sparkctl"
    file.write_text(source)
    ended = subprocess.run([sys.executable, "-I", "-W", "error", file, "--help"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "lock" in ended.stdout
