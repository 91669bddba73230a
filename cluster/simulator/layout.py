"""Where a simulated Spark keeps its things, and what a fresh one contains."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent.parent
FABRIC = ipaddress.IPv4Address("192.168.177.11")
ETH_IF = "enp1s0f1np1"
IB_IF = "rocep1s0f1,roceP2p1s0f1"
OUR_LAUNCHER = "simulated Spark's launcher"

IMAGES = ("vllm-node", "vllm-node-mxfp4", "vllm-node-b12x", "vllm/vllm-openai:latest", "nvcr.io/nvidia/vllm:26.03-py3")

# A stand-in is found under its own name on PATH; the value is the module in standins/ that plays it.
HOST_STANDINS = {
    "docker": "docker_cli", "ssh": "ssh_cli", "scp": "scp_cli", "nvidia-smi": "nvidia_smi", "ip": "ip_cli",
    "hf": "hf_cli", "huggingface-cli": "hf_cli", "ss": "ss_cli", "ps": "procs_cli", "pgrep": "procs_cli",
    "pkill": "procs_cli", "sparksim": "sparksim_cli", "free": "memory_cli", "sudo": "sudo_cli",
}  # fmt: skip
CONTAINER_STANDINS = {
    "vllm": "vllm_cli", "ray": "ray_cli", "hf": "hf_cli", "huggingface-cli": "hf_cli", "nvidia-smi": "nvidia_smi",
    "ps": "procs_cli", "pgrep": "procs_cli", "pkill": "procs_cli", "ss": "ss_cli", "ip": "ip_cli",
    "sparksim": "sparksim_cli", "free": "memory_cli",
}  # fmt: skip


@dataclass(frozen=True)
class Spark:
    """One simulated Spark: its addresses and its folder under ROOT."""

    name: str
    folder: Path
    address: str
    port: int
    user: str
    fabric_ip: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def faults(self) -> Path:
        return self.folder / "faults"

    @property
    def launcher_dir(self) -> Path:
        return self.home / "spark-vllm-docker"

    def names(self) -> tuple[str, ...]:
        """Every name another Spark may call this one by."""
        return (self.name, f"{self.name}.local", self.address, self.fabric_ip)


def plan(root: Path, count: int, first_address: str, port: int, user: str) -> list[Spark]:
    """The Sparks of one simulator; addresses count up from the first."""
    start = ipaddress.IPv4Address(first_address)
    return [
        Spark(f"spark-{i + 1}", root / f"spark-{i + 1}", str(start + i), port, user, str(FABRIC + i))
        for i in range(count)
    ]


def prepare(spark: Spark, peers: list[Spark]) -> None:
    """Create what is missing and refresh what is ours; everything the user put there stays."""
    for folder in (spark.home, spark.faults, spark.home / ".ssh", spark.folder / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    for scratch in ("containers", "gpu", "ports", "run"):
        shutil.rmtree(spark.folder / scratch, ignore_errors=True)
        (spark.folder / scratch).mkdir()
    (spark.folder / "run" / "cgroup").mkdir()
    _write_stubs(spark, spark.folder / "bin", peers, HOST_STANDINS, "host")
    _write_stubs(spark, spark.folder / "cbin", peers, CONTAINER_STANDINS, "container")
    _write_once(spark.folder / "images.json", json.dumps(default_images(), indent=1))
    _write_launcher(spark, peers)
    (spark.folder / "spark.json").write_text(json.dumps(_facts(spark, peers)))


def default_images() -> list[dict[str, str]]:
    """Image names with ids; the same on every Spark, as after a proper image copy."""
    return [{"name": name, "id": "sha256:" + hashlib.sha256(name.encode()).hexdigest()} for name in IMAGES]


def topology(sparks: list[Spark], host_keys: dict[str, str]) -> list[dict[str, object]]:
    """What a caller needs to reach every Spark."""
    return [
        {
            "name": s.name, "host": s.address, "port": s.port, "user": s.user, "host_key": host_keys[s.name],
            "fabric_ip": s.fabric_ip, "home": str(s.home), "launcher_dir": str(s.launcher_dir),
        }
        for s in sparks
    ]  # fmt: skip


def _facts(spark: Spark, peers: list[Spark]) -> dict[str, object]:
    return {
        "name": spark.name, "address": spark.address, "port": spark.port, "user": spark.user,
        "fabric_ip": spark.fabric_ip, "home": str(spark.home), "root": str(spark.folder.parent),
        "peers": {p.fabric_ip: p.address for p in peers},
    }  # fmt: skip


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text)


def _write_stubs(spark: Spark, folder: Path, peers: list[Spark], standins: dict[str, str], side: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    python = base_python()
    entry = PACKAGE / "standins" / "entry.py"
    for name, module in standins.items():
        _executable(folder / name, f'#!/bin/sh\nexec "{python}" -IS "{entry}" {module} {name} "$@"\n')
    _executable(folder / "python3", f'#!/bin/sh\nexec "{python}" "$@"\n')
    for source in sorted(path for part in ("both", side) for path in (PACKAGE / "standins" / part).iterdir()):
        text = source.read_text().replace("@NAME@", spark.name).replace("@USER@", spark.user)
        text = text.replace("@ENTRY@", f'"{python}" -IS "{entry}"').replace("@ADDRESS@", spark.address)
        text = text.replace("@PEERS@", " | ".join(f"{p.fabric_ip}:22" for p in peers))
        _executable(folder / source.name, text)


def base_python() -> str:
    """The interpreter behind a virtual environment: the stand-ins need no packages and start faster without."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _write_launcher(spark: Spark, peers: list[Spark]) -> None:
    spark.launcher_dir.mkdir(exist_ok=True)
    script = spark.launcher_dir / "launch-cluster.sh"
    if not script.exists() or OUR_LAUNCHER in script.read_text(errors="replace"):
        for part in (PACKAGE / "launcher").iterdir():
            _executable(spark.launcher_dir / part.name, part.read_text())
    nodes = [spark.fabric_ip] + [p.fabric_ip for p in peers if p != spark]
    lines = [
        f"CLUSTER_NODES={','.join(nodes)}", f"ETH_IF={ETH_IF}", f"IB_IF={IB_IF}", "MASTER_PORT=29501",
        f"LOCAL_IP={spark.fabric_ip}",
    ]  # fmt: skip
    _write_once(spark.launcher_dir / ".env", "\n".join(lines) + "\n")
    _write_once(spark.launcher_dir / "vintage", "2026-08\n")
