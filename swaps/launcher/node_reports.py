"""What a Spark answered, read into values. Unknown lines are skipped and missing facts are None, never a guess."""

import json
import re
from dataclasses import dataclass, field

from swaps.launcher.gpu_users import GpuUser, read_gpu_users
from swaps.launcher.outsiders import Box, read_boxes

VLLM_PROCESS = re.compile(r"VLLM::|\bvllm serve\b|\bvllm\.entrypoints\b")


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as docker sees it. Labels are ours when they hold sparkcontrol.swap."""

    exists: bool
    name: str = ""
    status: str = ""
    running: bool = False
    exit_code: int | None = None
    started_at: str = ""
    image_id: str = ""
    image: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    restart_policy: str = ""

    def label(self, name: str) -> str:
        return dict(self.labels).get(name, "")

    @property
    def swap_id(self) -> int | None:
        """The swap that launched it, from our label; None for a container that is not ours."""
        return _number(self.label("sparkcontrol.swap"))

    @property
    def fence(self) -> int | None:
        return _number(self.label("sparkcontrol.fence"))


@dataclass(frozen=True, slots=True)
class GoneReport:
    """Answer to gone_check. Byte counts; None = the Spark could not say."""

    container_status: str | None = None  # "absent", or docker's words such as "Up 3 minutes"
    vllm_processes: int | None = None
    port_listening: bool | None = None
    memory_available: int | None = None
    memory_total: int | None = None

    @property
    def gone(self) -> bool:
        """No such container, none of its vLLM processes, and the port not taken. False when anything is not known."""
        return not self.what_is_left

    @property
    def what_is_left(self) -> str:
        """For a sentence: "the container (Up 3 minutes) and a listener on the port"; blank when all is gone."""
        left = []
        if self.container_status is None:
            left.append("an unknown state of the container")
        elif self.container_status != "absent":
            left.append(f"the container ({self.container_status})")
        if self.vllm_processes:
            left.append(f"{self.vllm_processes} vLLM process{'es' if self.vllm_processes > 1 else ''}")
        if self.port_listening is not False:
            left.append("an unknown state of the port" if self.port_listening is None else "a listener on the port")
        return " and ".join(left)


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """Answer to preflight_facts. Byte counts; None = the Spark could not say."""

    launcher: str | None = None  # present | not-executable | absent
    env_container: str = ""  # CONTAINER_NAME of the launcher's .env: it replaces the default name vllm_node
    mods_absent: tuple[str, ...] = ()
    docker: str | None = None  # ok | failed | absent
    docker_problem: str = ""
    image_id: str | None = None  # "" = this Spark has no such image
    gpu_runtime: str | None = None  # yes | no: can docker give a container the GPU
    container: ContainerState | None = None
    boxes: tuple[Box, ...] = ()
    gpu_users: tuple[GpuUser, ...] = ()
    port_free: bool | None = None
    port_holder: str = ""
    disk_free: int | None = None
    disk_size: int | None = None
    memory_available: int | None = None
    memory_total: int | None = None
    boot_id: str = ""
    fence: int | None = None
    weights: str | None = None  # complete | incomplete | absent
    weights_missing: str = ""
    weights_bytes: int | None = None
    weights_files: int | None = None
    weights_downloading: bool = False
    unread: tuple[str, ...] = field(default=(), repr=False)


def vllm_processes(text: str) -> int:
    """How many processes of vLLM a `docker top` or `ps` listing shows; 0 in a running container means vLLM is dead."""
    return sum(1 for line in text.splitlines() if VLLM_PROCESS.search(line))


def read_container_state(text: str) -> ContainerState:
    """Read container_state's JSON line. Raises ValueError when there is none: the command failed."""
    for line in text.splitlines():
        state = _state(line)
        if state is not None:
            return state
    raise ValueError("no container state in the answer")


def read_gone(text: str) -> GoneReport:
    facts = dict(_facts(text))
    listening = {"listening": True, "free": False}
    return GoneReport(
        container_status=facts.get("container"),
        vllm_processes=_number(facts.get("vllm_processes")),
        port_listening=listening.get(facts.get("port", "")),
        memory_available=_kilobytes(facts.get("MemAvailable")),
        memory_total=_kilobytes(facts.get("MemTotal")),
    )


def read_preflight(text: str) -> PreflightFacts:
    pairs = _facts(text)
    facts = dict(pairs)
    image = facts.get("image")
    return PreflightFacts(
        launcher=facts.get("launcher"),
        env_container=facts.get("env_container", ""),
        mods_absent=_all(pairs, "mod_absent"),
        docker=facts.get("docker"),
        docker_problem=facts.get("docker_problem", ""),
        image_id="" if image == "absent" else image,
        gpu_runtime=facts.get("gpu_runtime"),
        container=_state(facts.get("container", "")),
        boxes=read_boxes(_all(pairs, "box")),
        gpu_users=read_gpu_users(*(_all(pairs, name) for name in GPU_LINES)),
        port_free=_port_free(facts),
        port_holder=facts.get("port_holder", ""),
        disk_free=_number(facts.get("disk_free")),
        disk_size=_number(facts.get("disk_size")),
        memory_available=_kilobytes(facts.get("MemAvailable")),
        memory_total=_kilobytes(facts.get("MemTotal")),
        boot_id=facts.get("boot_id", ""),
        fence=_number(facts.get("fence")),
        weights=facts.get("weights"),
        weights_missing=facts.get("weights_missing", ""),
        weights_bytes=_number(facts.get("weights_bytes")),
        weights_files=_number(facts.get("weights_files")),
        weights_downloading="weights_downloading" in facts,
        unread=tuple(name for name, _ in pairs if name not in _KNOWN),
    )


GPU_LINES = ("container_row", "gpu_app", "gpu_group", "gpu_owner")
_KNOWN = frozenset(
    {
        *("launcher", "env_container", "mod_absent", "docker", "docker_problem", "image", "container"),
        *GPU_LINES,
        *("box", "gpu_runtime"),
        *("port", "port_holder", "disk_free", "disk_size", "MemAvailable", "MemTotal", "boot_id", "fence"),
        *("weights", "weights_missing", "weights_bytes", "weights_files", "weights_downloading"),
    }
)


def _facts(text: str) -> list[tuple[str, str]]:
    """`fact value` and the `Name: value` of /proc/meminfo."""
    pairs = (line.strip().partition(" ") for line in text.splitlines())
    return [(name.rstrip(":"), value.strip()) for name, _, value in pairs if name]


def _all(pairs: list[tuple[str, str]], name: str) -> tuple[str, ...]:
    return tuple(value for key, value in pairs if key == name)


def _port_free(facts: dict[str, str]) -> bool | None:
    if "port_holder" in facts:
        return False
    return True if facts.get("port") == "free" else None


def _state(line: str) -> ContainerState | None:
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or "exists" not in data:
        return None
    labels = data.get("labels") or {}
    return ContainerState(
        exists=bool(data["exists"]),
        name=str(data.get("name", "")).lstrip("/"),
        status=str(data.get("status", "")),
        running=bool(data.get("running", False)),
        exit_code=data["exit_code"] if isinstance(data.get("exit_code"), int) else None,
        started_at=str(data.get("started_at", "")),
        image_id=str(data.get("image_id", "")),
        image=str(data.get("image", "")),
        labels=tuple(sorted((str(k), str(v)) for k, v in labels.items())) if isinstance(labels, dict) else (),
        restart_policy=str(data.get("restart_policy", "")),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _kilobytes(text: str | None) -> int | None:
    """`/proc/meminfo` counts in KiB: "1234 kB" -> bytes."""
    number = _number(text.split()[0]) if text else None
    return None if number is None else number * 1024
