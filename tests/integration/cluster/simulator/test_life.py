"""Start, restart and every kind of end of the simulator: nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncssh
import pytest

from cluster.simulator import procfs
from tests.integration.cluster.simulator.conftest import addresses
from tests.integration.cluster.simulator.spark_client import REPOSITORY, Simulator, wait_until

PORT = 2322


@pytest.fixture
def simulator(ssh_key: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A function that starts a simulator of this test's own; started ones are ended afterwards."""
    started: list[Simulator] = []

    def start(root: Path = tmp_path, **env: str) -> Simulator:
        env = {"SPARKSIM_LOAD_SECONDS": "0.5", "SPARKSIM_LAUNCHER_PAUSE": "0.1", **env}
        started.append(Simulator(root, addresses(), PORT, ssh_key, **env))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()
        assert one.process.stdout is not None
        one.process.stdout.close()


def left_behind(root: Path) -> list[str]:
    """Command lines of processes that still belong to a Spark under this root."""
    marker = os.fsencode(str(root))
    return [
        procfs.read_proc(pid, "cmdline").replace(b"\0", b" ").decode()
        for pid in procfs.all_pids()
        if pid != os.getpid()
        and (marker in procfs.read_proc(pid, "environ") or marker in procfs.read_proc(pid, "cmdline"))
        and b"pytest" not in procfs.read_proc(pid, "cmdline")
        and procfs.read_proc(pid, "cmdline")
    ]


def busy(sim: Simulator) -> None:
    """A served model, an orphan on the host, and something that ignores SIGTERM."""
    sim.run(1, "docker run -d --name box vllm/vllm-openai:latest org/m-7B --port 8888")
    sim.run(2, "setsid bash -c 'trap : TERM; while :; do sleep 0.2; done' > /dev/null 2>&1 < /dev/null &")
    sim.wait_ready()
    assert left_behind(sim.root)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything(simulator, signum: int) -> None:  # type: ignore[no-untyped-def]
    sim = simulator()
    busy(sim)
    sim.process.send_signal(signum)
    assert sim.process.wait(10) == 0
    assert left_behind(sim.root) == []


@pytest.mark.parametrize("victim", ["first", "second"])
def test_even_sigkill_leaves_nothing_running(simulator, victim: str) -> None:  # type: ignore[no-untyped-def]
    sim = simulator()
    busy(sim)
    second = next(p for p in procfs.all_pids() if procfs.parent_of(p) == sim.process.pid)
    os.kill(sim.process.pid if victim == "first" else second, signal.SIGKILL)
    sim.process.wait(10)
    wait_until(lambda: not left_behind(sim.root), 10)


def test_it_ends_frozen_processes_too(simulator) -> None:  # type: ignore[no-untyped-def]
    sim = simulator()
    busy(sim)
    sim.fault(1, "frozen-host")
    assert sim.stop() == 0
    assert left_behind(sim.root) == []


def test_a_restart_keeps_homes_and_keys_and_forgets_containers(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sim = simulator()
    sim.run(1, "echo kept > file; docker run -d --name box vllm-node sleep infinity")
    boot, key = sim.run(1, "cat /proc/sys/kernel/random/boot_id").out, sim.spark(1)["host_key"]
    sim.stop()
    again = simulator(tmp_path)
    assert again.spark(1)["host_key"] == key
    assert again.run(1, "cat file; docker ps -aq").out == "kept\n"
    assert again.run(1, "cat /proc/sys/kernel/random/boot_id").out != boot


def test_the_boot_script_can_leave_a_model_serving(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    home = tmp_path / "spark-1" / "home"
    home.mkdir(parents=True)
    (home / "boot.sh").write_text(
        "cd ~/spark-vllm-docker && ./launch-cluster.sh -d --solo exec vllm serve org/m --port 8888"
    )
    simulator().wait_ready()


def test_it_works_under_a_path_with_a_space(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sim = simulator(tmp_path / "my sparks")
    assert sim.launch(1, "-d --solo exec vllm serve org/m --port 8888").err == ""
    sim.wait_ready()


def test_our_launcher_is_refreshed_and_a_foreign_one_is_kept(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sim = simulator()
    scripts = [Path(sim.spark(n)["launcher_dir"], "launch-cluster.sh") for n in (1, 2)]
    sim.stop()
    ours = scripts[0].read_text()
    scripts[0].write_text(ours + "# old\n")
    scripts[1].write_text("#!/bin/bash\necho foreign\n")
    simulator(tmp_path)
    assert scripts[0].read_text() == ours and "foreign" in scripts[1].read_text()


def test_it_starts_quickly_and_stays_light(simulator) -> None:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    sim = simulator()
    assert time.monotonic() - began < 5  # about 1 s on an idle machine, most of it asyncssh
    second = next(p for p in procfs.all_pids() if procfs.parent_of(p) == sim.process.pid)
    pages = int(procfs.read_proc(second, "statm").split()[1])
    assert pages * 4 / 1024 < 90


def test_a_taken_port_is_told_in_one_sentence(simulator, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    simulator()
    argv = [sys.executable, "-m", "cluster.simulator", "serve", str(tmp_path / "second")]
    argv += ["--first-address", addresses(), "--ssh-port", str(PORT)]
    result = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=20)
    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot listen on" in result.stderr and "Traceback" not in result.stderr


def test_it_knows_nothing_of_django() -> None:
    code = "import sys, cluster.simulator.server, cluster.simulator.__main__; print('django' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


@pytest.mark.skipif(os.getuid() != 0, reason="runs as an ordinary user already")
def test_it_runs_as_an_ordinary_user(ssh_key: Path, tmp_path: Path) -> None:
    """As nobody, with no capability; needs an interpreter that nobody may read."""
    base = next(folder for folder in tmp_path.parents if folder.name.startswith("pytest-of-"))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(base):
            folder.chmod(0o755)
    root, public = tmp_path / "root", tmp_path / "key.pub"
    root.mkdir()
    os.chown(root, 65534, 65534)
    public.write_text(Path(str(ssh_key) + ".pub").read_text())
    packages = Path(asyncssh.__file__).parents[1]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += ["env", f"PYTHONPATH={packages}", "PYTHONDONTWRITEBYTECODE=1"]
    nobody += [shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin") or sys.executable]
    if subprocess.run([*nobody, "-c", "import asyncssh"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this interpreter is in a folder that only root may read")
    argv = [
        *nobody,
        "-m",
        "cluster.simulator",
        "serve",
        str(root),
        "--first-address",
        addresses(),
        "--ssh-port",
        "2333",
    ]
    process = subprocess.Popen(
        [*argv, "--authorized-key", str(public)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert '"ready": true' in process.stdout.readline()
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()
