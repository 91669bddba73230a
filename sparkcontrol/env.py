"""Readers of the environment that fail loudly. Nothing else in the house reads os.environ."""

import os
from pathlib import Path


class BadEnvironment(SystemExit):
    """A variable has a value we cannot use; the message names it and says what to write.

    Whatever program reads it ends with the sentence instead of a traceback. Ids as in docs/configuration.md.
    """

    def __init__(self, sentence: str, id: str = "sparkcontrol.E010") -> None:
        super().__init__(f"{sentence} ({id})")


files_read: dict[str, Path] = {}
"""Which variables came from which files, for the check of their modes."""


def text(name: str, default: str = "") -> str:
    """NAME, or the content of the file NAME_FILE names (for secrets), or `default`."""
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return os.environ.get(name, "").strip() or default
    try:
        content = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        sentence = f"{name}_FILE names {path}, which cannot be read: {why}."
        raise BadEnvironment(sentence, "sparkcontrol.E011") from error
    files_read[name] = Path(path)
    return content or default


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if value in ("", "true", "false", "1", "0", "yes", "no"):
        return value in ("true", "1", "yes") if value else default
    raise BadEnvironment(f"{name} is {value!r}; write true or false.")


def choice(name: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`; the first is the default."""
    value = text(name, allowed[0])
    if value in allowed:
        return value
    raise BadEnvironment(f"{name} is {value!r}; write {' or '.join(allowed)}.")


def integer(name: str, default: int) -> int:
    value = text(name)
    try:
        return int(value) if value else default
    except ValueError:
        raise BadEnvironment(f"{name} is {value!r}; write a whole number.") from None


def days(name: str, default: int) -> int | None:
    """None for 0: for ever."""
    value = integer(name, default)
    if 0 <= value <= 36500:
        return value or None
    raise BadEnvironment(f"{name} is {value}; write a number of days up to 36500, or 0 for ever.")


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or default
