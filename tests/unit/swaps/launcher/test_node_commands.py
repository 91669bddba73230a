"""The commands for a node, run by real bash against a small stand-in for docker that keeps real processes."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.ssh.command import Command
from swaps.launcher import node_commands
from swaps.launcher.node_commands import (
    LOCK_BUSY,
    STALE_FENCE,
    STATE_UNUSABLE,
    fence_guard,
    gone_check,
    raise_fence,
    read_container_state,
    read_fence,
    read_gone,
    stop_container,
    vllm_processes,
)
from tests.unit.swaps.launcher.docker_stub import PORT, STUBBORN, WILLING, Spark, stub_spark


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Spark]:
    with stub_spark(tmp_path) as made:
        yield made


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


def test_busy_and_stale_have_exit_codes_of_their_own() -> None:
    assert len({LOCK_BUSY, STALE_FENCE, STATE_UNUSABLE, node_commands.NO_DIRECTORY}) == 4
