"""What may stand in a word that reaches a Spark. Each rule says yes or no; `message_of` says what is wanted instead.

Always `fullmatch`: `match("...$")` lets a trailing newline through.
"""

import ipaddress
import re

DEFAULT_LAUNCHER_DIR = "~/spark-vllm-docker"
MAX_WORD_BYTES = 4096  # the same bound as cluster.ssh.command

# Survives an unquoted expansion in bash, also after a trip through ssh and a second shell: no blank, no quote, no
# glob character, no `~`, no `$`. The launcher expands its docker arguments exactly so (spark-facts.md 1.2).
PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")

_REPO_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_REPO_PART}/{_REPO_PART}")
_PATH = re.compile(r"(?:/[A-Za-z0-9_.@%+=,-]+)+")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"  # registry host and port
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
_UNIX_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_LAUNCHER_DIR = re.compile(r"(?:~|/[A-Za-z0-9_.@%+=,-]+)(?:/[A-Za-z0-9_.@%+=,-]+)*/?")
_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_SLOT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_MOD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")

MESSAGES = {
    "repo": "must be a Hugging Face name of two parts, such as Qwen/Qwen3-32B",
    "path": "must be an absolute path of letters, digits and . _ - + @ % = , with no . or .. part",
    "image": "must be a container image such as vllm-node or ghcr.io/team/vllm:1.2",
    "container": "must begin with a letter or digit and hold only letters, digits, . _ - (at most 64)",
    "host": "must be a host name or an IP address, without a leading dash",
    "port": "must be a number from 1 to 65535",
    "env_name": "must be capital letters, digits and _, such as VLLM_USE_V1",
    "unix_user": "must be a Linux user name of small letters, digits, - and _",
    "launcher_dir": "must be an absolute path, or one that begins with ~/, with no . or .. part and no spaces",
    "key": "must be 1 to 100 letters, digits, . _ -, beginning and ending with a letter or digit",
    "slot": "must be 1 to 40 small letters, digits and dashes, beginning and ending with a letter or digit",
    "mod": "must be a path inside the launcher directory, such as mods/fix-qwen3-coder-next",
}


def message_of(rule: str) -> str:
    """The half sentence that says what the rule wants; KeyError for an unknown rule."""
    return MESSAGES[rule]


def has_control_character(text: str) -> bool:
    """C0, DEL, C1, the two Unicode line separators, or a lone surrogate: nothing a word or a log line may hold."""
    return any(
        (code := ord(c)) < 0x20 or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029) or 0xD800 <= code < 0xE000
        for c in text
    )


def is_plain_word(text: str) -> bool:
    """True when no quoting, splitting or globbing by any number of shells can change the word."""
    return len(text) <= MAX_WORD_BYTES and PLAIN_WORD.fullmatch(text) is not None


def is_shell_word(text: str) -> bool:
    """True when the word can travel as one quoted word: no control character, no surrogate, at most 4 KiB."""
    return not has_control_character(text) and len(text.encode()) <= MAX_WORD_BYTES


def is_repo_id(text: str) -> bool:
    return len(text) <= 160 and _REPO.fullmatch(text) is not None and ".." not in text and "--" not in text


def is_absolute_path(text: str) -> bool:
    return len(text) <= 1024 and _PATH.fullmatch(text) is not None and not _has_dots(text)


def is_launcher_dir(text: str) -> bool:
    """Absolute, or in the login user's home as `~/...`."""
    return len(text) <= 1024 and _LAUNCHER_DIR.fullmatch(text) is not None and not _has_dots(text)


def launcher_path(directory: str) -> str:
    """Where launch-cluster.sh stands; a blank directory means ~/spark-vllm-docker."""
    return f"{(directory or DEFAULT_LAUNCHER_DIR).rstrip('/')}/launch-cluster.sh"


def is_image_reference(text: str) -> bool:
    return len(text) <= 255 and _IMAGE.fullmatch(text) is not None


def is_container_name(text: str) -> bool:
    return _CONTAINER.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """A name or an IP address (v6 without brackets and without a zone)."""
    if ":" in text:
        return _is_ipv6(text)
    return 0 < len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in text.split("."))


def is_port(value: int | str) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[0-9]{1,5}", value) is not None and is_port(int(value))
    return not isinstance(value, bool) and 1 <= value <= 65535


def is_env_name(text: str) -> bool:
    return _ENV_NAME.fullmatch(text) is not None


def is_unix_user(text: str) -> bool:
    return _UNIX_USER.fullmatch(text) is not None


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None and ".." not in text


def is_slot_name(text: str) -> bool:
    return _SLOT.fullmatch(text) is not None


def is_mod_path(text: str) -> bool:
    """Relative to the launcher directory: a mod is code that runs in the container, so it comes from there alone."""
    return len(text) <= 255 and _MOD.fullmatch(text) is not None and not _has_dots(text)


def is_under(path: str, directory: str) -> bool:
    """Both already absolute and free of `.` and `..` parts."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _has_dots(path: str) -> bool:
    return any(part in (".", "..") for part in path.split("/"))


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
