"""What the rest of the house knows about SSH: a transport runs commands, each with one of three outcomes."""

from collections.abc import Callable
from dataclasses import dataclass, field
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
    truncated: bool = False  # more came than is kept (4 MiB); the rest was read and dropped

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
    """The command did not start. `str()` is a sentence with a remedy, for people.

    `permanent` means trying again cannot help until a person acts.
    """

    permanent = False
    code = "ssh-error"


class Unreachable(TransportError):
    code = "ssh-unreachable"


class Busy(TransportError):
    """Our own limit of commands at once on one Spark stayed reached for the whole time limit."""

    code = "ssh-busy"


class AuthFailed(TransportError):
    permanent = True
    code = "ssh-auth"


class HostKeyProblem(TransportError):
    """`pinned` and `presented` are SHA-256 fingerprints as `ssh-keygen -lf` prints them; blank = there is none."""

    permanent = True

    def __init__(self, message: str, *, pinned: str = "", presented: str = "") -> None:
        super().__init__(message)
        self.pinned = pinned
        self.presented = presented


class HostKeyMismatch(HostKeyProblem):
    code = "ssh-host-key"


class HostKeyUnknown(HostKeyProblem):
    code = "ssh-host-key-unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Spark answers SSH. `host_key` is the pinned public key line ("ssh-ed25519 AAAA..."), blank = none yet."""

    name: str
    host: str
    port: int
    user: str
    host_key: str
    private_key: str = field(repr=False)  # OpenSSH PEM text

    @property
    def label(self) -> str:
        """How sentences for people name this Spark: "spark-1 (192.168.1.5:22)"."""
        return f"{self.name} ({self.host}:{self.port})"


LineSink = Callable[[OutputLine], None]


class Transport(Protocol):
    """An open door to one Spark. Safe to use from several threads; opens its connection when first used."""

    def run(self, command: Command, *, timeout: float = 30.0, stdin: str | None = None) -> CommandResult:
        """Run to the end, at most `timeout` seconds. A non-zero exit is a result, not an exception.

        `lines` are whole lines without their newline. Raises TransportError when the command never started,
        UnsafeWord when it cannot be rendered. After an unknown outcome the command may still run on the Spark.
        """

    def follow(
        self, command: Command, sink: LineSink, *, should_stop: Callable[[], bool], timeout: float
    ) -> CommandResult:
        """Run and hand each output piece to `sink` at once; ends with the command, `should_stop` or `timeout` (s).

        Pieces are text as it came, not split into lines; the result holds none. `should_stop` is asked about ten
        times a second, from the calling thread, which also calls `sink`. The command's stdin stays open and silent
        until we let go or the link drops, so a remote script can end itself by reading it to the end.
        """

    def close(self) -> None: ...
