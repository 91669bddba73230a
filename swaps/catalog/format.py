"""The catalog as a file: models.yaml, read forgivingly and written in one form.

    qwen3.6-35b-a3b:              # the key
      label: Qwen3.6 35B-A3B
      repo: nvidia/Qwen3.6-35B-A3B-NVFP4
      args: [--max-model-len, "262144"]

A file is such a mapping, or a list of entries that carry `key`, or either of them below `models:`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from swaps.catalog.definition import Definition, Problem, validate
from swaps.catalog.fields import read_entry
from swaps.catalog.yaml_text import CatalogError, read_yaml

__all__ = ["Catalog", "CatalogError", "Remark", "SkippedEntry", "dump_catalog", "load_catalog"]

MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class SkippedEntry:
    """An entry that cannot be used, and everything wrong with it."""

    key: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about an entry that was read, for the person who imports it."""

    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Catalog:
    definitions: tuple[Definition, ...]
    skipped: tuple[SkippedEntry, ...] = ()
    remarks: tuple[Remark, ...] = ()


def load_catalog(text: str) -> Catalog:
    """Read a catalog file. An invalid entry is skipped with its problems; CatalogError when the file has no entries."""
    definitions: dict[str, Definition] = {}
    skipped: list[SkippedEntry] = []
    remarks: list[Remark] = []
    for key, fields in _entries(read_yaml(text)):
        if not isinstance(fields, dict):
            skipped.append(SkippedEntry(key, (Problem("entry", "It is not a mapping. Write field: value lines."),)))
            continue
        definition, problems, told = read_entry(key, fields)
        problems = problems or validate(definition)
        if key in definitions:
            problems.append(Problem("key", "Another entry has the same key. Rename one of them."))
        if problems:
            skipped.append(SkippedEntry(key, tuple(problems)))
        else:
            definitions[key] = definition
            remarks += [Remark(key, message) for message in told]
    return Catalog(tuple(definitions.values()), tuple(skipped), tuple(remarks))


def dump_catalog(definitions: Iterable[Definition]) -> str:
    """The file for these definitions; load_catalog gives them back unchanged."""
    data = {definition.key: _fields(definition) for definition in definitions}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)


def _entries(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and isinstance(data.get("models"), (dict, list)):
        data = data["models"]
    if data is None:
        raise CatalogError("The file holds nothing. Write one entry per key.")
    if not isinstance(data, (dict, list)):
        raise CatalogError("The file is neither a mapping nor a list. Write one entry per key.")
    if len(data) > MAX_ENTRIES:
        raise CatalogError(f"The file has {len(data)} entries. Split it into files of at most {MAX_ENTRIES}.")
    if isinstance(data, dict):
        yield from data.items()
        return
    for position, fields in enumerate(data, 1):
        yield _key_of(fields, position)


def _key_of(fields: Any, position: int) -> tuple[str, Any]:
    """A list entry names itself by `key` or `id`; one that does not is told by its place."""
    if isinstance(fields, dict):
        rest = dict(fields)
        for name in ("key", "id"):
            if isinstance(rest.get(name), str):
                return rest.pop(name), rest
    return f"entry {position}", fields


def _fields(definition: Definition) -> dict[str, Any]:
    """Only what is set, in the order people read."""
    every: dict[str, Any] = {
        "label": definition.label,
        "repo": definition.repo,
        "local_path": definition.local_path,
        "nodes": definition.nodes,
        "image": definition.image,
        "args": list(definition.args),
        "env": dict(definition.env),
        "mods": list(definition.mods),
        "launcher_args": list(definition.launcher_args),
        "docker_args": list(definition.docker_args),
        "expected_load_seconds": definition.expected_load_seconds,
        "notes": definition.notes,
    }
    return {name: value for name, value in every.items() if value not in (None, "", [], {})}
