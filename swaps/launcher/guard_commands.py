"""The commands of the memory guard and of what belongs to it. Like node_commands: data only, each safe to repeat."""

import re

from cluster.ssh.command import Command
from swaps.catalog.argument_rules import is_container_name, is_slot_name, message_of
from swaps.launcher import guard_scripts as scripts
from swaps.launcher.node_commands import fence_guard

KIB = 1024
_KEY = re.compile(r"[0-9]{1,18}\.[a-z]{1,10}")


def start_guard(
    slot: str, fence: int, key: str, swap_id: int, container: str, *, floor_bytes: int, seconds: int
) -> Command:
    """A guard on this Spark, unless one with this key is there already. Prints started, kept, or fired.

    It ends the swap's container when less than `floor_bytes` is available, and itself after `seconds` at the latest.
    """
    _require(is_container_name(container), "container")
    words = (slot, _checked(key), str(int(swap_id)), container, str(floor_bytes // KIB), str(int(seconds)))
    return fence_guard(slot, fence, Command.shell(scripts.START_GUARD, *words))


def end_guard(slot: str, key: str) -> Command:
    """Exit 0 also when there is none. The guard of another launch is left alone."""
    _require(is_slot_name(slot), "slot")
    return Command.shell(scripts.END_GUARD, slot, _checked(key))


def watch_memory(slot: str, seconds: int) -> Command:
    """A line each second, for read_line: the memory available, and what the guard says. 0 seconds: one look."""
    _require(is_slot_name(slot), "slot")
    return Command.shell(scripts.WATCH_MEMORY, slot, str(int(seconds)))


def drop_caches() -> Command:
    """Give the page cache back. Prints dropped, or `refused` and sudo's words; kills nothing, waits for no password."""
    return Command.shell(scripts.DROP_CACHES)


def memory_left() -> Command:
    """For read_idle: what uses the GPU, and how much memory is available."""
    return Command.shell(scripts.MEMORY_LEFT)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("a guard's key is a swap's number and a word")
    return key


def _require(sound: bool, rule: str) -> None:
    """The last check before the wire: these values were validated when they were saved."""
    if not sound:
        raise ValueError(f"unsafe value: it {message_of(rule)}")
