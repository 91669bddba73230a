"""The lock from a shell, and `lock run`: the command holds the GPU exactly as long as it runs."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.models import Slot
from services.models import ApiKey
from swaps import locks
from swaps.models import HoldEnd, LockHold, Trigger
from swaps.requester import Requester
from tests.integration.services.sparkctl.conftest import Client
from tests.simulated_sparks import until
from tests.sparkctl import Sparkctl

ANA = Requester("user:ana", Trigger.DASHBOARD)


def held_by_ana(slot: Slot, seconds: int = 600) -> str:
    return locks.acquire(slot, holder="ana", purpose="a demo", ttl_seconds=seconds, by=ANA).token


def is_held(slot: Slot) -> bool:
    return locks.look(slot).held


def force(slot: Slot) -> None:
    locks.force_release(slot, fence=locks.look(slot).fence, reason="needed elsewhere", cancel_swap=False, by=ANA)


def wait_for(path: Path) -> str:
    """What a command of ours wrote there when it had begun."""
    return str(until(lambda: path.exists() and path.read_text(), seconds=20))


def python(tmp_path: Path, body: str = "time.sleep(60)", first: str = "") -> list[str]:
    """A command that says in a file that it runs, when `first` is done."""
    says = f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    script = tmp_path / "command.py"
    script.write_text("\n".join(["import os, pathlib, signal, sys, time", first, says, body]))
    return [sys.executable, "-S", str(script)]


def is_running(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


# The verbs


def test_it_takes_shows_renews_and_releases(sparkctl: Sparkctl, slot: Slot) -> None:
    taken = sparkctl.run("lock", "acquire", "--holder", "cron", "--purpose", "nightly eval", "--ttl", "60")
    token = taken.out.strip()
    assert (taken.code, token.startswith("slk_")) == (0, True)
    assert "cron (API key) holds the lock of main for “nightly eval” until" in taken.err
    holder = sparkctl.with_(SPARKCTL_LOCK_TOKEN=token)
    assert holder.run("lock", "show").out.startswith("cron (API key) holds the lock of main")
    assert holder.run("lock", "renew", "--ttl", "300").code == 0
    assert locks.look(slot).ttl_seconds == 300
    assert holder.run("swap", "qwen").code == 0
    assert holder.run("lock", "release").code == 0
    assert not is_held(slot)


def test_taking_it_again_with_the_token_is_more_time_and_keeps_the_purpose(sparkctl: Sparkctl, slot: Slot) -> None:
    first = sparkctl.run("lock", "acquire", "--holder", "cron", "--purpose", "eval", "--json").document
    again = (
        sparkctl.with_(SPARK_LOCK_TOKEN=first["token"]).run("lock", "acquire", "--holder", "cron", "--json").document
    )
    assert (again["fence"], again["purpose"]) == (first["fence"], "eval")


def test_a_lock_of_somebody_else_is_refused_in_the_words_of_the_api(sparkctl: Sparkctl, slot: Slot) -> None:
    held_by_ana(slot)
    for words in (["lock", "acquire"], ["lock", "run", "--", "true"], ["swap", "qwen"]):
        said = sparkctl.run(*words)
        assert (said.code, said.out) == (3, "")
        assert said.err.startswith("sparkctl: ana holds the lock of main for “a demo”, since ")
        assert "until" in said.err and said.err.count("\n") == 1


def test_a_hold_that_is_over_is_lost(sparkctl: Sparkctl, slot: Slot) -> None:
    token = sparkctl.run("lock", "acquire").out.strip()
    force(slot)
    holder = sparkctl.with_(SPARKCTL_LOCK_TOKEN=token)
    for words in (["lock", "renew"], ["lock", "release"], ["swap", "qwen"]):
        said = holder.run(*words)
        assert said.code == 4
        assert "Your hold of the lock of main has ended" in said.err


def test_force_takes_it_from_who_has_it_now(client: Client, slot: Slot) -> None:
    held_by_ana(slot)
    admin = client("admin", "lock:force")
    assert admin.run("lock", "force", "--reason", "short").code == 2
    assert admin.run("lock", "force", "--reason", "left for the weekend", "--fence", "999").code == 4
    assert admin.run("lock", "force", "--reason", "left for the weekend").code == 0
    assert not is_held(slot)


@pytest.mark.parametrize("token", ["no\nnewline", "ü" * 30, "a b"])
def test_a_token_that_cannot_be_sent_is_wrong_usage(sparkctl: Sparkctl, token: str) -> None:
    said = sparkctl.with_(SPARKCTL_LOCK_TOKEN=token).run("lock", "renew")
    assert (said.code, token in said.err) == (2, False)


# lock run


def test_it_exits_with_the_code_of_the_command_and_leaves_the_lock_free(sparkctl: Sparkctl, slot: Slot) -> None:
    said = sparkctl.run("lock", "run", "--purpose", "eval", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (said.code, said.out, said.err) == (7, "out\n", "err\n")
    assert not is_held(slot)
    assert [(hold.purpose, hold.end) for hold in LockHold.objects.all()] == [("eval", HoldEnd.RELEASED)]


def test_the_command_has_the_token_and_may_swap(sparkctl: Sparkctl, slot: Slot) -> None:
    mine = " ".join(sparkctl.command("swap", "qwen"))
    seen = 'echo "$SPARKCTL_LOCK_TOKEN $SPARK_LOCK_TOKEN $SPARKCTL_SLOT"'
    said = sparkctl.run("lock", "run", "--", "sh", "-c", f"{mine} && {seen}")
    assert said.code == 0, said.err
    first, second, slot_name = said.out.splitlines()[1].split()
    assert (first == second, slot_name) == (True, "main")
    assert LockHold.objects.get().token_hash


def test_the_command_has_what_is_given(sparkctl: Sparkctl) -> None:
    said = sparkctl.run("lock", "run", "--", "cat", given="from stdin")
    assert said.out == "from stdin"


def test_words_after_the_dashes_belong_to_the_command(sparkctl: Sparkctl) -> None:
    assert sparkctl.run("lock", "run", "--ttl", "60", "--", "echo", "--ttl", "--", "-x").out == "--ttl -- -x\n"


@pytest.mark.parametrize(("command", "code"), [("/no/such/program", 127), ("/etc/hostname", 126)])
def test_a_command_that_cannot_be_started_releases_at_once(
    sparkctl: Sparkctl, slot: Slot, command: str, code: int
) -> None:
    said = sparkctl.run("lock", "run", "--", command)
    assert (said.code, said.err.count("\n")) == (code, 1)
    assert not is_held(slot)


def test_it_renews_while_the_command_runs(sparkctl: Sparkctl, slot: Slot, tmp_path: Path) -> None:
    with sparkctl.running("lock", "run", "--ttl", "2", "--", *python(tmp_path, "time.sleep(5)")) as process:
        wait_for(tmp_path / "pid")
        taken = locks.look(slot)
        until(lambda: locks.look(slot).renewed_at != taken.renewed_at)
        assert process.wait(30) == 0
    assert LockHold.objects.get().end == HoldEnd.RELEASED


def test_it_waits_for_its_turn(sparkctl: Sparkctl, slot: Slot, tmp_path: Path) -> None:
    token = held_by_ana(slot)
    with sparkctl.running(
        "lock", "run", "--wait", "60", "--ttl", "3", "--", *python(tmp_path, "time.sleep(0)")
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(4)  # longer than a third of the time it will hold
        locks.release(slot, token)
        assert process.wait(30) == 0
    assert LockHold.objects.exclude(holder="ana").get().end == HoldEnd.RELEASED


def test_a_wait_has_an_end(sparkctl: Sparkctl, slot: Slot) -> None:
    held_by_ana(slot)
    assert sparkctl.run("lock", "run", "--wait", "2", "--", "true").code == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_command_and_then_releases(
    sparkctl: Sparkctl, slot: Slot, tmp_path: Path, number: signal.Signals
) -> None:
    with sparkctl.running("lock", "run", "--", "sh", "-c", f"{' '.join(python(tmp_path))}; exit 9") as process:
        pid = wait_for(tmp_path / "pid")
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    until(lambda: not is_running(pid))
    assert LockHold.objects.get().end == HoldEnd.RELEASED


def test_the_lock_is_held_until_the_command_has_really_ended(sparkctl: Sparkctl, slot: Slot, tmp_path: Path) -> None:
    stubborn = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), sys.exit(5)))"
    with sparkctl.running("lock", "run", "--", *python(tmp_path, first=stubborn)) as process:
        wait_for(tmp_path / "pid")
        until(lambda: is_held(slot))
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        assert is_held(slot)
        assert process.wait(30) == 5
    assert not is_held(slot)


def test_a_lost_lock_ends_the_command(sparkctl: Sparkctl, slot: Slot, tmp_path: Path) -> None:
    with sparkctl.running("lock", "run", "--ttl", "3", "--", *python(tmp_path)) as process:
        pid = wait_for(tmp_path / "pid")
        force(slot)
        assert process.wait(30) == 4
        assert process.stderr is not None
        assert "Your hold of the lock of main has ended" in process.stderr.read()
    assert not is_running(pid)


def test_a_command_may_go_on_without_the_lock_when_told_so(sparkctl: Sparkctl, slot: Slot, tmp_path: Path) -> None:
    body = f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)\nsys.exit(6)"
    with sparkctl.running("lock", "run", "--ttl", "3", "--keep-going", "--", *python(tmp_path, body)) as process:
        wait_for(tmp_path / "pid")
        force(slot)
        assert process.stderr is not None
        assert "goes on, as you said" in process.stderr.readline()
        (tmp_path / "go").touch()
        assert process.wait(30) == 6


def test_a_lock_that_nobody_lets_us_renew_is_lost_when_its_time_is_over(
    sparkctl: Sparkctl, slot: Slot, tmp_path: Path
) -> None:
    """By its own clock: the server cannot be asked any more."""
    with sparkctl.running("lock", "run", "--ttl", "4", "--", *python(tmp_path)) as process:
        wait_for(tmp_path / "pid")
        ApiKey.objects.all().delete()
        assert process.wait(30) == 4
        assert process.stderr is not None
        assert "could not be renewed and ran out" in process.stderr.read()


def test_who_stops_waiting_leaves_no_hold_behind(sparkctl: Sparkctl, slot: Slot) -> None:
    token = held_by_ana(slot)
    for words in (["acquire", "--wait", "60"], ["run", "--wait", "60", "--", "true"]):
        with sparkctl.running("lock", *words) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    locks.release(slot, token)
    assert not is_held(slot)
    assert {hold.holder for hold in LockHold.objects.all()} == {"ana"}


def test_what_json_says_of_a_refusal_names_the_holder(sparkctl: Sparkctl, slot: Slot) -> None:
    held_by_ana(slot)
    said = sparkctl.run("lock", "acquire", "--json")
    assert said.code == 3
    assert json.loads(said.out)["lock"]["holder"] == "ana"
