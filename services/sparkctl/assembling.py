"""The file that /sparkctl hands out: the modules of this room one after the other, their imports once at the top."""

import ast
import json
from functools import lru_cache
from pathlib import Path

ROOM = Path(__file__).parent
PACKAGE = "services.sparkctl"
PARTS = ("calls", "words", "holding", "commands", "program")  # each uses only those before it
FIRST_LINE = "#!/usr/bin/env python3"
FUTURE = "from __future__ import annotations"


def sparkctl(server: str, version: str) -> str:
    """The source text, with what it takes for granted filled in."""
    text = _assembled()
    for name, value in (("SERVER", server), ("VERSION", version)):
        text = _filled_in(text, name, value)
    return text


@lru_cache(maxsize=1)
def _assembled() -> str:
    sources = [(ROOM / f"{name}.py").read_text() for name in PARTS]
    words = ast.get_docstring(ast.parse(sources[-1]), clean=False)
    imports = _imports(sources)
    bodies = [_without_imports(source) for source in sources]
    return "\n\n".join([f'{FIRST_LINE}\n"""{words}"""', FUTURE, "\n".join(imports), *bodies])


def _imports(sources: list[str]) -> list[str]:
    """What the file needs from elsewhere, each once, in the house's order."""
    modules: set[str] = set()
    names: dict[str, set[str]] = {}
    for node in (node for source in sources for node in ast.parse(source).body):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module not in (None, "__future__"):
            names.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    own = {module for module in names if module.startswith(PACKAGE)}
    froms = [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names.keys() - own)]
    return [*(f"import {module}" for module in sorted(modules)), *froms]


def _without_imports(source: str) -> str:
    """From the first line that does something; the words at the top become a comment."""
    tree = ast.parse(source)
    begin = next(node.lineno for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr))
    heading = (ast.get_docstring(tree) or "").splitlines()[0]
    return f"# {heading}\n\n" + "".join(source.splitlines(keepends=True)[begin - 1 :]).rstrip()


def _filled_in(text: str, name: str, value: str) -> str:
    lines = text.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith(f"{name} = "))
    lines[at] = f"{name} = {json.dumps(value)}"
    return "\n".join(lines) + "\n"
