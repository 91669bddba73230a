"""Readers of the environment that fail loudly. Nothing else in the house reads os.environ."""

import os
from pathlib import Path


class BadEnvironment(Exception):
    """A variable has a value we cannot use; the message names it and says what to write."""


def text(name: str, default: str = "") -> str:
    """NAME, or the content of the file NAME_FILE names (for secrets), or `default`."""
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return os.environ.get(name, "").strip() or default
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise BadEnvironment(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


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


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or default
