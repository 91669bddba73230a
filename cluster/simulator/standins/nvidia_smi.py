"""`nvidia-smi` of a GB10: memory is [N/A], processes are listed on the host only."""

from __future__ import annotations

import sys

from cluster.simulator.standins import memory, spark

TABLE = """+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.95.05              Driver Version: 580.95.05      CUDA Version: 13.0     |
|=========================================+========================+======================|
|   0  NVIDIA GB10                    On  |   0000000F:01:00.0 Off |                  N/A |
| N/A   {temperature}C    P0             {power}W /  N/A |         Not Supported  |    {busy:>3}%      Default |
+-----------------------------------------+------------------------+----------------------+
"""


def main(_name: str, argv: list[str]) -> int:
    fields = {word.partition("=")[0]: word.partition("=")[2] for word in argv if word.startswith("--")}
    formats = fields.get("--format", "").split(",")
    if "--query-gpu" in fields:
        return _csv([_gpu()], fields["--query-gpu"].split(","), formats)
    if "--query-compute-apps" in fields:
        return _csv(_apps(), fields["--query-compute-apps"].split(","), formats)
    if "-L" in argv:
        print("GPU 0: NVIDIA GB10 (UUID: GPU-6f1c2a34-9d0b-4c55-8f0e-0c0ffee0b010)")
        return 0
    gpu = _gpu()
    print(TABLE.format(temperature=gpu["temperature.gpu"], power=gpu["power.draw"].split(".")[0],
                       busy=gpu["utilization.gpu"]))  # fmt: skip
    return 0


def _gpu() -> dict[str, str]:
    holds = memory.holders()
    busy = bool(holds)
    return {
        "index": "0",
        "name": "NVIDIA GB10",
        "gpu_name": "NVIDIA GB10",
        "uuid": "GPU-6f1c2a34-9d0b-4c55-8f0e-0c0ffee0b010",
        "driver_version": "580.95.05",
        "compute_cap": "12.1",
        "pstate": "P0" if busy else "P8",
        "utilization.gpu": "3" if busy else "0",
        "temperature.gpu": "61" if busy else "44",
        "power.draw": "22.41" if busy else "4.62",
        "clocks.sm": "2411" if busy else "208",
        "clocks.current.sm": "2411" if busy else "208",
        "pci.bus_id": "0000000F:01:00.0",
        "count": "1",
    }


def _apps() -> list[dict[str, str]]:
    """Empty inside a container, as the real one is."""
    if spark.in_container():
        return []
    return [{"pid": str(pid), "process_name": name, "name": name, "used_memory": str(mib), "used_gpu_memory": str(mib),
             "gpu_name": "NVIDIA GB10", "gpu_uuid": "GPU-6f1c2a34-9d0b-4c55-8f0e-0c0ffee0b010"}
            for pid, name, mib in memory.holders()]  # fmt: skip


UNITS = {"utilization.gpu": " %", "power.draw": " W", "clocks.sm": " MHz", "used_memory": " MiB",
         "used_gpu_memory": " MiB"}  # fmt: skip


def _csv(rows: list[dict[str, str]], names: list[str], formats: list[str]) -> int:
    names = [name.strip() for name in names]
    if "noheader" not in formats:
        print(", ".join(names))
    for row in rows:
        cells = []
        for name in names:
            value = row.get(name, "[N/A]")
            unit = UNITS.get(name, "") if "nounits" not in formats and value != "[N/A]" else ""
            cells.append(value + unit)
        sys.stdout.write(", ".join(cells) + "\n")
    return 0
