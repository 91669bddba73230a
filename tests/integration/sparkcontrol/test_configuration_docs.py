"""docs/configuration.md and the code name the same environment variables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
READERS = {"text", "boolean", "integer", "words", "choice", "days"}


def read_by_the_house() -> set[str]:
    """Every NAME in env.text("NAME"...) and its siblings."""
    return {
        str(call.args[0].value)
        for path in sorted((ROOT / "sparkcontrol").rglob("*.py"))
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in READERS) == ("env", True)
        and isinstance(call.args[0], ast.Constant)
    }


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node


def read_by_make() -> set[str]:
    return set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE))


def documented() -> set[str]:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    return set(rows)


def test_every_variable_the_code_reads_is_documented_and_no_other() -> None:
    ours = {name for name in documented() if not name.startswith("SPARKSIM_")}
    assert ours == read_by_the_house() | read_by_make()


def test_every_documented_variable_of_the_simulator_is_read() -> None:
    source = "".join(path.read_text() for path in (ROOT / "cluster" / "simulator").rglob("*.py"))
    assert {name for name in documented() if name.startswith("SPARKSIM_") and name not in source} == set()


def test_nothing_but_env_py_reads_the_environment() -> None:
    """Children get a copy of it: the supervisor's business. The simulator and sparkctl are programs of their own."""
    allowed = {f"sparkcontrol/{name}.py" for name in ("env", "supervisor", "celery", "worker", "asgi")}
    readers = {
        str(path.relative_to(ROOT))
        for package in ("sparkcontrol", "services", "swaps", "cluster")
        for path in (ROOT / package).rglob("*.py")
        if not {"simulator", "sparkctl"} & set(path.parts) and re.search(r"os\.(environ|getenv)", path.read_text())
    }
    assert readers <= allowed
