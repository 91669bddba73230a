"""What a guard and a look at the memory say, read into values. Pure; what cannot be read is None, never a guess."""

from dataclasses import dataclass

STOPPED = frozenset({"fired", "stuck"})  # stuck: it tried, and the container is still there


@dataclass(frozen=True, slots=True)
class GuardReport:
    """A guard's line. `state`: watching, fired, stuck, gone (the container), over (we said so), late (its time)."""

    key: str
    state: str
    available_bytes: int | None = None  # when it wrote this
    floor_bytes: int | None = None

    @property
    def stopped_it(self) -> bool:
        return self.state in STOPPED


@dataclass(frozen=True, slots=True)
class IdleLook:
    """What is on a Spark whose model is gone. `gpu_processes` None: nvidia-smi does not say."""

    gpu_processes: int | None = None
    available_bytes: int | None = None
    total_bytes: int | None = None


def read_guard(line: str) -> GuardReport | None:
    """`guard key=... state=...` of watch_memory; None for any other line."""
    first, *words = line.split()[:10] or [""]
    facts = dict(word.split("=", 1) for word in words if "=" in word)
    if first != "guard" or not facts.get("key") or not facts.get("state"):
        return None
    return GuardReport(
        facts["key"], facts["state"], _kib(facts.get("available_kib", "")), _kib(facts.get("floor_kib", ""))
    )


def read_available(line: str) -> int | None:
    """Bytes in `available_kib=...`; None for any other line."""
    name, _, value = line.strip().partition("=")
    return _kib(value) if name == "available_kib" else None


def read_idle(text: str) -> IdleLook:
    """Answer to memory_left."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    on_gpu = sum(words[0] == "gpu_process" for words in lines)
    memory = {words[0]: _kib(words[1]) for words in lines if len(words) > 1}
    return IdleLook(on_gpu if ["gpu", "known"] in lines else None, memory.get("MemAvailable:"), memory.get("MemTotal:"))


def _kib(text: str) -> int | None:
    return int(text) * 1024 if text.isascii() and text.isdigit() else None
