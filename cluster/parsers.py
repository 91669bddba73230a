"""From the text of Linux, nvidia-smi, Docker and vLLM to values. Pure; what is missing or malformed becomes None."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.container_kinds import kind_of
from cluster.readings import Container, Gpu, GpuProcess

MARK = "@@spark-control "
STATUS = "status "
LABELS_KEPT = ("sparkcontrol.", "sparkctl.", "sparkrun.", "com.docker.compose.project", "com.docker.compose.service")
MAX_COMMAND = 400
_SECRETS = re.compile(
    r"(?i)(--?(?:[\w-]*-)?(?:api-?key|token|secret|password)[=\s]\s*|\b\w*(?:api_?key|token|secret|password)=)\S+"
    r"|\b(?:hf_|nvapi-|sk-|spk_|ghp_)[\w-]{8,}"
)
_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a probe's output. `status` is the exit status of its command; None when it did not get that far."""

    text: str = ""
    status: int | None = None


def sections(lines: Iterable[str]) -> dict[str, Section]:
    """Split a probe's output at its marks. Whatever stands before the first one (a chatty .bashrc) is dropped."""
    found: dict[str, Section] = {}
    name, kept = "", list[str]()
    for line in lines:
        if not line.startswith(MARK):
            kept.append(line)
            continue
        word = line.removeprefix(MARK)
        if word.startswith(STATUS):
            found[name] = Section("\n".join(kept), whole(word.removeprefix(STATUS)))
        else:
            name, kept = word, []
            found[name] = Section()
    if name and found[name].status is None:
        found[name] = Section("\n".join(kept))
    found.pop("", None)
    return found


def plain(text: str | None) -> str | None:
    """The first line, or None for nothing and for nvidia-smi's `[N/A]`, `[Not Supported]`, `[Unknown Error]`."""
    line = (text or "").strip().split("\n", 1)[0].strip()
    return None if not line or line.startswith("[") else line


def number(text: str | None) -> float | None:
    """A finite number, with or without a unit behind it ("61 C")."""
    word = (plain(text) or "").split(" ", 1)[0]
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def whole(text: str | None) -> int | None:
    value = number(text)
    return None if value is None else int(value)


def meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo in bytes, by name. Memory in use is MemTotal - MemAvailable, never MemFree (spark-facts 5.2)."""
    pairs = re.findall(r"^([\w()]+):\s+(\d+)( kB)?\s*$", text, re.MULTILINE)
    return {name: int(value) * (1024 if unit else 1) for name, value, unit in pairs}


def pressure_some_avg10(text: str) -> float | None:
    """/proc/pressure/memory: percent of the last 10 s in which some task waited for memory."""
    match = re.search(r"^some\b.*\bavg10=([\d.]+)", text, re.MULTILINE)
    return number(match[1]) if match else None


def hottest(text: str) -> float | None:
    """Celsius of the hottest thermal zone, given in 1/1000 degrees. Sensors that answer nonsense are ignored."""
    values = [number(line) for line in text.splitlines()]
    sane = [value / 1000 for value in values if value is not None and 0 < value < 150_000]
    return max(sane, default=None)


def disk(text: str) -> tuple[int | None, int | None]:
    """Total and free bytes from `df -P -B1 PATH` (free: what this user may still write)."""
    for line in reversed(text.splitlines()):
        match = re.match(r"^.*?\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s", line)
        if match:
            return int(match[1]), int(match[3])
    return None, None


def gpu(text: str) -> Gpu:
    """The first line of nvidia-smi's CSV: name, driver_version, utilization, temperature, power.draw, clocks.sm."""
    words = [plain(word) for word in text.strip().split("\n", 1)[0].split(",")]
    if len(words) != 6:
        return Gpu()
    name, driver, *figures = words
    return Gpu(name, driver, *(number(word) for word in figures))


def gpu_processes(
    text: str, containers: Mapping[int, str] | None = None, owners: Mapping[int, str] | None = None
) -> tuple[GpuProcess, ...]:
    """nvidia-smi's `pid, process_name, used_memory` lines. A process name may hold commas of its own."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"\s*(\d+),\s*(.*?),\s*([^,]*)", line)
        if match:
            pid = int(match[1])
            container, user = (containers or {}).get(pid, ""), (owners or {}).get(pid, "")
            found.append(GpuProcess(pid, match[2].strip(), whole(match[3]), container, user))
    return tuple(found)


def cgroup_containers(text: str) -> dict[int, str]:
    """Lines of `PID CGROUP-PATH` to the container id each process lives in (systemd and cgroupfs drivers alike)."""
    matches = re.findall(r"^(\d+) .*?\bdocker[-/]([0-9a-f]{12,64})", text, re.MULTILINE)
    return {int(pid): container for pid, container in matches}


def owners(text: str) -> dict[int, str]:
    """Lines of `PID USER`."""
    return {int(pid): user for pid, user in re.findall(r"^(\d+) (\S+)$", text, re.MULTILINE)}


def containers(text: str, on_gpu: Iterable[str] = ()) -> tuple[Container, ...]:
    """`docker ps -a --no-trunc --format '{{json .}}'`: those on the GPU (by id), of a kind that uses it, and ours."""
    busy = tuple(on_gpu)
    read = (_container(row, busy) for row in _json_lines(text))
    return tuple(one for one in read if one.on_gpu or one.kind != "other" or _is_ours(one))


def _is_ours(container: Container) -> bool:
    return any(label.startswith("sparkcontrol.") for label in container.labels)


def container_names(text: str) -> dict[str, str]:
    """Container id to name, of the same output."""
    return {str(row.get("ID", "")): str(row.get("Names", "")) for row in _json_lines(text)}


def docker_problem(section: Section) -> str:
    """Why `docker ps` did not work, with the remedy; blank when it did."""
    text = section.text.lower()
    if section.status == 0:
        return ""
    if section.status == 127:
        return (
            "Docker is not installed on this Spark, or not on the PATH of the SSH user; install docker.io or Docker CE."
        )
    if section.status in (None, 124, 137):
        return "Docker did not answer within 3 s; look at `systemctl status docker` on this Spark."
    if "permission denied" in text:
        return "The SSH user may not use Docker; run `sudo usermod -aG docker USER` on this Spark and connect again."
    if "cannot connect" in text or "is the docker daemon running" in text:
        return "The Docker daemon does not run on this Spark; run `sudo systemctl start docker` there."
    return f"`docker ps` failed on this Spark: {_first_line(section.text)}"


def gpu_problem(section: Section) -> str:
    """Why nvidia-smi did not work, with the remedy; blank when it did."""
    if section.status == 0:
        return ""
    if section.status == 127:
        return "nvidia-smi is not installed on this Spark, or not on the PATH of the SSH user."
    if section.status in (None, 124, 137):
        return "nvidia-smi did not answer within 3 s: the GPU driver may be stuck; reboot this Spark if it stays so."
    return f"nvidia-smi failed on this Spark: {_first_line(section.text)}"


def mask(command: str) -> str:
    """A container's command without what looks like a key or token."""
    return _SECRETS.sub(lambda match: f"{match[1] or ''}***", command)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the Prometheus text format."""

    name: str
    labels: dict[str, str]
    value: float


def prometheus(text: str, prefix: str = "") -> Iterator[Sample]:
    """The samples whose name starts with `prefix`. Lines of another form and values that are no number are skipped."""
    for line in text.splitlines():
        if not line.startswith(prefix) or line.startswith("#"):
            continue
        match = _SAMPLE.match(line.strip())
        value = number(match[3]) if match else None
        if match and value is not None:
            yield Sample(match[1], {name: _unescape(word) for name, word in _LABEL.findall(match[2] or "")}, value)


@dataclass(frozen=True, slots=True)
class VllmMetrics:
    running: int | None = None
    waiting: int | None = None
    kv_cache_used: float | None = None  # 0..1, of the fullest engine
    generation_tokens_total: int | None = None
    prompt_tokens_total: int | None = None


def vllm_metrics(text: str) -> VllmMetrics:
    """vLLM's /metrics, summed over engines. Names of 0.10 to 0.33 (spark-facts 4: gpu_cache_usage_perc up to 0.11)."""
    values: dict[str, list[float]] = {}
    for sample in prometheus(text, "vllm:"):
        values.setdefault(sample.name.removeprefix("vllm:").removesuffix("_total"), []).append(sample.value)
    kv = values.get("kv_cache_usage_perc") or values.get("gpu_cache_usage_perc")
    return VllmMetrics(
        running=_sum(values, "num_requests_running"),
        waiting=_sum(values, "num_requests_waiting"),
        kv_cache_used=min(1.0, max(kv)) if kv else None,
        generation_tokens_total=_sum(values, "generation_tokens"),
        prompt_tokens_total=_sum(values, "prompt_tokens"),
    )


def _sum(values: Mapping[str, list[float]], name: str) -> int | None:
    return int(sum(values[name])) if name in values else None


def _container(row: Mapping[str, Any], on_gpu: tuple[str, ...]) -> Container:
    name, image, status = (str(row.get(key) or "") for key in ("Names", "Image", "Status"))
    command = str(row.get("Command") or "").strip('"')
    labels = _labels(str(row.get("Labels") or ""))
    state = str(row.get("State") or "") or ("running" if status.startswith("Up") else "")
    identity = str(row.get("ID") or "")
    return Container(
        name=name,
        image=image,
        status=status,
        running=state == "running",
        command=mask(command)[:MAX_COMMAND],
        kind=kind_of(name, image, command, labels),
        on_gpu=bool(identity) and any(identity.startswith(one) or one.startswith(identity) for one in on_gpu),
        id=identity,
        created=str(row.get("CreatedAt") or ""),
        labels={key: value for key, value in labels.items() if key.startswith(LABELS_KEPT)},
    )


def _labels(text: str) -> dict[str, str]:
    """Docker joins labels by commas without quoting; a piece without `=` belongs to the value before it."""
    labels: dict[str, str] = {}
    last = ""
    for piece in text.split(","):
        key, equals, value = piece.partition("=")
        if equals:
            last = key
            labels[key] = value
        elif last:
            labels[last] += f",{piece}"
    return labels


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            row = json.loads(line) if line.startswith("{") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def _first_line(text: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if line.strip()), "no message")
