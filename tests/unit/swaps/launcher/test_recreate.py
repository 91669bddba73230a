"""A container's inspect, to words, and back: what docker would show of the new one is what it showed of the old."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.simulator.docker import settings
from cluster.simulator.docker.options import RUN_SWITCHES, parse
from swaps.launcher import outsider_commands
from swaps.launcher.recreate import recreation

CANARY = "hf_CanaryThatNobodyMaySee42"
ID = "4f" * 32
HOST: dict[str, Any] = {
    "Binds": ["/srv/models:/models:ro", "cache:/root/.cache"],
    "NetworkMode": "bridge",
    "PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8888"}, {"HostIp": "::1", "HostPort": "8888"}]},
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    "AutoRemove": False,
    "Privileged": True,
    "IpcMode": "shareable",
    "ShmSize": 17179869184,
    "Ulimits": [{"Name": "memlock", "Hard": -1, "Soft": -1}, {"Name": "nofile", "Hard": 1048576, "Soft": 65536}],
    "DeviceRequests": [
        {"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}},
        {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": ["0", "1"],
            "Capabilities": [["gpu", "compute", "utility"]],
            "Options": {},
        },
    ],
    "Devices": [{"PathOnHost": "/dev/infiniband", "PathInContainer": "/dev/infiniband", "CgroupPermissions": "rwm"}],
    "Runtime": "nvidia",
    "Memory": 107374182400,
    "MemorySwap": -1,
    "NanoCpus": 1500000000,
    "PidsLimit": 4096,
    "OomScoreAdj": -500,
    "CapAdd": ["SYS_NICE"],
    "CapDrop": None,
    "SecurityOpt": ["seccomp=unconfined"],
    "GroupAdd": ["video"],
    "ExtraHosts": ["nas:192.168.1.5"],
    "Dns": ["192.168.1.1"],
    "PidMode": "host",
    "UTSMode": "",
    "Init": True,
    "ReadonlyRootfs": False,
    "PublishAllPorts": False,
    "Sysctls": {"net.core.somaxconn": "1024"},
    "Tmpfs": {"/scratch": "size=1g"},
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
}
DOCUMENT: dict[str, Any] = {
    "Id": ID,
    "Name": "/vllm-gemma4",
    "Image": "sha256:" + "ab" * 32,
    "Config": {
        "Hostname": "gemma",
        "User": "1000:1000",
        "Tty": True,
        "OpenStdin": False,
        "Env": [f"HF_TOKEN={CANARY}", "EMPTY=", "PEM=one\ntwo", "UNSET"],
        "Cmd": ["google/gemma-4", "--chat-template", "{% if a %}'$x'\n"],
        "Entrypoint": ["vllm", "serve"],
        "Image": "vllm/vllm-openai:gemma4-cu130",
        "WorkingDir": "/vllm-workspace",
        "Labels": {"team": "a b", "com.docker.compose.project": "llm"},
        "StopSignal": "SIGINT",
        "StopTimeout": 60,
        "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 30000000000, "Retries": 3},
    },
    "HostConfig": HOST,
    "Mounts": [{"Type": "volume", "Name": "cd" * 32, "Destination": "/data"}],
    "NetworkSettings": {"Networks": {"bridge": {}, "llm_net": {}}},
}


def test_the_words_mean_what_the_inspect_said() -> None:
    made = recreation(DOCUMENT)
    read = parse(list(made.words), RUN_SWITCHES)

    shown = settings.host_config(read)
    kept = {"Binds": [*HOST["Binds"], f"{'cd' * 32}:/data"]}
    assert shown == {name: HOST[name] for name in shown} | kept
    assert settings.config(read) == {
        name: DOCUMENT["Config"][name] for name in ("User", "Tty", "OpenStdin", "StopSignal", "StopTimeout")
    }
    assert (read.last("name"), read.last("hostname"), read.last("restart")) == ("vllm-gemma4", "gemma", "on-failure:3")
    assert read.every("publish") == ["127.0.0.1:8888:8000/tcp", "[::1]:8888:8000/tcp"]
    assert (read.last("network"), read.last("ipc"), read.last("workdir")) == ("bridge", "shareable", "/vllm-workspace")
    assert (read.last("health-cmd"), read.last("health-interval")) == ("curl -f localhost", "30000000000ns")
    assert (read.last("entrypoint"), made.command[0]) == ("vllm", "serve")
    assert made.networks == ("llm_net",)
    assert not read.words


@pytest.mark.parametrize(
    ("changes", "has", "lacks"),
    [
        ({"AutoRemove": True, "RestartPolicy": {"Name": "no"}}, "--rm", "--restart"),
        ({"NetworkMode": "host"}, "--network", "--publish"),
        ({"IpcMode": "host"}, "--ipc", "--shm-size"),
        ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}, "nvidia.com/gpu=all", "--gpus"),
        ({"RestartPolicy": {"Name": "always"}}, "always", "--rm"),
    ],
)
def test_what_excludes_another_is_not_said_twice(changes: dict[str, Any], has: str, lacks: str) -> None:
    words = recreation(DOCUMENT | {"HostConfig": HOST | changes}).words

    assert has in words and lacks not in words


def test_a_bare_inspect_is_enough() -> None:
    bare = {"Id": ID, "Name": "/x", "Image": "sha256:1", "Config": {"Image": "i"}, "HostConfig": {}}

    assert recreation(bare).words == ("--name", "x", "--entrypoint", "")


DOCKER = r"""#!/bin/bash
printf '%s\0' "$@" >>"$RECORD/argv"; echo >>"$RECORD/argv"
case $1 in
  create) while [ $# -gt 0 ]; do
      case $1 in --env-file | --label-file) stat -c %a "$2" >>"$RECORD/modes"; cp "$2" "$RECORD/$1" ;; esac; shift
    done
    printf '%s' "$PEM" >"$RECORD/pem" ;;
  container) exit 1 ;;
  image) echo sha256:another ;;
esac
"""


def test_settings_and_labels_go_through_files_in_memory_that_nobody_else_reads(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    command, stdin = outsider_commands.recreate("main", 3, DOCUMENT, start=True)
    env = {"HOME": str(tmp_path), "RECORD": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run(["bash", "-c", command.wire()], env=env, input=stdin, text=True, check=False)

    assert done.returncode == 0
    assert (tmp_path / "--env-file").read_text() == f"HF_TOKEN={CANARY}\nEMPTY=\n"
    assert (tmp_path / "--label-file").read_text() == "team=a b\ncom.docker.compose.project=llm\n"
    assert (tmp_path / "modes").read_text() == "600\n600\n"
    assert (tmp_path / "pem").read_text() == "one\ntwo"
    calls = (tmp_path / "argv").read_text()
    assert CANARY not in calls + command.wire() + json.dumps(command.argv)
    create = next(call for call in calls.split("\0\n") if call.startswith("create")).split("\0")
    assert create[-5:] == ["sha256:" + "ab" * 32, "serve", "google/gemma-4", "--chat-template", "{% if a %}'$x'\n"]
    assert "start\0vllm-gemma4" in calls and "network\0connect\0llm_net\0vllm-gemma4" in calls
    assert not [path for path in Path("/dev/shm").glob("spark-control.*") if path.stat().st_size]
