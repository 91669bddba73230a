"""The commands for a node, run by real bash against a small stand-in for docker that keeps real processes."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.ssh.command import Command
from swaps import node_commands
from swaps.node_commands import (
    LOCK_BUSY,
    STALE_FENCE,
    STATE_UNUSABLE,
    fence_guard,
    gone_check,
    preflight_facts,
    raise_fence,
    read_container_state,
    read_fence,
    read_gone,
    read_preflight,
    stop_container,
    vllm_processes,
)

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
  "ps --format") for box in "$root"/containers/*/; do [ -d "$box" ] && echo "$(basename "$box")|vllm-node"; done
             echo "ollama|ollama/ollama:latest"; echo "db|postgres:16" ;;
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
        child = subprocess.Popen(argv, env=self._env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Spark]:
    (tmp_path / "docker" / "bin").mkdir(parents=True)
    stub = tmp_path / "docker" / "bin" / "docker"
    stub.write_text(DOCKER)
    stub.chmod(0o755)
    (tmp_path / "home").mkdir()
    made = Spark(tmp_path / "home", tmp_path / "docker")
    yield made
    made.end()


WILLING = ": vllm serve org/m; trap 'exit 0' TERM; while :; do sleep 0.05; done"
STUBBORN = ": VLLM::EngineCore; trap '' TERM; while :; do sleep 0.05; done"


# --- fence -----------------------------------------------------------------------------------------------------------


def test_a_guarded_command_runs_and_leaves_its_fence_behind(spark: Spark) -> None:
    done = spark.run(fence_guard("main", 7, Command.of("echo", "a b", "$HOME")))
    assert (done.returncode, done.stdout) == (0, "a b $HOME\n")
    assert spark.run(read_fence("main")).stdout == "7\n"


def test_a_guarded_script_gets_its_own_arguments_and_environment(spark: Spark) -> None:
    inner = Command.shell('echo "$1|$2|$X"', "one", "t w o").with_env({"X": "*"})
    assert spark.run(fence_guard("main", 1, inner)).stdout == "one|t w o|*\n"


def test_the_exit_status_of_the_command_is_passed_on(spark: Spark) -> None:
    assert spark.run(fence_guard("main", 1, Command.shell("exit 42"))).returncode == 42
    assert spark.run(fence_guard("main", 1, Command.of("false"))).returncode == 1


def test_a_stale_command_does_not_run(spark: Spark) -> None:
    assert spark.run(raise_fence("main", 9)).stdout == "9\n"
    done = spark.run(fence_guard("main", 8, Command.of("touch", str(spark.home / "ran"))))
    assert done.returncode == STALE_FENCE
    assert "obeys 9" in done.stderr
    assert not (spark.home / "ran").exists()


def test_the_same_fence_may_run_again(spark: Spark) -> None:
    for _ in range(3):
        assert spark.run(fence_guard("main", 5, Command.of("true"))).returncode == 0


def test_lowering_the_fence_is_refused(spark: Spark) -> None:
    spark.run(raise_fence("main", 100))
    assert spark.run(raise_fence("main", 99)).returncode == STALE_FENCE
    assert spark.run(read_fence("main")).stdout == "100\n"


def test_slots_have_fences_of_their_own(spark: Spark) -> None:
    spark.run(raise_fence("main", 100))
    assert spark.run(read_fence("second")).stdout == "0\n"
    assert spark.run(fence_guard("second", 1, Command.of("true"))).returncode == 0


def test_a_fence_of_63_bits_is_compared_as_a_number(spark: Spark) -> None:
    spark.run(raise_fence("main", 2**62))
    assert spark.run(raise_fence("main", 999)).returncode == STALE_FENCE


def test_a_damaged_fence_file_lets_nothing_through_and_says_what_to_do(spark: Spark) -> None:
    spark.run(raise_fence("main", 1))
    (spark.home / ".spark-control/main/fence").write_text("garbage\n")
    done = spark.run(fence_guard("main", 5, Command.of("true")))
    assert done.returncode == STATE_UNUSABLE
    assert "remove" in done.stderr


def test_a_detached_child_does_not_keep_the_lock(spark: Spark) -> None:
    child = Command.shell("setsid sleep 30 </dev/null >/dev/null 2>&1 & echo $!")
    pid = int(spark.run(fence_guard("main", 1, child)).stdout)
    started = time.monotonic()
    assert spark.run(raise_fence("main", 2)).returncode == 0
    assert time.monotonic() - started < 5
    os.kill(pid, signal.SIGKILL)


def test_raising_the_fence_waits_for_a_command_that_is_running(spark: Spark) -> None:
    slow = spark.begin(fence_guard("main", 1, Command.shell("echo begun; sleep 0.5; touch done")))
    assert slow.stdout is not None
    slow.stdout.readline()
    assert spark.run(raise_fence("main", 2)).returncode == 0
    assert slow.wait(1) == 0


def test_of_many_commands_at_once_the_accepted_fences_never_fall(spark: Spark) -> None:
    order = [(n * 37) % 40 + 1 for n in range(40)]
    log = spark.home / "accepted"
    commands = [fence_guard("main", n, Command.shell('echo "$1" >>"$2"', str(n), str(log))) for n in order]
    codes = [process.wait(60) for process in [spark.begin(command) for command in commands]]
    accepted = [int(line) for line in log.read_text().split()]
    assert accepted == sorted(accepted)
    assert max(accepted) == 40
    assert set(codes) <= {0, STALE_FENCE}
    assert codes.count(0) == len(accepted)


@pytest.mark.parametrize("slot", ["", "../x", "a b", "a/b", "-x", "a\n", "x" * 41, "ä", "$(id)"])
def test_a_slot_name_that_could_leave_its_directory_is_refused(slot: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        fence_guard(slot, 1, Command.of("true"))


@pytest.mark.parametrize("fence", [-1, 2**63])
def test_a_fence_beyond_what_bash_compares_is_refused(fence: int) -> None:
    with pytest.raises(ValueError, match="fence"):
        raise_fence("main", fence)


# --- stop ------------------------------------------------------------------------------------------------------------


def test_stopping_what_is_absent_is_no_failure(spark: Spark) -> None:
    done = spark.run(stop_container("vllm_node"))
    assert (done.returncode, done.stdout) == (0, "container vllm_node: absent\n")


def test_a_willing_vllm_is_asked_first_and_ends_at_once(spark: Spark) -> None:
    spark.container("vllm_node", WILLING, "sleep 60")
    started = time.monotonic()
    done = spark.run(stop_container("vllm_node", 10))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "vLLM ended\ncontainer vllm_node: stopped\n"
    assert time.monotonic() - started < 3
    assert (spark.docker / "stop_grace").read_text() == "0\n"


def test_only_vllm_is_signalled_and_only_in_that_container(spark: Spark) -> None:
    spark.container("vllm_node", WILLING, "sleep 60")
    other = spark.container("other", WILLING)
    spark.run(stop_container("vllm_node", 5))
    pid = int((other / "pids").read_text().split()[0])
    os.kill(pid, 0)
    assert not [call for call in (spark.docker / "calls").read_text().splitlines() if " other" in call]


def test_a_stubborn_vllm_is_killed_after_the_grace(spark: Spark) -> None:
    spark.container("vllm_node", STUBBORN)
    started = time.monotonic()
    done = spark.run(stop_container("vllm_node", 1))
    assert "killed" in done.stdout
    assert 1 <= time.monotonic() - started < 4


def test_a_vllm_that_is_the_main_process_gets_the_grace_from_docker(spark: Spark) -> None:
    box = spark.container("vllm-gemma4", WILLING)
    (box / "main").write_text((box / "pids").read_text().split()[0])
    done = spark.run(stop_container("vllm-gemma4", 20))
    assert done.returncode == 0
    assert (spark.docker / "stop_grace").read_text() == "20\n"
    assert " exec " not in (spark.docker / "calls").read_text()


def test_a_container_without_vllm_is_stopped_without_waiting(spark: Spark) -> None:
    spark.container("vllm_node", "sleep 60")
    assert "no vLLM process" in spark.run(stop_container("vllm_node", 30)).stdout


def test_a_container_that_has_ended_is_left_for_its_owner_unless_asked(spark: Spark) -> None:
    box = spark.container("vllm_node", running=False)
    assert spark.run(stop_container("vllm_node")).returncode == 0
    assert box.exists()
    assert spark.run(stop_container("vllm_node", remove=True)).returncode == 0
    assert not box.exists()


def test_a_container_of_ours_that_would_stay_is_removed(spark: Spark) -> None:
    box = spark.container("vllm_node", WILLING, keep=True)
    (box / "labels").write_text('{"sparkcontrol.swap":"3"}')
    assert spark.run(stop_container("vllm_node")).returncode == 0
    assert not box.exists()


def test_a_container_of_others_that_would_stay_is_only_stopped(spark: Spark) -> None:
    box = spark.container("vllm_node", WILLING, keep=True)
    (box / "labels").write_text('{"maintainer":"someone"}')
    assert spark.run(stop_container("vllm_node")).returncode == 0
    assert box.exists()


def test_when_docker_does_not_answer_nothing_is_called_absent(spark: Spark) -> None:
    (spark.docker / "down").touch()
    for command in (stop_container("vllm_node"), node_commands.container_state("vllm_node"), gone_check("c", PORT)):
        done = spark.run(command)
        assert done.returncode == 1
        assert "absent" not in done.stdout


def test_stopping_runs_under_the_fence_too(spark: Spark) -> None:
    spark.container("vllm_node", WILLING)
    spark.run(raise_fence("main", 5))
    assert spark.run(fence_guard("main", 4, stop_container("vllm_node"))).returncode == STALE_FENCE
    assert spark.run(fence_guard("main", 5, stop_container("vllm_node"))).returncode == 0


# --- looking ---------------------------------------------------------------------------------------------------------


def test_the_state_of_a_container(spark: Spark) -> None:
    box = spark.container("vllm_node")
    state = {
        "exists": True,
        "name": "/vllm_node",
        "running": True,
        "exit_code": 0,
        "labels": {"sparkcontrol.swap": "12"},
    }
    (box / "state.json").write_text(json.dumps(state))
    read = read_container_state(spark.run(node_commands.container_state("vllm_node")).stdout)
    assert (read.exists, read.running, read.name, read.swap_id, read.fence) == (True, True, "vllm_node", 12, None)


def test_the_state_of_an_absent_container(spark: Spark) -> None:
    assert not read_container_state(spark.run(node_commands.container_state("none")).stdout).exists


def test_gone_means_no_container_no_process_and_a_free_port(spark: Spark) -> None:
    report = read_gone(spark.run(gone_check("vllm_node", PORT)).stdout)
    assert report.gone
    assert report.memory_available is not None
    assert report.memory_available > 1024**2


def test_what_is_left_is_told(spark: Spark) -> None:
    spark.container("vllm_node", WILLING)
    report = read_gone(spark.run(gone_check("vllm_node", PORT)).stdout)
    assert report.what_is_left == "the container (Up 3 minutes) and 1 vLLM process"


def test_a_port_that_is_taken_is_seen(spark: Spark) -> None:
    listen = "import socket as s;l=s.create_server(('127.0.0.1',0));print(l.getsockname()[1],flush=1);input()"
    listener = spark.spawn("python3", "-c", listen)
    assert listener.stdout is not None
    port = int(listener.stdout.readline())
    assert read_gone(spark.run(gone_check("vllm_node", port)).stdout).what_is_left == "a listener on the port"
    listener.kill()
    listener.wait()
    assert read_gone(spark.run(gone_check("vllm_node", port)).stdout).gone


def test_an_unreadable_answer_is_never_read_as_gone() -> None:
    assert not read_gone("").gone
    assert not read_gone("container absent\nvllm_processes 0\n").gone
    with pytest.raises(ValueError, match="no container state"):
        read_container_state("Cannot connect to the Docker daemon\n")


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("root 4 1 0 10:00 ? 00:00:01 /usr/bin/python3 /usr/local/bin/vllm serve org/m --port 8888", 1),
        ("root 4 1 0 10:00 ? 00:00:01 VLLM::EngineCore_DP0", 1),
        ("root 4 1 0 10:00 ? 00:00:01 python3 -m vllm.entrypoints.openai.api_server", 1),
        ("root 4 1 0 10:00 ? 00:00:01 sleep infinity", 0),
        ("root 4 1 0 10:00 ? 00:00:01 ray::IDLE", 0),
    ],
)
def test_vllm_is_known_by_its_process_names(line: str, count: int) -> None:
    assert vllm_processes(f"UID PID PPID C STIME TTY TIME CMD\n{line}\n") == count


# --- logs ------------------------------------------------------------------------------------------------------------


def test_logs_are_followed_with_timestamps_and_resume_from_one() -> None:
    assert node_commands.follow_logs("c").argv == ("docker", "logs", "-f", "-t", "c")
    resumed = node_commands.follow_logs("c", "2026-11-20T10:00:00.123456789Z")
    assert resumed.argv == ("docker", "logs", "-f", "-t", "--since", "2026-11-20T10:00:00.123456789Z", "c")


@pytest.mark.parametrize("since", ["", "--tail=1", "yesterday", "2026-11-20T10:00:00Z\n"])
def test_a_since_that_is_no_timestamp_is_refused(since: str) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        node_commands.follow_logs("c", since)


def test_the_log_file_of_an_old_launcher_is_read_from_a_line_on(spark: Spark) -> None:
    log = spark.home / ".spark-control/main/swap-3-exec.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    path = "~/.spark-control/main/swap-3-exec.log"
    assert spark.run(node_commands.log_file_tail(path, 2)).stdout == "two\nthree\n"
    follower = spark.begin(node_commands.follow_log_file(path, 3))
    assert follower.stdout is not None
    assert follower.stdout.readline() == "three\n"
    with log.open("a") as file:
        file.write("four\n")
    assert follower.stdout.readline() == "four\n"


# --- preflight -------------------------------------------------------------------------------------------------------


@pytest.fixture
def launcher(spark: Spark) -> Path:
    directory = spark.home / "spark-vllm-docker"
    (directory / "mods/fix-a").mkdir(parents=True)
    (directory / "mods/fix-a/run.sh").touch()
    script = directory / "launch-cluster.sh"
    script.write_text("#!/bin/bash\necho 'Usage: x -n -t --name'\nexit 1\n")
    script.chmod(0o755)
    return directory


def facts_of(spark: Spark, **changes: object) -> node_commands.PreflightFacts:
    asked = {
        "container": "vllm_node",
        "port": 8888,
        "image": "vllm-node",
        "launcher_dir": "",
        "slot": "main",
        **changes,
    }
    done = spark.run(preflight_facts(**asked))  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    facts = read_preflight(done.stdout)
    assert facts.unread == ()
    return facts


def test_help_is_asked_for_and_its_exit_status_1_is_no_failure(spark: Spark, launcher: Path) -> None:
    done = spark.run(node_commands.launcher_help(""))
    assert (done.returncode, done.stdout) == (0, "Usage: x -n -t --name\n")
    assert spark.run(node_commands.launcher_help(str(launcher))).returncode == 0
    assert spark.run(node_commands.launcher_help("~/elsewhere")).returncode == 66
    (launcher / "launch-cluster.sh").chmod(0o644)
    assert spark.run(node_commands.launcher_help("")).returncode == 127


def test_one_round_trip_answers_everything(spark: Spark, launcher: Path) -> None:
    (launcher / ".env").write_text("# CONTAINER_NAME=no\nCLUSTER_NODES=10.0.0.1\nCONTAINER_NAME='other'\n")
    box = spark.container("vllm_node", WILLING)
    state = {"exists": True, "name": "/vllm_node", "running": True, "labels": {"sparkcontrol.fence": "4"}}
    (box / "state.json").write_text(json.dumps(state))
    spark.run(raise_fence("main", 6))
    facts = facts_of(spark, mods=("mods/fix-a", "mods/absent"))
    assert facts.launcher == "present"
    assert facts.env_container == "other"
    assert facts.mods_absent == ("mods/absent",)
    assert (facts.docker, facts.image_id) == ("ok", "sha256:abc")
    assert facts.container is not None
    assert facts.container.fence == 4
    assert [user.name for user in facts.memory_users("vllm_node")] == ["ollama"]
    assert facts.port_free is True
    assert facts.fence == 6
    assert facts.disk_free is not None
    assert facts.memory_total is not None
    assert facts.memory_available is not None
    assert facts.memory_available < facts.memory_total
    assert re.fullmatch(r"[0-9a-f-]{36}", facts.boot_id)
    assert facts.weights is None


def test_absence_is_told_apart_from_not_knowing(spark: Spark) -> None:
    facts = facts_of(spark, image="missing-image", repo="org/m")
    assert facts.launcher == "absent"
    assert facts.image_id == ""
    assert facts.container is not None
    assert not facts.container.exists
    assert facts.weights == "absent"
    (spark.docker / "down").touch()
    facts = facts_of(spark)
    assert facts.docker == "failed"
    assert "Cannot connect" in facts.docker_problem
    assert facts.image_id is None
    assert facts.container is None


def snapshot(spark: Spark, hub: str = ".cache/huggingface/hub") -> Path:
    model = spark.home / hub / "models--org--m"
    folder = model / "snapshots" / ("c" * 40)
    for directory in (folder, model / "refs", model / "blobs"):
        directory.mkdir(parents=True)
    (model / "refs/main").write_text("c" * 40)
    (folder / "config.json").write_text("{}")
    index = {"metadata": {"total_size": 6}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for number in (1, 2):
        (model / f"blobs/{number}").write_text("abc")
        (folder / f"model-{number}.safetensors").symlink_to(f"../../blobs/{number}")
    return folder


def test_whole_weights_are_complete(spark: Spark) -> None:
    snapshot(spark)
    facts = facts_of(spark, repo="org/m")
    assert (facts.weights, facts.weights_bytes, facts.weights_files) == ("complete", 6, 2)
    assert not facts.weights_downloading


def test_a_dangling_shard_is_found_and_named(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "../../blobs/2").resolve().unlink()
    facts = facts_of(spark, repo="org/m")
    assert (facts.weights, facts.weights_missing) == ("incomplete", "model-2.safetensors")


def test_a_shard_that_is_too_short_is_found(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "model-2.safetensors").resolve().write_text("a")
    assert facts_of(spark, repo="org/m").weights == "incomplete"


def test_a_download_under_way_is_seen(spark: Spark) -> None:
    folder = snapshot(spark)
    os.utime(folder / "../../refs/main", (1, 1))
    (folder / "../../blobs/9.incomplete").write_text("a")
    assert facts_of(spark, repo="org/m").weights_downloading


def test_a_snapshot_without_index_needs_one_weight_file(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "model.safetensors.index.json").unlink()
    assert facts_of(spark, repo="org/m").weights == "complete"
    for shard in folder.glob("*.safetensors"):
        shard.unlink()
    assert facts_of(spark, repo="org/m").weights == "incomplete"


def test_a_local_directory_is_looked_at_the_same_way(spark: Spark) -> None:
    folder = snapshot(spark)
    assert facts_of(spark, local_path=str(folder)).weights == "complete"
    assert facts_of(spark, local_path=str(folder / "none")).weights == "absent"


@pytest.mark.parametrize(
    "changes",
    [
        {"container": "-x"},
        {"container": "a b"},
        {"port": 0},
        {"port": 65536},
        {"image": "--help"},
        {"image": "A B"},
        {"launcher_dir": "../x"},
        {"launcher_dir": "~root/x"},
        {"repo": "-o/x"},
        {"repo": "org"},
        {"local_path": "rel"},
        {"local_path": "/a/../b"},
        {"mods": ("../m",)},
        {"mods": ("/m",)},
    ],
)
def test_values_that_were_never_validated_do_not_reach_the_wire(changes: dict[str, object]) -> None:
    asked = {"container": "c", "port": 1, "image": "i", "launcher_dir": "/l", "slot": "main", **changes}
    with pytest.raises(ValueError, match="unsafe value"):
        preflight_facts(**asked)  # type: ignore[arg-type]


def test_busy_and_stale_have_exit_codes_of_their_own() -> None:
    assert len({LOCK_BUSY, STALE_FENCE, STATE_UNUSABLE, node_commands.NO_DIRECTORY}) == 4
