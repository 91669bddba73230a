"""What `docker run` was told beyond its process, in the shape `docker inspect` shows it."""

from __future__ import annotations

import csv
import re
from typing import Any

from cluster.simulator.docker.options import Options, UsageError

MIB = 1024**2
UNITS = {"": 1, "b": 1, "k": 1024, "m": MIB, "g": 1024 * MIB}


def host_config(options: Options) -> dict[str, Any]:
    """HostConfig without what a recipe keeps by itself."""
    return {
        "Binds": options.every("volume") or None,
        "ShmSize": size(options.last("shm-size", "64m")),
        "Ulimits": [_ulimit(text) for text in options.every("ulimit")] or None,
        "DeviceRequests": [gpus(text) for text in options.every("gpus")] or None,
        "Devices": [_device(text) for text in options.every("device")],
        "Runtime": options.last("runtime", "runc"),
        "Memory": size(options.last("memory", "0")),
        "MemorySwap": size(options.last("memory-swap", "0")),
        "NanoCpus": int(float(options.last("cpus", "0")) * 1e9),
        "PidsLimit": int(options.last("pids-limit", "0")) or None,
        "OomScoreAdj": int(options.last("oom-score-adj", "0")),
        "CapAdd": options.every("cap-add") or None,
        "CapDrop": options.every("cap-drop") or None,
        "SecurityOpt": options.every("security-opt") or None,
        "GroupAdd": options.every("group-add") or None,
        "ExtraHosts": options.every("add-host") or None,
        "Dns": options.every("dns"),
        "PidMode": options.last("pid"),
        "UTSMode": options.last("uts"),
        "Init": True if options.has("init") else None,
        "ReadonlyRootfs": options.has("read-only"),
        "PublishAllPorts": options.has("publish-all") or options.has("P"),
        "Sysctls": dict(text.split("=", 1) for text in options.every("sysctl")) or None,
        "Tmpfs": {path: rest for path, _, rest in (t.partition(":") for t in options.every("tmpfs"))} or None,
        "LogConfig": {
            "Type": options.last("log-driver", "json-file"),
            "Config": dict(text.split("=", 1) for text in options.every("log-opt")),
        },
    }


def config(options: Options) -> dict[str, Any]:
    """Config without what a recipe keeps by itself."""
    stop = options.last("stop-timeout")
    return {
        "User": options.last("user"),
        "Tty": options.has("tty"),
        "OpenStdin": options.has("interactive"),
        **({"StopSignal": options.last("stop-signal")} if options.last("stop-signal") else {}),
        **({"StopTimeout": int(stop)} if stop else {}),
    }


def size(text: str) -> int:
    """Bytes of `16g`, `64m`, `1024`; -1 is no limit. UsageError."""
    match = re.fullmatch(r"(-?\d+)([bkmg]?)b?", text.lower())
    if match is None:
        raise UsageError(f'invalid argument "{text}": invalid size')
    return int(match[1]) * (UNITS[match[2]] if match[1] != "-1" else 1)


def gpus(text: str) -> dict[str, Any]:
    """`all`, a number, or fields such as "device=0,1" and capabilities=compute, each in its own quotes."""
    request: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    for field in next(csv.reader([text])):
        name, equals, value = field.partition("=")
        if not equals:
            request["Count"] = -1 if name == "all" else int(name)
        elif name == "device":
            request["DeviceIDs"] = value.split(",")
        elif name == "capabilities":
            request["Capabilities"] = [["gpu", *value.split(",")]]
        elif name == "driver":
            request["Driver"] = value
        elif name == "count":
            request["Count"] = -1 if value == "all" else int(value)
        else:
            request["Options"][name] = value
    return request


def _ulimit(text: str) -> dict[str, Any]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Hard": int(hard or soft), "Soft": int(soft)}


def _device(text: str) -> dict[str, str]:
    host, _, rest = text.partition(":")
    inside, _, permissions = rest.partition(":")
    return {"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": permissions or "rwm"}
