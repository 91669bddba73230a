"""sparkctl as a newcomer has it: downloaded from the product that runs, with real swaps."""

import os
import re
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import Product
from tests.acceptance.installation import until
from tests.sparkctl import Sparkctl

pytestmark = pytest.mark.timeout(300)

GLM = "glm-4.7-flash-awq"
QWEN = "qwen3.6-35b-a3b-nvfp4"
PHASES = ["Queued", "Checking", "Stopping the old model", "Launching", "Loading", "Verifying"]


def phases_in(lines: list[str]) -> list[str]:
    return [phase for line in lines for phase in PHASES if line.startswith(f"{phase}.")]


def swapped(sparkctl: Sparkctl, model: str) -> None:
    said = sparkctl.run("swap", model, "--wait")
    assert said.code == 0, said.err


def test_swap_wait_goes_from_one_model_to_another_and_tells_each_phase(product: Product, sparkctl: Sparkctl) -> None:
    swapped(sparkctl, QWEN)
    said = sparkctl.run("swap", GLM, "--wait")
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert phases_in(lines) == PHASES
    assert any(re.match(r"Loading \d+ %", line) for line in lines)
    assert re.fullmatch(r"Swap \d+ to .* on main is done after .*\.", lines[-1])
    assert product.serves() == GLM
    assert "Application startup complete" in sparkctl.run("log").out


def test_a_dry_run_shows_checks_and_commands_and_changes_nothing(product: Product, sparkctl: Sparkctl) -> None:
    before = len(product.swaps())
    said = sparkctl.run("swap", QWEN, "--dry-run")
    assert said.code == 0, said.err
    assert "launch-cluster.sh" in said.out
    assert len(product.swaps()) == before


def test_a_swap_waited_for_survives_the_death_of_the_web_process(product: Product, sparkctl: Sparkctl) -> None:
    with sparkctl.running("swap", QWEN, "--wait") as process:
        assert process.stdout is not None and process.stderr is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Launching"):
                break
        web = [pid for pid, command in product.installation.processes().items() if "daphne" in command]
        os.kill(web[0], signal.SIGKILL)
        lines += process.stdout.readlines()
        assert process.wait(60) == 0, process.stderr.read()
    assert phases_in(lines) == PHASES  # each once and in order


def test_a_cancelled_swap_fails_for_who_waits(product: Product, sparkctl: Sparkctl) -> None:
    swapped(sparkctl, GLM)
    with sparkctl.running("swap", QWEN, "--wait") as process:
        until(lambda: product.swaps()[0]["status"] not in ("ready", "queued"), 30, "the swap runs")
        assert sparkctl.run("cancel").code == 0
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cancelled" in err and err.count("\n") == 1


def test_lock_run_exits_as_its_command_does(product: Product, sparkctl: Sparkctl) -> None:
    said = sparkctl.run("lock", "run", "--purpose", "evaluation", "--", "sh", "-c", "sparkctl lock show; exit 7")
    assert said.code == 7, said.err
    assert "for “evaluation”" in said.out
    assert product.lock()["held"] is False


def test_a_lock_of_somebody_else_is_refused_with_who_and_until_when(product: Product, sparkctl: Sparkctl) -> None:
    product.take()
    said = sparkctl.run("lock", "run", "--", "true")
    assert said.code == 3
    assert re.search(r"somebody \(.*\) holds the lock of main for “a demo”, since .* until \d\d:\d\d:\d\d", said.err)


def test_sigterm_ends_the_command_and_releases(product: Product, sparkctl: Sparkctl, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with sparkctl.running("lock", "run", "--", "sh", "-c", f"touch {begun}; sleep 60; exit 1") as process:
        until(begun.exists, 30, "the command has begun")
        assert product.lock()["held"] is True
        process.terminate()
        assert process.wait(30) == 143
    assert product.lock()["held"] is False


def test_a_hold_is_renewed_through_the_death_of_the_web_process(
    product: Product, sparkctl: Sparkctl, tmp_path: Path
) -> None:
    with sparkctl.running(
        "lock", "run", "--ttl", "20", "--", "sh", "-c", f"while ! [ -e {tmp_path}/go ]; do sleep 0.1; done"
    ) as process:
        until(lambda: product.lock()["held"], 30, "it holds the lock")
        taken = product.lock()
        web = [pid for pid, command in product.installation.processes().items() if "daphne" in command]
        os.kill(web[0], signal.SIGKILL)
        until(lambda: product.lock()["renewed_at"] != taken["renewed_at"], 30, "it is renewed")
        assert product.lock()["fence"] == taken["fence"]
        (tmp_path / "go").touch()
        assert process.wait(30) == 0


def test_how_fast_it_starts(product: Product, sparkctl: Sparkctl, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not judged: the machine is shared."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(sparkctl.command("status"), env=sparkctl.environment(), check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\nsparkctl status: {min(seconds):.2f} s at best, {statistics.median(seconds):.2f} s in the middle")
