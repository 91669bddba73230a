"""Docker arguments of a definition. They are expanded unquoted by the launcher, on the worker by a second shell too.

So every word is plain, every flag is on a list, and every flag brings its value: a word left over would be read by
docker as the image to run.
"""

import re
from collections.abc import Callable, Iterator

from swaps.catalog.argument_rules import is_absolute_path, is_plain_word, is_under

_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?")
_SIZE = re.compile(r"[0-9]{1,9}[bkmgBKMG]?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/=,@+-]*")
_VOLUME_OPTIONS = frozenset({"ro", "rw", "z", "Z", "rshared", "rslave", "rprivate", "shared", "slave", "private"})
# Host directories that are the machine itself; mounted into a privileged container they hand over the Spark.
SYSTEM_DIRECTORIES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/snap"),
    *("/var/lib", "/var/run", "/var/log"),
)

ROOT_EQUIVALENT = frozenset(
    {
        *("--privileged", "--pid", "--cap-add", "--device", "--device-cgroup-rule", "--security-opt", "--entrypoint"),
        *("--user", "-u", "--userns", "--uts", "--ipc", "--cgroupns", "--cgroup-parent", "--group-add", "--runtime"),
        *("--volumes-from", "--mount", "--env-file", "--label-file", "--cidfile"),
    }
)
OWNED = {
    "--name": "the slot's container name is passed for you",
    "--network": "the launcher uses the host network",
    "--net": "the launcher uses the host network",
    "--publish": "the host network needs no published port",
    "-p": "the host network needs no published port",
    "--publish-all": "the host network needs no published port",
    "-P": "the host network needs no published port",
    "--gpus": "the launcher passes all GPUs",
    "--rm": "the launcher removes its containers itself",
    "--detach": "the launcher detaches by itself",
    "-d": "the launcher detaches by itself",
    "--restart": "a restart policy would start a model that Spark Control has stopped",
    "--env": "write it into env",
    "-e": "write it into env",
    "--log-driver": "without Docker's own log the loading of a model could not be followed",
}


def is_volume(value: str) -> bool:
    """`/host/dir:/container/dir[:options]`, clean paths, and no directory of the system itself."""
    host, _, rest = value.partition(":")
    inside, _, options = rest.partition(":")
    if not (is_absolute_path(host) and is_absolute_path(inside)):
        return False
    if options and not set(options.split(",")) <= _VOLUME_OPTIONS:
        return False
    return not is_system_directory(host)


def is_system_directory(path: str) -> bool:
    """Top-level directories, those of the system, and SSH keys: nothing a container should be given."""
    parts = path.split("/")
    return len(parts) < 3 or ".ssh" in parts or any(is_under(path, taken) for taken in SYSTEM_DIRECTORIES)


def is_label(value: str) -> bool:
    return _NAME.fullmatch(value) is not None and not value.startswith("sparkcontrol.")


def _matching(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


# flag -> what its value must be; None = takes no value
ALLOWED: dict[str, Callable[[str], bool] | None] = {
    "-v": is_volume,
    "--volume": is_volume,
    "-l": is_label,
    "--label": is_label,
    "--shm-size": _matching(_SIZE),
    "-m": _matching(_SIZE),
    "--memory": _matching(_SIZE),
    "--memory-swap": _matching(re.compile(r"-1|[0-9]{1,9}[bkmgBKMG]?")),
    "--memory-reservation": _matching(_SIZE),
    "--cpus": _matching(_NUMBER),
    "--cpuset-cpus": _matching(re.compile(r"[0-9]{1,3}(?:[,-][0-9]{1,3})*")),
    "--cpu-shares": _matching(_NUMBER),
    "--pids-limit": _matching(re.compile(r"-1|[0-9]{1,9}")),
    "--ulimit": _matching(re.compile(r"[a-z]{2,12}=-?[0-9]{1,12}(?::-?[0-9]{1,12})?")),
    "--oom-score-adj": _matching(re.compile(r"-?[0-9]{1,4}")),
    "--stop-timeout": _matching(re.compile(r"[0-9]{1,4}")),
    "--add-host": _matching(_NAME),
    "--dns": _matching(re.compile(r"[0-9A-Fa-f.:]+")),
    "--log-opt": _matching(re.compile(r"max-(?:size|file)=[0-9]{1,9}[kmg]?")),
    "--workdir": is_absolute_path,
    "-w": is_absolute_path,
    "--init": None,
}


def docker_argument_problems(words: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with words that are already known to be clean text."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not is_plain_word(word):
            yield f"{word[:60]!r} holds a blank, quote or shell character, which docker arguments cannot carry."
            continue
        flag, equals, value = word.partition("=")
        refusal = _refusal(flag)
        if refusal is not None:
            yield refusal
        elif ALLOWED[flag] is not None and not equals:
            value = words[position] if position < len(words) else ""
            position += 1
        if refusal is None:
            yield from _value_problems(flag, value, bool(equals))


def _refusal(flag: str) -> str | None:
    if flag in OWNED:
        return f"{flag} is not taken here: {OWNED[flag]}. Remove it."
    if flag in ROOT_EQUIVALENT:
        return f"{flag} can hand over the whole Spark. If you need it, set it in the launcher on the Spark itself."
    if not flag.startswith("-"):
        return f"{flag[:60]!r} belongs to no flag; docker would run it as an image. Remove it."
    if flag not in ALLOWED:
        return f"{flag[:60]} is not on the list of docker flags. Allowed: {', '.join(sorted(ALLOWED))}."
    return None


def _value_problems(flag: str, value: str, joined: bool) -> Iterator[str]:
    rule = ALLOWED[flag]
    if rule is None:
        if joined:
            yield f"{flag} takes no value. Write it alone."
    elif joined and not flag.startswith("--"):
        yield f"Write {flag} and its value as two items: docker reads the = as part of the value."
    elif not (is_plain_word(value) and rule(value)):
        wanted = (
            "/host/dir:/container/dir outside the system's own directories" if rule is is_volume else "a fitting value"
        )
        yield f"{flag} {value[:60]!r} is not allowed. It needs {wanted}."
