"""Which launch-cluster.sh stands on a Spark: read from the flags its usage text names, never from a version number.

The usage text exits 1 and describes `-d` wrongly to this day, so behaviour without a flag of its own is dated by the
nearest flag that appeared after it (spark-facts.md 1.2 and 1.7; the launcher's own history).
"""

import re
from dataclasses import dataclass

VINTAGES = ("2026-01", "2026-04", "2026-08")
UNKNOWN = "unknown"

_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][A-Za-z0-9-]*")
_BASIC = frozenset({"-n", "-t", "--name"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this launcher can do. `vintage` is for people; decisions ask the properties."""

    flags: frozenset[str]
    vintage: str

    def knows(self, flag: str) -> bool:
        return flag in self.flags

    @property
    def known(self) -> bool:
        return self.vintage != UNKNOWN

    @property
    def detached_exec(self) -> bool:
        """`-d exec` leaves vLLM running. True since 2026-02-26; `--no-ray` (2026-03) is the first flag after that."""
        return self.no_ray

    @property
    def quoted_exec(self) -> bool:
        """`exec` keeps words apart. Fixed 2026-03-04; before, words were joined and read again by a shell."""
        return self.no_ray

    @property
    def joined_exec(self) -> bool:
        """`exec` surely joins its words into one line for `bash -c`: the versions before 2026-01-29."""
        return self.known and not self.solo

    @property
    def quoted_workers(self) -> bool:
        """Words reach a worker unchanged without Ray. Fixed 2026-04-15; `--keep-entrypoint` (2026-05) came next."""
        return "--keep-entrypoint" in self.flags

    @property
    def solo(self) -> bool:
        return "--solo" in self.flags

    @property
    def env_flag(self) -> bool:
        return "-e" in self.flags

    @property
    def no_ray(self) -> bool:
        return "--no-ray" in self.flags

    @property
    def ray_flag(self) -> bool:
        """Ray has to be asked for (since 2026-07-01). Without this flag two nodes mean Ray unless `--no-ray`."""
        return "--ray" in self.flags

    @property
    def mods(self) -> bool:
        return "--apply-mod" in self.flags

    @property
    def launch_script(self) -> bool:
        return "--launch-script" in self.flags

    @property
    def volumes(self) -> bool:
        return "-v" in self.flags


def read_capabilities(help_text: str) -> Capabilities:
    """Read the usage text of `launch-cluster.sh --help`; text that is no such usage gives vintage "unknown"."""
    flags = frozenset(_FLAG.findall(help_text))
    return Capabilities(flags=flags, vintage=_vintage(flags))


def _vintage(flags: frozenset[str]) -> str:
    if not flags >= _BASIC:
        return UNKNOWN
    if "--no-ray" not in flags:
        return VINTAGES[0]
    return VINTAGES[2] if "--ray" in flags else VINTAGES[1]
