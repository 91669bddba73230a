"""A remote command as data: an argv of validated words, rendered once for the wire and once, masked, for people."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

MASK = "***"
MAX_WORD_BYTES = 4096
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # else `env` would take it for an option or for the program
MAX_COMMAND_BYTES = 100 * 1024  # bash refuses about 128 KiB in one argument (measured)


class UnsafeWord(ValueError):
    """A word that must never reach a shell; the message names the trouble, not the value."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A word that people must not see. Prefer stdin: a command line is visible in `ps`."""

    value: str = field(repr=False)
    named: str = ""  # the variable it is the value of, which people may see

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
            head += [Secret(f"{k}={v.value}", named=k) if isinstance(v, Secret) else f"{k}={v}" for k, v in self.env]
        if self.script is not None:
            head += ["bash", "-c", self.script, "spark-control"]
        return (*head, *self.argv)

    def wire(self) -> str:
        """The text for the remote login shell. Raises UnsafeWord."""
        for word in self.argv:
            check_word(_plain(word))
        for name, value in self.env:
            if not ENV_NAME.fullmatch(name):
                raise UnsafeWord("a name in the environment is none")
            check_word(f"{name}={_plain(value)}")
        if self.cwd is not None:
            check_word(self.cwd)
            if not self.cwd or self.cwd.startswith("-"):
                raise UnsafeWord("a working directory is empty or begins with a dash")
        text = self._render(_plain(word) for word in self.words())
        if len(text.encode()) > MAX_COMMAND_BYTES:
            raise UnsafeWord(f"the command is longer than {MAX_COMMAND_BYTES} bytes")
        return text

    def display(self) -> str:
        """The text for logs and people: secrets masked, our own script shown as "(script)" instead of in full."""
        if self.script is None:
            return self._render(_shown(word) for word in self.words())
        masked = Command(self.argv, None, None, self.env)
        return f"(script) {masked._render(_shown(word) for word in masked.words())}".rstrip()

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


def _shown(word: Word) -> str:
    """Masked; a secret in the environment keeps its name. What may not stand in a terminal is escaped."""
    text = str(word)
    if isinstance(word, Secret) and word.named:
        text = f"{word.named}={MASK}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plain(word: Word) -> str:
    return word.value if isinstance(word, Secret) else word
