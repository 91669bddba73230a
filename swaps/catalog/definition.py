"""A model definition as a value, and what is wrong with one. Field names are those of the database and the API."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from swaps.catalog import argument_rules as rules
from swaps.catalog.docker_options import docker_argument_problems, is_system_directory
from swaps.catalog.launcher_options import image_in, launcher_argument_problems
from swaps.catalog.vllm_options import option_values, parallel_size, vllm_argument_problems
from swaps.logs.masking import looks_secret

MAX_NODES = 8
MAX_WORDS = 200
MAX_LABEL = 120
MAX_LOAD_SECONDS = 24 * 3600
MAX_VALUES_BYTES = 64 * 1024  # of all words together; a whole command may have 100 KiB

SECRET_ENDINGS = ("TOKEN", "API_KEY", "SECRET", "PASSWORD", "PASSWD", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIALS")
NOT_ON_COMMAND_LINES = (
    "A launch command is visible to every user of the Spark: put it into the .env file beside launch-cluster.sh, as "
    "CONTAINER_NAME=..."
)
# Names the dynamic loader or a shell obeys: setting one replaces the program that was asked for.
LOADER_NAMES = frozenset({"PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "PYTHONSTARTUP"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: the field as the API names it, and a message that says what and the remedy."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A recipe that can be launched. `args` are vLLM's, one word each; `nodes` is the number of Sparks needed."""

    key: str
    label: str
    repo: str | None = None
    local_path: str | None = None
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    nodes: int = 1
    launcher_args: tuple[str, ...] = ()
    docker_args: tuple[str, ...] = ()
    mods: tuple[str, ...] = ()
    image: str = ""
    expected_load_seconds: int | None = None
    notes: str = ""

    def model_argument(self) -> str:
        """The word after `vllm serve`."""
        return self.repo or self.local_path or ""

    def served_names(self) -> tuple[str, ...]:
        """The ids /v1/models will list: `--served-model-name`, else the model argument itself."""
        return option_values(self.args, "--served-model-name") or (self.model_argument(),)


def validate(definition: Definition) -> list[Problem]:
    """Everything wrong with it, in field order; an empty list means it may be launched."""
    checks: tuple[tuple[str, Callable[[Definition], Iterable[str]]], ...] = (
        ("key", _key),
        ("label", _label),
        ("repo", _repo),
        ("local_path", _local_path),
        ("args", _args),
        ("env", _env),
        ("nodes", _nodes),
        ("launcher_args", _launcher_args),
        ("docker_args", _docker_args),
        ("mods", _mods),
        ("image", _image),
        ("expected_load_seconds", _expected_load_seconds),
        ("notes", _notes),
    )
    problems = [Problem(field, message) for field, check in checks for message in check(definition)]
    return problems or [Problem("args", message) for message in _size(definition)]


def _key(definition: Definition) -> Iterator[str]:
    if not rules.is_key(definition.key):
        yield f"The key {rules.message_of('key')}."


def _label(definition: Definition) -> Iterator[str]:
    label = definition.label
    if not label.strip():
        yield "The label is empty. Give the name people should see."
    elif len(label) > MAX_LABEL or rules.has_control_character(label):
        yield f"The label holds a control character or more than {MAX_LABEL} characters. Write one short line."


def _repo(definition: Definition) -> Iterator[str]:
    if definition.repo and definition.local_path:
        yield "Both repo and local_path are given. Keep exactly one of them."
    elif not definition.repo and not definition.local_path:
        yield "Neither repo nor local_path is given. Give a Hugging Face name or a directory on the Sparks."
    if definition.repo and not rules.is_repo_id(definition.repo):
        yield f"The repo {rules.message_of('repo')}."


def _local_path(definition: Definition) -> Iterator[str]:
    path = definition.local_path
    if not path:
        return
    if not rules.is_absolute_path(path):
        yield f"The local path {rules.message_of('path')}. Move or link the directory to such a name."
    elif is_system_directory(path):
        yield "The local path is a system directory. Keep weights elsewhere, such as /home/you/models/NAME."


def _words(words: tuple[str, ...], what: str) -> Iterator[str]:
    """The rules every list of words shares."""
    if len(words) > MAX_WORDS:
        yield f"There are {len(words)} {what}. Use at most {MAX_WORDS}."
    for position, word in enumerate(words, 1):
        if not isinstance(word, str):
            yield f"Item {position} of the {what} is not text. Write every item in quotes."
        elif rules.has_control_character(word):
            yield f"Item {position} of the {what} holds a control character or line break. Remove it."
        elif len(word.encode()) > rules.MAX_WORD_BYTES:
            yield f"Item {position} of the {what} is longer than {rules.MAX_WORD_BYTES} bytes. Shorten it."
        elif looks_secret(word):
            yield f"Item {position} of the {what} looks like a token or password. {NOT_ON_COMMAND_LINES}"


def _args(definition: Definition) -> Iterator[str]:
    found = list(_words(definition.args, "vLLM arguments"))
    yield from found or vllm_argument_problems(definition.args, definition.local_path, bool(definition.mods))
    if not found and _is_count(definition.nodes) and definition.nodes <= MAX_NODES:
        yield from _parallel(definition)


def _parallel(definition: Definition) -> Iterator[str]:
    size = parallel_size(definition.args)
    if size is None and definition.nodes > 1:
        yield f"Nothing spreads the model over {definition.nodes} Sparks. Add -tp {definition.nodes}."
    elif size is not None and size != definition.nodes:
        yield (
            f"The parallel sizes multiply to {size}, but nodes is {definition.nodes} and a Spark has one GPU. "
            "Make the two equal."
        )


def _env(definition: Definition) -> Iterator[str]:
    if len(definition.env) > MAX_WORDS:
        yield f"There are {len(definition.env)} environment settings. Use at most {MAX_WORDS}."
    names = [name for name, _ in definition.env]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name!r} is set twice. Keep one."
    for name, value in definition.env:
        yield from _env_setting(name, value)


def _env_setting(name: str, value: str) -> Iterator[str]:
    if not isinstance(name, str) or not rules.is_env_name(name):
        yield f"The name {str(name)[:60]!r} {rules.message_of('env_name')}."
    elif name.startswith("LD_") or name in LOADER_NAMES:
        yield f"{name} changes which programs run in the container. Put it into the image instead."
    elif name.endswith(SECRET_ENDINGS):
        yield (
            f"{name} looks like a secret, and a launch command is visible to every user of the Spark. "
            f"Write CONTAINER_{name}=... into the .env file beside launch-cluster.sh instead, or {name}=... into "
            "~/.spark-control/env where docker run starts the model."
        )
    elif isinstance(value, str) and looks_secret(value):
        yield f"The value of {name} looks like a token or password. {NOT_ON_COMMAND_LINES}"
    if not isinstance(value, str) or not rules.is_shell_word(value):
        yield f"The value of {str(name)[:60]} holds a control character, is too long or no text. Write one short line."


def _nodes(definition: Definition) -> Iterator[str]:
    if not _is_count(definition.nodes) or definition.nodes > MAX_NODES:
        yield f"The number of Sparks must be a whole number from 1 to {MAX_NODES}."


def _launcher_args(definition: Definition) -> Iterator[str]:
    yield from list(_words(definition.launcher_args, "launcher arguments")) or launcher_argument_problems(
        definition.launcher_args, one_node=definition.nodes == 1
    )


def _docker_args(definition: Definition) -> Iterator[str]:
    yield from list(_words(definition.docker_args, "docker arguments")) or docker_argument_problems(
        definition.docker_args
    )


def _mods(definition: Definition) -> Iterator[str]:
    if len(definition.mods) > MAX_WORDS:
        yield f"There are {len(definition.mods)} mods. Use at most {MAX_WORDS}."
    for mod in definition.mods:
        if not isinstance(mod, str) or not rules.is_mod_path(mod):
            yield f"The mod {str(mod)[:60]!r} {rules.message_of('mod')}."


def _image(definition: Definition) -> Iterator[str]:
    if definition.image and not rules.is_image_reference(definition.image):
        yield f"The image {rules.message_of('image')}."
    elif definition.image and image_in(definition.launcher_args):
        yield "The image is named here and by -t among the launcher arguments. Keep this field and remove -t."


def _expected_load_seconds(definition: Definition) -> Iterator[str]:
    seconds = definition.expected_load_seconds
    if seconds is not None and not (_is_count(seconds) and seconds <= MAX_LOAD_SECONDS):
        yield f"The expected load time must be a whole number of seconds from 1 to {MAX_LOAD_SECONDS}, or empty."


def _notes(definition: Definition) -> Iterator[str]:
    if len(definition.notes) > 10_000 or rules.has_control_character(definition.notes.translate(_LINE_BREAKS)):
        yield "The notes hold a control character or more than 10,000 characters. Shorten them to plain text."


_LINE_BREAKS = {ord("\n"): " ", ord("\r"): " ", ord("\t"): " "}


def _size(definition: Definition) -> Iterator[str]:
    """Only asked when every word is sound, so that the size is that of the command."""
    words = (*definition.args, *definition.launcher_args, *definition.docker_args, *definition.mods)
    total = sum(len(word.encode()) + 3 for word in words) + sum(len(n) + len(v.encode()) + 6 for n, v in definition.env)
    if total > MAX_VALUES_BYTES:
        yield f"All arguments together take {total} bytes. Keep them under {MAX_VALUES_BYTES}."


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
