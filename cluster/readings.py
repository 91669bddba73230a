"""What a probe saw, frozen, and ready to be stored as JSON. None means: not known."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds GPU memory, as nvidia-smi on the host lists it. `container` is blank outside Docker."""

    pid: int
    name: str
    memory_mib: int | None = None
    container: str = ""
    user: str = ""  # who started it, by the owner of the process


@dataclass(frozen=True, slots=True)
class Container:
    """A container that is on the GPU, or of a kind that uses it. `command` has tokens masked; env is never read."""

    name: str
    image: str
    status: str = ""  # Docker's words: "Up 2 hours", "Exited (137) 5 minutes ago"
    running: bool = False
    command: str = ""
    kind: str = "other"  # one of container_kinds: vllm, launcher, ray, sparkrun, nim, ollama, comfyui, ...
    on_gpu: bool = False
    id: str = ""
    created: str = ""  # Docker's words: "2026-11-20 10:00:00 +0000 UTC"
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gpu:
    """nvidia-smi of one GPU. On a Spark it knows no memory figures: the pool is the machine's (see HostReading)."""

    name: str | None = None
    driver_version: str | None = None
    busy_percent: float | None = None
    temperature_c: float | None = None
    power_watts: float | None = None
    clock_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class HostReading:
    """One look at a Spark. Bytes, Celsius, watts, percent of 100; memory in use is total minus available."""

    reachable_ms: float | None = None  # until the first byte of the answer
    took_ms: float | None = None  # until the last one
    boot_id: str | None = None
    uptime_seconds: float | None = None
    hostname: str | None = None
    machine: str | None = None  # aarch64 on a Spark
    mem_total_bytes: int | None = None
    mem_available_bytes: int | None = None
    swap_total_bytes: int | None = None
    swap_free_bytes: int | None = None
    psi_memory_some_avg10: float | None = None  # percent of time some task waited for memory
    gpu_name: str | None = None
    driver_version: str | None = None
    gpu_busy_percent: float | None = None
    gpu_temperature_c: float | None = None
    gpu_power_watts: float | None = None
    gpu_clock_mhz: float | None = None
    gpu_problem: str = ""
    cpu_temperature_c: float | None = None
    load_1m: float | None = None
    disk_total_bytes: int | None = None  # of the home directory
    disk_free_bytes: int | None = None
    cache_disk_total_bytes: int | None = None  # of the Hugging Face cache, which may be another disk
    cache_disk_free_bytes: int | None = None
    gpu_processes: tuple[GpuProcess, ...] = ()
    containers: tuple[Container, ...] = ()
    docker_ok: bool | None = None
    docker_problem: str = ""  # a sentence with a remedy

    @property
    def gpu_memory_mib(self) -> int | None:
        """Memory held by GPU processes; None when nvidia-smi names none."""
        known = [process.memory_mib for process in self.gpu_processes if process.memory_mib is not None]
        return sum(known) if known else None

    def as_dict(self) -> dict[str, Any]:
        stored = asdict(self)
        stored["gpu_processes"] = list(stored["gpu_processes"])
        stored["containers"] = list(stored["containers"])
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `as_dict` gave, also when an older or newer version of Spark Control wrote it."""
        known = _known(cls, stored)
        known["gpu_processes"] = tuple(
            GpuProcess(**_known(GpuProcess, one)) for one in known.get("gpu_processes") or ()
        )
        known["containers"] = tuple(Container(**_known(Container, one)) for one in known.get("containers") or ())
        return cls(**known)


@dataclass(frozen=True, slots=True)
class VllmReading:
    """One look at an OpenAI-compatible server. What went wrong is not an exception but the sentence in `error`."""

    health_ok: bool = False
    listens: bool | None = None  # False: the connection was refused; None: no answer, so nothing is known
    engine_dead: bool = False  # vLLM's web server says so (503)
    model_ids: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()  # checkpoint ids or paths, in the order of model_ids
    max_model_len: int | None = None
    version: str | None = None
    running: int | None = None  # requests
    waiting: int | None = None
    kv_cache_used: float | None = None  # 0..1
    generation_tokens_total: int | None = None  # since vLLM started
    prompt_tokens_total: int | None = None
    completion_ok: bool | None = None  # None: not tried
    completion_seconds: float | None = None
    error: str = ""


def _known(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}
