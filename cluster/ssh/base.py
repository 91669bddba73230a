"""What the rest of the house knows about SSH: a transport runs commands, and every command has one of three outcomes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from cluster.ssh.command import Command

Stream = Literal["stdout", "stderr"]


class Outcome(StrEnum):
    OK = "ok"  # exit status 0
    FAILED = "failed"  # a true non-zero exit status
    UNKNOWN = "unknown"  # dropped or timed out: the command may have run, may still run


@dataclass(frozen=True, slots=True)
class OutputLine:
    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What came back. `exit_status` is None when unknown; `lines` keep stdout and stderr in order of arrival."""

    outcome: Outcome
    exit_status: int | None
    lines: tuple[OutputLine, ...]
    seconds: float
    reason: str = ""  # for unknown: why, as one sentence

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def stdout(self) -> str:
        return "\n".join(line.text for line in self.lines if line.stream == "stdout")

    @property
    def stderr(self) -> str:
        return "\n".join(line.text for line in self.lines if line.stream == "stderr")

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class TransportError(Exception):
    """The command did not start. `permanent` means trying again cannot help until a person acts."""

    permanent = False
    code = "ssh-error"


class Unreachable(TransportError):
    code = "ssh-unreachable"


class AuthFailed(TransportError):
    permanent = True
    code = "ssh-auth"


class HostKeyMismatch(TransportError):
    permanent = True
    code = "ssh-host-key"


class HostKeyUnknown(TransportError):
    permanent = True
    code = "ssh-host-key-unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Spark answers SSH. `host_key` is the pinned public key line ("ssh-ed25519 AAAA..."), blank = none yet."""

    name: str
    host: str
    port: int
    user: str
    host_key: str
    private_key: str  # OpenSSH PEM text


LineSink = Callable[[OutputLine], None]


class Transport(Protocol):
    """An open door to one Spark. Safe to use from several threads; opens its connection when first used."""

    def run(self, command: Command, *, timeout: float = 30.0, stdin: str | None = None) -> CommandResult:
        """Run to the end. A non-zero exit is a result, not an exception. Raises TransportError when it never started."""

    def follow(
        self, command: Command, sink: LineSink, *, should_stop: Callable[[], bool], timeout: float
    ) -> CommandResult:
        """Run and hand each output piece, as it arrives, to `sink`; ends with the command, `should_stop` or `timeout` (s)."""

    def close(self) -> None: ...
