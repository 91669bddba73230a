"""The arguments of `vllm serve`: read them, and refuse those that Spark Control sets itself.

vLLM's parser treats `_` in an option name as `-`, takes `--name=value`, `--name value` and dotted names, and argparse
takes unambiguous beginnings of a name; a refusal has to see through all four.
"""

from collections.abc import Iterator

from swaps.catalog.argument_rules import is_absolute_path, is_under

PORT_REMEDY = "Remove it: the slot's port is passed for you."
MULTI_NODE_REMEDY = "Remove it and set nodes: the launcher adds it for each Spark."
TLS_REMEDY = "Remove it: Spark Control speaks plain HTTP to vLLM on your network; put TLS in front of the gateway."
OWNED = {
    "--host": "Remove it: vLLM listens on 0.0.0.0, which is passed for you.",
    "--port": PORT_REMEDY,
    "--uds": PORT_REMEDY,
    "--nnodes": MULTI_NODE_REMEDY,
    "--node-rank": MULTI_NODE_REMEDY,
    "--master-addr": MULTI_NODE_REMEDY,
    "--master-port": "Remove it; to change it, write --master-port among the launcher arguments.",
    "--headless": MULTI_NODE_REMEDY,
    "--api-key": (
        "Remove it: a key on a command line is visible to every user of the Spark. "
        "Write CONTAINER_VLLM_API_KEY=... into the .env file beside launch-cluster.sh, or let the gateway ask for keys."
    ),
    "--model": "Remove it and fill in repo or local_path.",
    "--config": "Remove it and write its settings as arguments, so that they are visible here.",
    "--ssl-keyfile": TLS_REMEDY,
    "--ssl-certfile": TLS_REMEDY,
    "--ssl-ca-certs": TLS_REMEDY,
}
BACKEND = "--distributed-executor-backend"
PARALLEL = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
}
_PARALLEL_NAMES = {**PARALLEL, **{name: name for name in PARALLEL.values()}}


def option_name(word: str) -> str | None:
    """The option a word names, `_` as `-`, without value; None for a value. Negative numbers are values."""
    if not word.startswith("-") or word in ("-", "--") or word[1:2].isdigit():
        return None
    return word.split("=", 1)[0].replace("_", "-")


def option_values(args: tuple[str, ...], name: str) -> tuple[str, ...]:
    """All values of one option, in either form; the last occurrence wins, as in argparse."""
    found: tuple[str, ...] = ()
    for position, word in enumerate(args):
        if option_name(word) == name:
            found = (word.split("=", 1)[1],) if "=" in word else _following(args, position + 1)
    return found


def parallel_size(args: tuple[str, ...]) -> int | None:
    """tensor x pipeline x data parallel size: the GPUs, so the Sparks. None when no such option is given."""
    sizes: dict[str, int] = {}
    for position, word in enumerate(args):
        name = _PARALLEL_NAMES.get(option_name(word) or "")
        if name is not None:
            value = word.split("=", 1)[1] if "=" in word else "".join(args[position + 1 : position + 2])
            sizes[name] = int(value) if value.isascii() and value.isdigit() and len(value) < 5 else 0
    if not sizes:
        return None
    product = 1
    for size in sizes.values():
        product *= size
    return product


def without_option(args: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The arguments without an option and its one value."""
    kept: list[str] = []
    skip = False
    for word in args:
        if skip:
            skip = False
        elif option_name(word) == name:
            skip = "=" not in word
        else:
            kept.append(word)
    return tuple(kept)


def vllm_argument_problems(args: tuple[str, ...], local_path: str | None, has_mods: bool) -> Iterator[str]:
    """What is wrong with words that are already known to be clean text."""
    if args and option_name(args[0]) is None:
        yield f"The first argument {args[0][:60]!r} is not an option. The model goes into repo or local_path."
    for word in args:
        if "" in (word, option_name(word)):
            yield "An argument is empty. Remove it."
        owner = _owner(option_name(word))
        if owner is not None:
            yield f"{owner} is set by Spark Control. {OWNED[owner]}"
    for template in option_values(args, "--chat-template"):
        yield from _template_problems(template, local_path, has_mods)


def _template_problems(template: str, local_path: str | None, has_mods: bool) -> Iterator[str]:
    if "{" in template:  # vLLM takes the text of a template as well as a file
        return
    if ".." in template.split("/"):
        yield "--chat-template holds a .. part. Write the path without it."
    elif "/" not in template:
        if local_path and not has_mods:
            yield f"--chat-template {template[:60]!r} has no directory. Write it as {local_path}/..., which is mounted."
    elif local_path and not (is_absolute_path(template) and is_under(template, local_path)):
        yield f"--chat-template must lie inside {local_path}: only that directory is mounted. Copy the file there."


def _owner(name: str | None) -> str | None:
    """Which owned option a name means: itself, or a beginning of it long enough for argparse to accept."""
    if name is None:
        return None
    name = name.split(".", 1)[0]
    if name in OWNED:
        return name
    return next((owned for owned in OWNED if len(name) >= 4 and owned.startswith(name)), None)


def _following(args: tuple[str, ...], start: int) -> tuple[str, ...]:
    values: list[str] = []
    for word in args[start:]:
        if option_name(word) is not None:
            break
        values.append(word)
    return tuple(values)
