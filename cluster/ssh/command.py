"""A remote command as data: an argv of validated words, rendered once for the wire and once, masked, for people."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

MASK = "***"
MAX_WORD_BYTES = 4096
MAX_COMMAND_BYTES = 100 * 1024  # bash refuses about 128 KiB in one argument (measured)


class UnsafeWord(ValueError):
    """A word that must never reach a shell; the message names the trouble, not the value."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A word that people must not see. Prefer stdin: a command line is visible in `ps`."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return MASK


Word = str | Secret


@dataclass(frozen=True, slots=True)
class Command:
    """One program call. `script` is our own constant text for `bash -c`; `argv` are then its $1, $2, ..."""

    argv: tuple[Word, ...]
    script: str | None = None
    cwd: str | None = None
    env: tuple[tuple[str, Word], ...] = ()

    @classmethod
    def of(cls, *argv: Word) -> Self:
        return cls(argv=argv)

    @classmethod
    def shell(cls, script: str, *arguments: Word) -> Self:
        return cls(argv=arguments, script=script)

    def with_env(self, env: Mapping[str, Word]) -> "Command":
        return Command(self.argv, self.script, self.cwd, (*self.env, *env.items()))

    def words(self) -> tuple[Word, ...]:
        """The whole argv as one flat list, `env` and `bash -c` included."""
        head: list[Word] = []
        if self.env:
            head.append("env")
            head += [Secret(f"{k}={v.value}") if isinstance(v, Secret) else f"{k}={v}" for k, v in self.env]
        if self.script is not None:
            head += ["bash", "-c", self.script, "spark-control"]
        return (*head, *self.argv)

    def wire(self) -> str:
        """The text for the remote login shell. Raises UnsafeWord."""
        for word in self.argv:
            check_word(_plain(word))
        for name, value in self.env:
            check_word(f"{name}={_plain(value)}")
        text = self._render(_plain(word) for word in self.words())
        if len(text.encode()) > MAX_COMMAND_BYTES:
            raise UnsafeWord(f"the command is longer than {MAX_COMMAND_BYTES} bytes")
        return text

    def display(self) -> str:
        """The text for logs and people: secrets masked, our own scripts named instead of quoted in full."""
        if self.script is None:
            return self._render(str(word) for word in self.words())
        return self._render(str(word) for word in Command(self.argv, None, None, self.env).words())

    def _render(self, words: Iterable[str]) -> str:
        line = shlex.join(words)
        return f"cd {shlex.quote(self.cwd)} && {line}" if self.cwd else line


def check_word(word: str) -> None:
    """Raise UnsafeWord for what no shell word may hold: control characters, lone surrogates, more than 4 KiB."""
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in word):
        raise UnsafeWord("a word holds a control character")
    if any(0xD800 <= ord(c) < 0xE000 for c in word):
        raise UnsafeWord("a word holds a lone surrogate")
    if len(word.encode()) > MAX_WORD_BYTES:
        raise UnsafeWord(f"a word is longer than {MAX_WORD_BYTES} bytes")


def _plain(word: Word) -> str:
    return word.value if isinstance(word, Secret) else word
