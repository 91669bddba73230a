"""A Spark for node commands: real bash in a home of its own, and a small stand-in for docker with real processes."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster.ssh.command import Command

PORT = 7  # nothing listens there; 8888 may be taken by a vLLM, simulated or not

# A container is a directory with `pids` (one per line, "PID text") and `main`. STATUS words as docker prints them.
DOCKER = r"""#!/bin/bash
root=$STUB_DOCKER
echo "$*" >>"$root/calls"
[ ! -e "$root/down" ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
alive() { [ -e "$1" ] && while read -r pid _; do kill -0 "$pid" 2>/dev/null && return 0; done <"$1"; return 1; }
case "$1 $2" in
  "container inspect")
    box=$root/containers/$5
    [ -d "$box" ] || { echo "Error response from daemon: No such container: $5" >&2; exit 1; }
    case $4 in
      *exists*) cat "$box/state.json" ;;
      *) echo "/$5 $(cat "$box/running") $(cat "$box/main") $(cat "$box/labels" 2>/dev/null || echo null)" ;;
    esac ;;
  "image inspect") [ "$5" != missing-image ] || { echo "No such image" >&2; exit 1; }; echo sha256:abc ;;
  "ps -q") ;;
  "ps -a") for box in "$root"/containers/*/; do [ -d "$box" ] || continue; n=$(basename "$box")
             case $4 in *Status*) echo "$n Up 3 minutes" ;; *) echo "$n" ;; esac; done ;;
  "ps --no-trunc") for name in ollama db; do
               printf '{"ID":"%s","Names":"%s","Image":"%s","State":"running"}\n' "$name" "$name" "$name/$name:latest"
             done ;;
  "top "*)
    [ -d "$root/containers/$2" ] || exit 1
    echo "UID                 PID                 PPID                C                   CMD"
    while read -r pid text; do ! kill -0 "$pid" 2>/dev/null || echo "root $pid 1 0 $text"; done \
      <"$root/containers/$2/pids" ;;
  "exec "*) shift 2; exec "$@" ;;
  "stop -t") date +%s.%N >>"$root/stops"
    while read -r pid _; do kill -KILL "$pid" 2>/dev/null; done <"$root/containers/$4/pids"
    echo "$3" >"$root/stop_grace"; [ -e "$root/containers/$4/keep" ] || rm -r "$root/containers/$4" ;;
  "rm -f") rm -r "$root/containers/$3" ;;
  *) echo "stub docker does not know: $*" >&2; exit 64 ;;
esac
"""


@dataclass
class Spark:
    home: Path
    docker: Path
    children: list["subprocess.Popen[str]"] = field(default_factory=list)

    def run(self, command: Command, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command.wire()],
            env={**self._env, **env},
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=60,
        )

    def begin(self, command: Command) -> "subprocess.Popen[str]":
        return self.spawn("bash", "-c", command.wire())

    def spawn(self, *argv: str) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            argv, cwd=self.home, env=self._env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.children.append(child)
        return child

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()

    @property
    def _env(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "STUB_DOCKER": str(self.docker),
            "PATH": f"{self.docker}/bin:{os.environ['PATH']}",
        }

    def container(self, name: str, *commands: str, main: int = 1, running: bool = True, keep: bool = False) -> Path:
        box = self.docker / "containers" / name
        box.mkdir(parents=True)
        lines = [f"{self.spawn('bash', '-c', text).pid} {text}" for text in commands]
        (box / "pids").write_text("".join(f"{line}\n" for line in lines))
        (box / "main").write_text(str(main))
        (box / "running").write_text("true" if running else "false")
        (box / "state.json").write_text(json.dumps({"exists": True, "name": f"/{name}", "running": running}))
        if keep:
            (box / "keep").touch()
        return box


@contextmanager
def stub_spark(root: Path) -> Iterator[Spark]:
    (root / "docker" / "bin").mkdir(parents=True)
    stub = root / "docker" / "bin" / "docker"
    stub.write_text(DOCKER)
    stub.chmod(0o755)
    (root / "home").mkdir()
    made = Spark(root / "home", root / "docker")
    yield made
    made.end()


WILLING = ": vllm serve org/m; trap 'exit 0' TERM; while :; do sleep 0.05; done"
STUBBORN = ": VLLM::EngineCore; trap '' TERM; while :; do sleep 0.05; done"
