"""A definition as text people edit, and what an edit changes, line by line. Pure."""

import difflib
import shlex
from dataclasses import dataclass

from swaps.catalog.definition import Definition
from swaps.model_rows import argument_lines

WORD_FIELDS = ("args", "launcher_args", "docker_args", "mods")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a diff; `sign` is "+", "-" or a space."""

    sign: str
    text: str


def as_fields(definition: Definition) -> dict[str, str | int | None]:
    """Every field as the form shows it: words one option per line, environment one NAME=value per line."""
    fields: dict[str, str | int | None] = {
        "key": definition.key,
        "label": definition.label,
        "repo": definition.repo or "",
        "local_path": definition.local_path or "",
        "nodes": definition.nodes,
        "image": definition.image,
        "expected_load_seconds": definition.expected_load_seconds,
        "notes": definition.notes,
        "env": "\n".join(f"{name}={value}" for name, value in definition.env),
    }
    return fields | {name: "\n".join(argument_lines(getattr(definition, name))) for name in WORD_FIELDS}


def read_words(text: str) -> tuple[str, ...]:
    """Words as a shell would split them; backslashes at line ends are fine. Raises ValueError on an open quote."""
    return tuple(shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " ")))


def read_env(text: str) -> tuple[tuple[str, str], ...]:
    """NAME=value lines. Raises ValueError naming the line that is not one."""
    pairs = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"{line.strip()[:60]!r} is not NAME=value.")
        pairs.append((name.strip(), value.strip()))
    return tuple(sorted(pairs))


def changes(before: Definition, after: Definition) -> list[Change]:
    """What `after` changes, with the unchanged lines of a changed field around it; empty when nothing does."""
    old, new = as_fields(before), as_fields(after)
    told: list[Change] = []
    for name, value in new.items():
        if old[name] != value:
            told.append(Change(" ", f"{name}:"))
            told += _diff(old[name], value)
    return told


def _diff(old: str | int | None, new: str | int | None) -> list[Change]:
    left, right = (str("" if value is None else value).splitlines() for value in (old, new))
    compared = difflib.ndiff(left, right)
    return [Change(line[0], f"  {line[2:]}") for line in compared if line[0] in "+- "]
