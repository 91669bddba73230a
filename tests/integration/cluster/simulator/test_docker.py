"""The Docker stand-in behaves as the real one does in the ways a swap relies on."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.integration.cluster.simulator.spark_client import Simulator, wait_until

IDLE = "docker run -d --rm --name box --network host --gpus all --ipc=host --privileged"


def test_run_prints_the_id_and_ps_and_inspect_know_the_container(sparks: Simulator) -> None:
    result = sparks.run(1, f"{IDLE} --label sparkcontrol.swap=7 -e A=1 vllm-node sleep infinity")
    assert re.fullmatch(r"[0-9a-f]{64}\n", result.out)
    template = '"{{.State.Running}} {{.State.Status}} {{.Id}} {{json .Config.Labels}}"'
    running, status, container, labels = sparks.run(1, f"docker inspect -f {template} box").out.split(maxsplit=3)
    assert (running, status, container) == ("true", "running", result.out.strip())
    assert json.loads(labels) == {"sparkcontrol.swap": "7"}
    assert sparks.run(1, "docker ps --format '{{.Names}} {{.Image}}'").out == "box vllm-node\n"
    document = json.loads(sparks.run(1, "docker inspect box").out)[0]
    assert document["HostConfig"]["AutoRemove"] is True
    assert "A=1" in document["Config"]["Env"] and document["Config"]["Cmd"] == ["sleep", "infinity"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("name=box", True), ("name=^/box$", True), ("name=bo", True), ("name=^bo$", False), ("label=k", True),
        ("label=k=v", True), ("label=k=w", False), ("status=running", True), ("status=exited", False),
    ],
)  # fmt: skip
def test_ps_filters(sparks: Simulator, filters: str, found: bool) -> None:
    sparks.run(1, f"{IDLE} --label k=v vllm-node sleep infinity")
    assert bool(sparks.run(1, f"docker ps -aq --no-trunc --filter '{filters}'").out) is found


def test_ps_rows_as_json(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    for form in ("json", "'{{json .}}'"):
        row = json.loads(sparks.run(1, f"docker ps -a --no-trunc --format {form}").out)
        assert (row["Names"], row["State"], row["Image"]) == ("box", "running", "vllm-node")


def test_a_missing_image_is_told_in_dockers_words(sparks: Simulator) -> None:
    result = sparks.run(1, "docker run -d --rm no-such-image sleep infinity")
    assert result.code == 125 and "Unable to find image 'no-such-image:latest' locally" in result.err


def test_a_taken_name_is_told_in_dockers_words(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    result = sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    assert result.code == 125 and 'Conflict. The container name "/box" is already in use by container' in result.err


def test_a_detached_exec_may_write_to_the_containers_log(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    sparks.run(1, "docker exec -d box bash -c 'echo out >> /proc/1/fd/1; echo err >> /proc/1/fd/2'")
    wait_until(lambda: "err" in sparks.logs(1, "box"))
    result = sparks.run(1, "docker logs box")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_a_copied_script_may_write_to_the_containers_log(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    sparks.run(1, "printf '#!/bin/bash\\necho from a script >> /proc/1/fd/1\\n' > s.sh; chmod +x s.sh")
    assert sparks.run(1, "docker cp s.sh box:/workspace/s.sh && docker exec box /workspace/s.sh").code == 0
    assert wait_until(lambda: sparks.logs(1, "box")) == "from a script\n"


def test_log_times_since_and_tail(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node bash -c 'for i in 1 2 3; do echo $i; sleep 0.05; done; sleep infinity'")
    wait_until(lambda: sparks.logs(1, "box").endswith("3\n"))
    stamped = sparks.run(1, "docker logs -t box").out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 1", stamped[0])
    second = stamped[1].split()[0]
    assert sparks.run(1, f"docker logs --since {second} box").out == "2\n3\n"
    assert sparks.run(1, "docker logs --since 1h --tail 1 box").out == "3\n"


def test_following_a_log_ends_with_the_container(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node bash -c 'echo first; sleep 2; echo last'")
    assert sparks.run(1, "docker logs -f box").out == "first\nlast\n"
    wait_until(lambda: not sparks.run(1, "docker ps -aq").out)


def test_with_rm_the_log_goes_with_the_container(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity; docker stop -t 0 box")
    result = sparks.run(1, "docker logs box")
    assert result.code == 1 and "No such container: box" in result.err


def test_without_rm_the_exit_code_stays(sparks: Simulator) -> None:
    sparks.run(1, "docker run -d --name box vllm-node bash -c 'echo bye; exit 3'")
    state = "'{{.State.Status}} {{.State.ExitCode}}'"
    wait_until(lambda: sparks.run(1, f"docker inspect -f {state} box").out == "exited 3\n")
    assert sparks.logs(1, "box") == "bye\n"
    assert "Exited (3)" in sparks.run(1, "docker ps -a").out
    assert sparks.run(1, "docker rm box && docker ps -aq").out == "box\n"


def test_pid_1_that_does_not_catch_sigterm_ignores_it(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    began = time.monotonic()
    sparks.run(1, "docker stop -t 1 box")
    assert time.monotonic() - began >= 1.0
    assert sparks.run(1, "docker ps -aq").out == ""


def test_pid_1_that_catches_sigterm_ends_at_once(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node bash -c \"trap 'exit 0' TERM; while :; do sleep 0.05; done\"")
    began = time.monotonic()
    sparks.run(1, "docker stop box")
    assert time.monotonic() - began < 3


def test_the_end_of_pid_1_ends_every_other_process(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity; docker exec -d box sleep 4711; docker kill box")
    assert sparks.run(1, "pgrep -f 'sleep 471[1]'").out == ""


def test_exec_gives_back_output_and_exit_code(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} -e GIVEN=at-run vllm-node sleep infinity")
    result = sparks.run(1, "echo in | docker exec -i -e MORE=1 box bash -c 'cat; echo $GIVEN $MORE >&2; exit 4'")
    assert (result.code, result.out, result.err) == (4, "in\n", "at-run 1\n")
    assert sparks.run(1, "docker exec box no-such-program").code == 127
    assert sparks.run(1, "docker exec nobody true").err == "Error response from daemon: No such container: nobody\n"


def test_containers_have_their_own_tmp_root_and_workspace(sparks: Simulator) -> None:
    for number in (1, 2):
        sparks.run(number, f"{IDLE} vllm-node sleep infinity")
        sparks.run(number, f"docker exec box bash -c 'echo {number} > /tmp/mine; cp /tmp/mine /root/; cd /workspace'")
    assert [sparks.run(n, "docker exec box cat /root/mine").out for n in (1, 2)] == ["1\n", "2\n"]


def test_a_bind_mount_shows_the_hosts_files(sparks: Simulator) -> None:
    sparks.run(1, "mkdir -p cache; echo here > cache/f")
    sparks.run(1, f"{IDLE} -v $HOME/cache:/root/.cache/huggingface vllm-node sleep infinity")
    assert sparks.run(1, "docker exec box cat /root/.cache/huggingface/f").out == "here\n"


def test_inside_a_container_only_its_own_processes_are_seen(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    sparks.run(1, "docker run -d --rm --name other vllm-node sleep 12345")
    assert "12345" not in sparks.run(1, "docker exec box ps -ef").out
    assert sparks.run(1, "docker exec box pgrep -f 'sleep 1234[5]'").code == 1
    walk = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $p; echo; done"
    assert "12345" not in sparks.run(1, f'docker exec box bash -c "{walk}"').out
    assert sparks.run(1, "docker exec box pkill -f 'sleep 1234[5]'").code == 1
    assert sparks.run(1, "docker ps -q --filter name=other").out


def test_killing_pid_1_in_a_container_means_its_own(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity")
    sparks.run(1, "docker exec box bash -c 'kill -9 1'")
    wait_until(lambda: not sparks.run(1, "docker ps -aq").out)


def test_top_lists_real_process_ids(sparks: Simulator) -> None:
    sparks.run(1, f"{IDLE} vllm-node sleep infinity; docker exec -d box sleep 777")
    rows = sparks.run(1, "docker top box -eo pid,args").out.splitlines()
    assert rows[0].split() == ["PID", "COMMAND"]
    assert [row.split(maxsplit=1)[1] for row in rows[1:]] == ["sleep infinity", "sleep 777"]
    assert sparks.run(1, f"kill -0 {rows[2].split()[0]}").code == 0
    assert sparks.run(1, "docker top box").out.startswith("UID")


def test_images_and_their_ids_are_equal_on_both(sparks: Simulator) -> None:
    command = "docker image inspect --format '{{.Id}}' vllm-node"
    ids = {sparks.run(number, command).out for number in (1, 2)}
    assert len(ids) == 1 and ids.pop().startswith("sha256:")
    missing = sparks.run(1, "docker image inspect nothing")
    assert (missing.code, missing.out) == (1, "[]\n") and "No such image: nothing" in missing.err


def test_a_restart_policy_brings_a_container_back_unless_it_was_stopped(sparks: Simulator) -> None:
    sparks.run(1, "docker run -d --restart always --name box vllm-node bash -c 'echo up; sleep 0.2'")
    wait_until(lambda: sparks.logs(1, "box").count("up") >= 2)
    sparks.run(1, "docker stop -t 0 box")
    count = sparks.logs(1, "box").count("up")
    time.sleep(0.5)
    assert sparks.logs(1, "box").count("up") == count


def test_a_docker_call_is_quick(sparks: Simulator) -> None:
    result = sparks.run(1, "TIMEFORMAT=%R; time (for i in 1 2 3 4 5 6 7 8 9 10; do docker ps -q; done)")
    assert float(result.err) / 10 < 0.2  # 0.02 s on an idle machine


def test_odd_command_lines_do_not_confuse_it(sparks: Simulator) -> None:
    assert sparks.run(1, "docker frobnicate").code == 1
    assert sparks.run(1, "docker run --name").code == 125
    assert sparks.run(1, "docker ps --format '{{.Nope'").code in {0, 64}
    assert sparks.run(1, "docker version --format '{{.Server.Version}}'").out.startswith("2")
    assert json.loads(sparks.run(1, "docker info --format '{{json .}}'").out)["Architecture"] == "aarch64"
