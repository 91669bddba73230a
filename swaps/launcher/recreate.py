"""From a container's `docker inspect` to the words that make it again. Pure.

Environment and labels stay apart from the words: their values may be secrets, and go into files instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recreation:
    """`words` follow `docker create`; `env` and `labels` are NAME=value. `image_id` counts where `image` moved on.

    `networks` are those it was connected to beside its first one.
    """

    name: str
    words: tuple[str, ...]
    image: str
    image_id: str
    command: tuple[str, ...]
    env: tuple[str, ...]
    labels: tuple[str, ...]
    networks: tuple[str, ...]


def recreation(document: Document) -> Recreation:
    """Raises KeyError when `document` is no inspect of a container."""
    config, host = document["Config"], document["HostConfig"]
    entrypoint, command = list(config.get("Entrypoint") or ()), list(config.get("Cmd") or ())
    words = ["--name", document["Name"].lstrip("/"), "--entrypoint", entrypoint[0] if entrypoint else ""]
    words += [*_ends(host), *_identity(document), *_network(host), *_storage(document), *_resources(host), *_gpu(host)]
    words += [*_rights(host), *_habits(config, host)]
    first = host.get("NetworkMode") or "default"
    connected = (document.get("NetworkSettings") or {}).get("Networks") or {}
    return Recreation(
        name=document["Name"].lstrip("/"),
        words=tuple(words),
        image=config["Image"],
        image_id=document["Image"],
        command=(*entrypoint[1:], *command),
        env=tuple(entry for entry in config.get("Env") or () if "=" in entry),
        labels=tuple(f"{name}={value}" for name, value in (config.get("Labels") or {}).items()),
        networks=tuple(name for name in connected if name not in (first, "bridge", "host", "none")),
    )


def _ends(host: Document) -> list[str]:
    """What docker does when it has ended."""
    if host.get("AutoRemove"):
        return ["--rm"]
    policy = restart_policy(host)
    return ["--restart", policy] if policy else []


def restart_policy(host: Document) -> str:
    """As --restart takes it; blank when docker does not start it again, or may not."""
    policy = host.get("RestartPolicy") or {}
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name == "no" or host.get("AutoRemove"):
        return ""
    return f"{name}:{count}" if name == "on-failure" and count else name


def _identity(document: Document) -> list[str]:
    config, host = document["Config"], document["HostConfig"]
    name = config.get("Hostname") or ""
    own = name and not document["Id"].startswith(name) and host.get("NetworkMode") != "host"
    return [
        *_one("--hostname", name if own else ""),
        *_one("--user", config.get("User")),
        *_one("--workdir", config.get("WorkingDir")),
        *(["--tty"] if config.get("Tty") else []),
        *(["--interactive"] if config.get("OpenStdin") else []),
    ]


def _network(host: Document) -> list[str]:
    mode = host.get("NetworkMode") or "default"
    words = [] if mode == "default" else ["--network", mode]
    if mode != "host" and not mode.startswith("container:"):
        for inside, bindings in (host.get("PortBindings") or {}).items():
            words += [word for binding in bindings or () for word in ("--publish", _published(binding, inside))]
        words += ["--publish-all"] if host.get("PublishAllPorts") else []
    return [
        *words,
        *_many("--add-host", host.get("ExtraHosts")),
        *_many("--dns", host.get("Dns")),
        *_many("--dns-search", host.get("DnsSearch")),
        *_many("--dns-option", host.get("DnsOptions")),
        *_many("--link", host.get("Links")),
    ]


def _published(binding: Document, inside: str) -> str:
    address = binding.get("HostIp") or ""
    address = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
    return f"{address}{binding.get('HostPort', '')}:{inside}"


def _storage(document: Document) -> list[str]:
    """Binds as they were written, mounts of the long form, and volumes that docker had named itself."""
    host = document["HostConfig"]
    binds = list(host.get("Binds") or ())
    mounts = [mount for mount in host.get("Mounts") or () if mount.get("Target")]
    taken = {bind.split(":")[1] for bind in binds if ":" in bind} | {mount["Target"] for mount in mounts}
    if not host.get("AutoRemove"):  # else they went with it
        binds += [
            f"{mount['Name']}:{mount['Destination']}"
            for mount in document.get("Mounts") or ()
            if mount.get("Type") == "volume" and mount.get("Name") and mount.get("Destination") not in taken
        ]
    return [
        *_many("--volume", binds),
        *_many("--mount", [_mount(mount) for mount in mounts]),
        *_many("--tmpfs", [f"{path}:{rest}" if rest else path for path, rest in (host.get("Tmpfs") or {}).items()]),
        *_many("--volumes-from", host.get("VolumesFrom")),
        *(["--read-only"] if host.get("ReadonlyRootfs") else []),
    ]


def _mount(mount: Document) -> str:
    fields = [f"type={mount.get('Type', 'bind')}"]
    fields += [f"source={mount['Source']}"] if mount.get("Source") else []
    return ",".join([*fields, f"target={mount['Target']}", *(["readonly"] if mount.get("ReadOnly") else [])])


# Where HostConfig keeps a figure, and the flag that sets it. 0, null and blank are what docker has without the flag.
_FIGURES = {
    "Memory": "--memory",
    "MemorySwap": "--memory-swap",
    "MemoryReservation": "--memory-reservation",
    "CpuShares": "--cpu-shares",
    "CpusetCpus": "--cpuset-cpus",
    "CpuQuota": "--cpu-quota",
    "CpuPeriod": "--cpu-period",
    "PidsLimit": "--pids-limit",
    "OomScoreAdj": "--oom-score-adj",
    "CgroupParent": "--cgroup-parent",
}


def _resources(host: Document) -> list[str]:
    words = [word for name, flag in _FIGURES.items() for word in _one(flag, host.get(name))]
    if host.get("NanoCpus"):
        words += ["--cpus", f"{host['NanoCpus'] / 1e9:g}"]
    if host.get("ShmSize") and host.get("IpcMode") != "host":
        words += ["--shm-size", str(host["ShmSize"])]
    limits = [f"{limit['Name']}={limit['Soft']}:{limit['Hard']}" for limit in host.get("Ulimits") or ()]
    return [*words, *_many("--ulimit", limits)]


def _gpu(host: Document) -> list[str]:
    words = ["--runtime", host["Runtime"]] if host.get("Runtime") not in (None, "", "runc") else []
    for request in host.get("DeviceRequests") or ():
        if request.get("Driver") == "cdi":
            words += _many("--device", request.get("DeviceIDs"))
        else:
            words += ["--gpus", _gpus(request)]
    devices = [
        f"{each['PathOnHost']}:{each['PathInContainer']}:{each.get('CgroupPermissions') or 'rwm'}"
        for each in host.get("Devices") or ()
    ]
    return [*words, *_many("--device", devices), *_many("--device-cgroup-rule", host.get("DeviceCgroupRules"))]


def _gpus(request: Document) -> str:
    """docker reads it as one line of CSV: a field with commas of its own is quoted."""
    asked = [name for several in request.get("Capabilities") or () for name in several if name != "gpu"]
    ids, count = request.get("DeviceIDs") or [], request.get("Count") or 0
    fields = [f"device={','.join(ids)}"] if ids else ["all" if count < 0 else str(count)]
    fields += [f"driver={request['Driver']}"] if request.get("Driver") else []
    fields += [f"capabilities={','.join(asked)}"] if asked else []
    return ",".join(f'"{field}"' if "," in field else field for field in fields)


def _rights(host: Document) -> list[str]:
    modes = {"IpcMode": "--ipc", "PidMode": "--pid", "UTSMode": "--uts", "UsernsMode": "--userns"}
    usual = ("", "private", None)
    return [
        *(word for name, flag in modes.items() if host.get(name) not in usual for word in (flag, host[name])),
        *(["--cgroupns", "host"] if host.get("CgroupnsMode") == "host" else []),
        *(["--privileged"] if host.get("Privileged") else []),
        *_many("--cap-add", host.get("CapAdd")),
        *_many("--cap-drop", host.get("CapDrop")),
        *_many("--security-opt", host.get("SecurityOpt")),
        *_many("--group-add", host.get("GroupAdd")),
        *_many("--sysctl", [f"{name}={value}" for name, value in (host.get("Sysctls") or {}).items()]),
    ]


def _habits(config: Document, host: Document) -> list[str]:
    log = host.get("LogConfig") or {}
    return [
        *(["--init"] if host.get("Init") else []),
        *_one("--stop-signal", config.get("StopSignal")),
        *_one("--stop-timeout", config.get("StopTimeout")),
        *_one("--log-driver", log.get("Type") if log.get("Type") != "json-file" else ""),
        *_many("--log-opt", [f"{name}={value}" for name, value in (log.get("Config") or {}).items()]),
        *_health(config.get("Healthcheck") or {}),
    ]


def _health(check: Document) -> list[str]:
    """A check given as a list of words came with the image, which brings it again."""
    test = check.get("Test") or []
    if test == ["NONE"]:
        return ["--no-healthcheck"]
    if test[:1] != ["CMD-SHELL"]:
        return []
    times = {"Interval": "--health-interval", "Timeout": "--health-timeout", "StartPeriod": "--health-start-period"}
    words = [word for name, flag in times.items() if check.get(name) for word in (flag, f"{check[name]}ns")]
    return ["--health-cmd", test[1], *words, *_one("--health-retries", check.get("Retries"))]


def _one(flag: str, value: object) -> list[str]:
    return [flag, str(value)] if value else []


def _many(flag: str, values: Iterable[object] | None) -> list[str]:
    return [word for value in values or () for word in (flag, str(value))]
