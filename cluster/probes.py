"""Read-only questions to a Spark, all of them in one SSH round trip."""

import time

from cluster import parsers
from cluster.parsers import Section
from cluster.readings import Gpu, HostReading
from cluster.ssh.base import OutputLine, Transport
from cluster.ssh.command import Command
from cluster.ssh.exchange import Lines

PROBE_SECONDS = 15.0
MAX_OUTPUT_BYTES = 1024 * 1024

# Cheap files first, nvidia-smi last: with a sick driver it can hang where even SIGKILL does not end it, and then the
# time limit of the whole still leaves us everything before it. `timeout` guards each program that can block.
SCRIPT = r"""
exec </dev/null 2>/dev/null
export LC_ALL=C
part() { printf '\n@@spark-control %s\n' "$1"; shift; "$@"; printf '\n@@spark-control status %s\n' "$?"; }
brief() { timeout -k 1 3 "$@" 2>&1; }
zones() { cat /sys/class/thermal/thermal_zone*/temp; }
room() {
  d=$1
  while [ ! -e "$d" ] && [ "$d" != / ] && [ "$d" != . ]; do d=$(dirname "$d"); done
  timeout -k 1 3 df -P -B1 "$d"
}
pids() { printf '%s\n' "$apps" | sed -n 's/^ *\([0-9][0-9]*\),.*/\1/p' | head -64; }
groups() {
  for p in $(pids); do
    while IFS= read -r g; do printf '%s %s\n' "$p" "$g"; done < "/proc/$p/cgroup"
  done
}
owners() { for p in $(pids); do printf '%s %s\n' "$p" "$(stat -c %U "/proc/$p")"; done; }
hub=${HF_HUB_CACHE:-${HF_HOME:-$HOME/.cache/huggingface}/hub}
part boot_id cat /proc/sys/kernel/random/boot_id
part uptime cat /proc/uptime
part hostname uname -n
part machine uname -m
part meminfo cat /proc/meminfo
part pressure cat /proc/pressure/memory
part load cat /proc/loadavg
part zones zones
part disk room "$HOME"
part cache_disk room "$hub"
part docker brief docker ps -a --no-trunc --format '{{json .}}'
part gpu brief nvidia-smi --query-gpu=name,driver_version,utilization.gpu,temperature.gpu,power.draw,clocks.sm \
  --format=csv,noheader,nounits
apps=$(brief nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader,nounits)
part apps printf '%s\n' "$apps"
part groups groups
part owners owners
"""
COMMAND = Command.shell(SCRIPT)


def probe_host(transport: Transport) -> HostReading:
    """Look at a Spark without changing anything. Whatever it does not tell is None.

    Raises TransportError when the Spark cannot be asked at all (its `code` and sentence say why).
    """
    lines = Lines(MAX_OUTPUT_BYTES)
    first_at: list[float] = []

    def keep(piece: OutputLine) -> None:
        if not first_at:
            first_at.append(time.monotonic())
        lines.add(piece)

    started = time.monotonic()
    transport.follow(COMMAND, keep, should_stop=_never, timeout=PROBE_SECONDS)
    reachable_ms = round((first_at[0] - started) * 1000, 1) if first_at else None
    took_ms = round((time.monotonic() - started) * 1000, 1)
    return read_host([line.text for line in lines.close()], reachable_ms, took_ms)


def read_host(lines: list[str], reachable_ms: float | None = None, took_ms: float | None = None) -> HostReading:
    """The reading in a probe's output lines. Pure."""
    parts = parsers.sections(lines)
    text = {name: part.text for name, part in parts.items()}
    memory = parsers.meminfo(text.get("meminfo", ""))
    disk, cache = parsers.disk(text.get("disk", "")), parsers.disk(text.get("cache_disk", ""))
    docker, graphics = parts.get("docker", Section()), parts.get("gpu", Section())
    gpu = parsers.gpu(graphics.text) if graphics.status == 0 else Gpu()
    inside = parsers.cgroup_containers(text.get("groups", ""))
    names = parsers.container_names(docker.text)
    on_gpu = {pid: names.get(identity, identity[:12]) for pid, identity in inside.items()}
    return HostReading(
        reachable_ms=reachable_ms,
        took_ms=took_ms,
        boot_id=parsers.plain(text.get("boot_id")),
        uptime_seconds=parsers.number(text.get("uptime")),
        hostname=parsers.plain(text.get("hostname")),
        machine=parsers.plain(text.get("machine")),
        mem_total_bytes=memory.get("MemTotal"),
        mem_available_bytes=memory.get("MemAvailable"),
        swap_total_bytes=memory.get("SwapTotal"),
        swap_free_bytes=memory.get("SwapFree"),
        psi_memory_some_avg10=parsers.pressure_some_avg10(text.get("pressure", "")),
        gpu_name=gpu.name,
        driver_version=gpu.driver_version,
        gpu_busy_percent=gpu.busy_percent,
        gpu_temperature_c=gpu.temperature_c,
        gpu_power_watts=gpu.power_watts,
        gpu_clock_mhz=gpu.clock_mhz,
        gpu_problem=parsers.gpu_problem(graphics) if parts else "",
        cpu_temperature_c=parsers.hottest(text.get("zones", "")),
        load_1m=parsers.number(text.get("load")),
        disk_total_bytes=disk[0],
        disk_free_bytes=disk[1],
        cache_disk_total_bytes=cache[0],
        cache_disk_free_bytes=cache[1],
        gpu_processes=parsers.gpu_processes(text.get("apps", ""), on_gpu, parsers.owners(text.get("owners", ""))),
        containers=parsers.containers(docker.text, set(inside.values())),
        docker_ok=docker.status == 0 if parts else None,
        docker_problem=parsers.docker_problem(docker) if parts else "",
    )


def _never() -> bool:
    return False
