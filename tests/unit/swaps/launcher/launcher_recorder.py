"""A Spark for launch plans: real bash, and a launcher of ours that treats its words as a given vintage does.

It writes down what it was called with, what docker's unquoted arguments became, and what vLLM was started with.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.ssh.command import Command
from swaps.launcher.capabilities import Capabilities, read_capabilities
from swaps.launcher.launch import LaunchPlan, Node, Placement

HELP = Path(__file__).parents[3] / "corpus" / "launcher_help"
VINTAGES = ("2026-01", "2026-02", "2026-04", "2026-08")

LAUNCHER = r"""#!/bin/bash
printf '%s\0' "$PWD" "$0" >"$RECORD.place"
words=("$@")
extra="-e FIRST=1 $VLLM_SPARK_EXTRA_DOCKER_ARGS"
env_args=
while [ $# -gt 0 ]; do
  case $1 in
    -n | -t | --name | --eth-if | --ib-if | --apply-mod | -j | --nccl-debug | --master-port | --earlyoom-args | \
      --mem-limit-gb | --mem-swap-limit-gb | --pids-limit | --shm-size-gb) shift ;;
    -e | -v) extra="$extra $1 $2"; shift ;;
    start) printf '%s\0' "${words[@]}" >"$RECORD.start"; break ;;
    exec) shift; printf '%s\0' "${words[@]}" >"$RECORD.exec"; break ;;
    -d | --solo | --ray | --no-ray | --no-cache-dirs | --keep-entrypoint | --earlyoom | --non-privileged) ;;
    *) echo "Unknown argument: $1"; exit 1 ;;
  esac
  shift
done
printf '%s\0' $extra >"$RECORD.docker"
bash -c "printf '%s\0' $extra" >"$RECORD.worker_docker"   # the worker's login shell reads the line once more
[ -e "$RECORD.exec" ] || exit 0
case $QUOTING in
  joined) line="$*" ;;
  quoted) line=$(printf '%q ' "$@") ;;
esac
bash -c "$line >> /dev/null 2>&1"
case $WORKERS in
  broken) bash -c "RECORD=$RECORD.worker bash -c \"$line >> /dev/null 2>&1\"" ;;
  quoted) printf -v again 'RECORD=%q.worker bash -c %q' "$RECORD" "$line >> /dev/null 2>&1"; bash -c "$again" ;;
esac
exit 0
"""

VLLM = """#!/bin/bash
printf '%s\\0' vllm "$@" >"$RECORD.vllm"
env -0 >"$RECORD.env"
"""


@dataclass(frozen=True)
class Recording:
    """Everything is a list of words, exactly as received. None = that program was not called."""

    launcher: list[str] | None
    start: list[str] | None
    docker: list[str] | None
    worker_docker: list[str] | None
    vllm: list[str] | None
    env: dict[str, str]
    worker_vllm: list[str] | None
    place: list[str] | None


class Recorder:
    """A home directory with a launcher in it, among files that a glob would pick up."""

    def __init__(self, root: Path, vintage: str) -> None:
        self.root = root
        self.vintage = vintage
        self.home = root / "home"
        self.launcher_dir = self.home / "spark-vllm-docker"
        self.bin = root / "bin"
        for directory in (self.launcher_dir, self.bin, root / "out", self.launcher_dir / "mods"):
            directory.mkdir(parents=True)
        for name in ("a", "b.txt", "ab", "-v", "--privileged", "org", "a b"):
            (self.launcher_dir / name).touch()
        _program(self.launcher_dir / "launch-cluster.sh", LAUNCHER)
        _program(self.bin / "vllm", VLLM)

    @property
    def capabilities(self) -> Capabilities:
        return read_capabilities((HELP / f"{self.vintage}.txt").read_text())

    def placement(self, workers: int = 0) -> Placement:
        nodes = tuple(Node(f"spark-{n}", f"192.168.177.{n}") for n in range(12, 12 + workers))
        return Placement("main", Node("spark-11", "192.168.177.11"), nodes, 8888, "vllm_node", str(self.launcher_dir))

    def run(self, plans: Sequence[LaunchPlan]) -> list[Recording]:
        """Run all steps of all plans in one bash, as a login shell would get them one by one."""
        lines = [
            f"export RECORD={self.root}/out/{number}\n{_subshell(step)}"
            for number, plan in enumerate(plans)
            for step in plan.steps
        ]
        subprocess.run(
            ["bash"],
            input="\n".join(lines).encode(),
            env=self._env,
            cwd=self.launcher_dir,
            check=True,
            capture_output=True,
            timeout=110,
        )
        assert not list(self.root.rglob("pwned")), "a payload ran"
        return [self._recording(number) for number in range(len(plans))]

    def exit_of(self, command: Command) -> int:
        record = {"RECORD": f"{self.root}/out/0"}
        run = subprocess.run(["bash", "-c", command.wire()], env={**self._env, **record}, check=False, timeout=60)
        return run.returncode

    @property
    def _env(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "QUOTING": "joined" if self.vintage < "2026-03" else "quoted",
            "WORKERS": {"2026-04": "broken", "2026-08": "quoted"}.get(self.vintage, "none"),
            "LANG": "C.UTF-8",
        }

    def _recording(self, number: int) -> Recording:
        def words(kind: str) -> list[str] | None:
            path = self.root / "out" / f"{number}.{kind}"
            return path.read_bytes().decode(errors="surrogateescape").split("\0")[:-1] if path.exists() else None

        return Recording(
            launcher=words("exec"),
            start=words("start"),
            docker=_without_first(words("docker")),
            worker_docker=_without_first(words("worker_docker")),
            vllm=words("vllm"),
            env=dict(word.split("=", 1) for word in words("env") or []),
            worker_vllm=words("worker.vllm"),
            place=words("place"),
        )


def _without_first(words: list[str] | None) -> list[str] | None:
    """The launcher puts arguments of its own before ours; two words of them are in the stand-in."""
    return words[2:] if words else words


def _subshell(step: Command) -> str:
    """`exit` codes do not matter here, and stdin is the script itself, so it must not be read."""
    return f"( {step.wire()}\n) </dev/null || :"


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
