"""One catalog entry as people write it, to a Definition: other spellings, words as one string, knobs, ports.

What is not understood is kept as a line in the notes and told; nothing is dropped silently.
"""

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from swaps.catalog.definition import Definition, Problem
from swaps.catalog.vllm_options import option_name, without_option

# Ours first; the others are spellings of models.yaml files and launcher recipes.
SPELLINGS = {
    "label": ("label", "title", "display_name", "name"),
    "repo": ("repo", "repo_id", "hf_repo", "hf_model", "model_id", "model"),
    "local_path": ("local_path", "model_path", "path"),
    "args": ("args", "vllm_args", "vllm_extra_args", "extra_args", "arguments", "serve_args"),
    "env": ("env", "environment"),
    "nodes": ("nodes", "num_nodes", "nnodes", "sparks"),
    "launcher_args": ("launcher_args", "launch_args", "launcher_flags"),
    "docker_args": ("docker_args", "extra_docker_args"),
    "mods": ("mods", "mod", "apply_mods", "apply_mod"),
    "image": ("image", "docker_image", "container_image"),
    "expected_load_seconds": ("expected_load_seconds", "load_seconds", "load_time_seconds", "eta_seconds"),
    "notes": ("notes", "description", "comment"),
}
KNOB_NAMES = (
    *("gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "tensor_parallel_size"),
    *("kv_cache_dtype", "load_format", "quantization", "dtype", "reasoning_parser", "tool_call_parser"),
    *("served_model_name", "enable_auto_tool_choice", "enable_prefix_caching", "trust_remote_code"),
)
_KNOB = re.compile(r"[a-z][a-z0-9_.-]{0,80}")
_YES = frozenset({"true", "yes", "on"})
_NO = frozenset({"false", "no", "off"})
_OURS_TO_PASS = ("--host", "--port")


@dataclass
class _Entry:
    """The entry while it is read; `take` empties it, what is left over was not understood."""

    fields: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def take(self, name: str) -> Any:
        """The value under any spelling; two spellings at once are a problem."""
        present = [spelling for spelling in SPELLINGS[name] if self.fields.get(spelling) is not None]
        if len(present) > 1:
            if name in ("label", "notes"):  # a name beside a label is no contradiction: it stays as a remark
                present = present[:1]
            else:
                self.wrong(name, f"It is given as {' and '.join(present)}. Keep one of them.")
        for spelling in SPELLINGS[name]:
            if spelling in present or self.fields.get(spelling, "") is None:
                value = self.fields.pop(spelling)
                if value is not None:
                    return value
        return None

    def wrong(self, name: str, message: str) -> None:
        self.problems.append(Problem(name, message))


def read_entry(key: str, fields: dict[str, Any]) -> tuple[Definition, list[Problem], list[str]]:
    """The definition as far as it can be read, what is wrong with its form, and remarks for the person importing."""
    entry = _Entry(dict(fields))
    nodes = _nodes(entry)
    args = _args(entry)
    definition = Definition(
        key=key,
        label=_text(entry, "label") or key,
        repo=_text(entry, "repo") or None,
        local_path=_text(entry, "local_path") or None,
        args=args,
        env=_env(entry),
        nodes=nodes,
        launcher_args=_words(entry, "launcher_args"),
        docker_args=_words(entry, "docker_args"),
        mods=_words(entry, "mods"),
        image=_text(entry, "image"),
        expected_load_seconds=_number(entry, "expected_load_seconds"),
        notes=_notes(entry),
    )
    return definition, entry.problems, entry.remarks


def _text(entry: _Entry, name: str) -> str:
    value = entry.take(name)
    if value is None or isinstance(value, str):
        return value or ""
    entry.wrong(name, "It is not plain text. Write one value.")
    return ""


def _number(entry: _Entry, name: str) -> int | None:
    text = _text(entry, name).replace("_", "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    entry.wrong(name, f"{text[:40]!r} is not a whole number. Write digits only.")
    return None


def _words(entry: _Entry, name: str) -> tuple[str, ...]:
    value = entry.take(name)
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            entry.wrong(name, f"The line cannot be split into words ({error}). Write a list, one word per item.")
            return ()
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    entry.wrong(name, "It is neither a line of text nor a list of words. Write a list, one word per item.")
    return ()


def _args(entry: _Entry) -> tuple[str, ...]:
    args = _words(entry, "args")
    knobs = entry.fields.pop("knobs", None) or {}
    if not isinstance(knobs, dict):
        entry.wrong("args", "knobs is not a mapping. Write name: value lines below it.")
        knobs = {}
    knobs = {**{name: entry.fields.pop(name) for name in KNOB_NAMES if name in entry.fields}, **knobs}
    for name, value in knobs.items():
        args = _with_knob(entry, args, name, value)
    return _without_place(entry, args)


def _with_knob(entry: _Entry, args: tuple[str, ...], name: str, value: Any) -> tuple[str, ...]:
    """A knob is the same setting by another road; it wins over the list, which is the recipe's default."""
    option = f"--{name.replace('_', '-')}"
    if not _KNOB.fullmatch(name) or isinstance(value, (list, dict)):
        entry.wrong("args", f"The knob {name[:60]!r} is not a plain setting. Write it into args.")
    elif value is None or value.lower() in _NO:
        entry.remarks.append(f"The knob {name} is off and was left out.")
    elif value.lower() in _YES:
        return args if option in map(option_name, args) else (*args, option)
    else:
        return (*without_option(args, option), option, value)
    return args


def _without_place(entry: _Entry, args: tuple[str, ...]) -> tuple[str, ...]:
    """Recipes carry host and port; here the slot decides, and validation would refuse them."""
    for option in _OURS_TO_PASS:
        if option in map(option_name, args):
            args = without_option(args, option)
            entry.remarks.append(f"{option} was left out of args: the slot decides it.")
    return args


def _env(entry: _Entry) -> tuple[tuple[str, str], ...]:
    value = entry.take("env")
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(line, str) and "=" in line for line in value):
        value = dict(line.split("=", 1) for line in value)
    if isinstance(value, dict) and all(text is None or isinstance(text, str) for text in value.values()):
        return tuple((name, text or "") for name, text in value.items())
    entry.wrong("env", "It is neither NAME: value lines nor a list of NAME=value. Write NAME: value lines.")
    return ()


def _nodes(entry: _Entry) -> int:
    """`nodes`, or the solo and cluster markers of other files."""
    marks = {name: str(entry.fields.get(name, "")).lower() for name in ("solo", "cluster", "cluster_only", "mode")}
    for name, value in marks.items():
        if value in _YES | _NO | {"solo", "cluster"}:
            del entry.fields[name]
    number = _number(entry, "nodes")
    if number is not None:
        return number
    return 2 if marks["mode"] == "cluster" or {marks["cluster"], marks["cluster_only"]} & _YES else 1


def _notes(entry: _Entry) -> str:
    """Called last: what is still in the entry was not understood."""
    notes = _text(entry, "notes")
    kept = [f"{name}: {_short(value)}" for name, value in entry.fields.items() if value is not None]
    for name in entry.fields:
        entry.remarks.append(f"The field {name[:60]!r} is not known here; it was kept in the notes.")
    return "\n".join(filter(None, [notes, *(f"(not used) {line}" for line in kept)]))


def _short(value: Any) -> str:
    return " ".join((value if isinstance(value, str) else repr(value)).split())[:500]
