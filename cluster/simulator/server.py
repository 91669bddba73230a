"""The simulator process: all Sparks, the ready line, and a clean end."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.simulator import procfs
from cluster.simulator.host import Host
from cluster.simulator.layout import Spark, plan, prepare, topology
from cluster.simulator.prctl import become_subreaper
from cluster.simulator.processes import Processes


@dataclass(frozen=True)
class Settings:
    """What `serve` was asked for."""

    root: str
    sparks: int
    first_address: str
    ssh_port: int
    authorized_keys: list[str]
    user: str


def serve(settings: Settings, short: Path) -> None:
    """Run until SIGTERM or SIGINT; leaves no process behind."""
    become_subreaper()
    try:
        asyncio.run(_serve(settings, short))
    finally:
        procfs.end_descendants(5.0)
        shutil.rmtree(short, ignore_errors=True)


async def _serve(settings: Settings, short: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(signum, stop.set)
    sparks = plan(Path(settings.root), settings.sparks, settings.first_address, settings.ssh_port, settings.user)
    hosts = _build(sparks, short, Processes(loop))
    keys = [Path(path).read_text() for path in settings.authorized_keys]
    host_keys = {host.spark.name: await _start(host, keys) for host in hosts}
    announcement = json.dumps({"ready": True, "sparks": topology(sparks, host_keys)})
    Path(settings.root, "topology.json").write_text(announcement + "\n")
    print(announcement, flush=True)
    await stop.wait()
    for host in hosts:
        host.close()


async def _start(host: Host, keys: list[str]) -> str:
    try:
        return await host.start(keys)
    except OSError as error:
        place = f"{host.spark.address}:{host.spark.port}"
        sys.exit(
            f"The simulated {host.spark.name} cannot listen on {place}: {error.strerror}. Stop what listens there, "
            "or give another --first-address (SPARKSIM_FIRST_ADDRESS with make run)."
        )


def _build(sparks: list[Spark], short: Path, processes: Processes) -> list[Host]:
    neighbours: dict[str, Host] = {}
    hosts = []
    shutil.rmtree(sparks[0].folder.parent / "rendezvous", ignore_errors=True)
    (sparks[0].folder.parent / "rendezvous").mkdir()
    for spark in sparks:
        prepare(spark, sparks)
        alias = short / spark.name
        alias.symlink_to(spark.folder)
        host = Host(spark, str(alias), processes, neighbours)
        hosts.append(host)
        for name in spark.names():
            neighbours[name] = host
    return hosts


if __name__ == "__main__":
    serve(Settings(**json.loads(sys.argv[1])), Path(sys.argv[2]))
