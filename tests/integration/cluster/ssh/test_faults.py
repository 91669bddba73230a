"""What breaks under a command: drops, restarts, silence, orphans. Nothing hangs, nothing is called finished wrongly."""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from cluster.ssh import connection
from cluster.ssh.base import Busy, CommandResult, Outcome, OutputLine, Unreachable
from cluster.ssh.command import Command, Secret
from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.integration.sshd import Sshd, running_sshd, wait_until


def _in_thread(transport: ParamikoTransport, command: Command, timeout: float) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []

    def run() -> None:
        try:
            results.append(transport.run(command, timeout=timeout))
        except Exception as exc:
            results.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_a_connection_killed_mid_command_is_unknown_at_once(spark: ParamikoTransport, sshd: Sshd) -> None:
    mark = sshd.folder / "started"
    thread, results = _in_thread(spark, Command.shell('touch "$1"; echo out; sleep 30', str(mark)), 20)
    wait_until(mark.exists)
    time.sleep(0.1)
    sshd.kill_sessions()
    thread.join(5)
    (result,) = results
    assert isinstance(result, CommandResult)
    assert (result.outcome, result.exit_status, result.stdout) == (Outcome.UNKNOWN, None, "out")
    assert "connection to spark-1" in result.reason and "was lost" in result.reason


def test_the_next_command_after_a_drop_or_restart_connects_anew(spark: ParamikoTransport, sshd: Sshd) -> None:
    assert spark.run(Command.of("true")).ok
    sshd.kill_sessions()
    assert spark.run(Command.of("true")).ok
    sshd.stop()
    with pytest.raises(Unreachable, match="connection refused"):
        spark.run(Command.of("true"))
    sshd.start()
    assert spark.run(Command.of("true")).ok
    assert sshd.log.count("Accepted publickey") == 3


def test_a_frozen_session_ends_at_the_time_limit_and_is_replaced(
    spark: ParamikoTransport, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "OPEN_SECONDS", 2.0)
    mark = sshd.folder / "started"
    thread, results = _in_thread(spark, Command.shell('touch "$1"; sleep 30', str(mark)), 2)
    wait_until(mark.exists)
    sshd.signal_sessions(signal.SIGSTOP)
    thread.join(5)
    (result,) = results
    assert isinstance(result, CommandResult) and result.outcome is Outcome.UNKNOWN
    started = time.monotonic()
    assert spark.run(Command.of("true"), timeout=3).ok  # the frozen connection grants no session; a new one does
    assert time.monotonic() - started < connection.OPEN_SECONDS + 5


def test_a_thread_stuck_on_a_frozen_peer_is_freed_by_the_watch(
    spark: ParamikoTransport, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = sshd.folder / "started"
    thread, results = _in_thread(spark, Command.shell('touch "$1"; sleep 60', str(mark)), 60)
    wait_until(mark.exists)
    monkeypatch.setattr(connection, "SILENT_SECONDS", 1.0)
    sshd.signal_sessions(signal.SIGSTOP)
    thread.join(8)
    (result,) = results
    assert isinstance(result, CommandResult) and result.outcome is Outcome.UNKNOWN
    assert result.seconds < 6 and "was lost" in result.reason


def test_keepalives_are_answered_so_a_quiet_command_is_left_alone(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEPALIVE_SECONDS", 0.3)
    monkeypatch.setattr(connection, "SILENT_SECONDS", 1.5)
    transport = ParamikoTransport(sshd.address())
    assert transport.run(Command.shell("sleep 4; echo done"), timeout=10).stdout == "done"
    transport.close()


def test_orphaned_commands_do_not_use_up_the_sessions(spark: ParamikoTransport, sshd: Sshd) -> None:
    seen: list[OutputLine] = []
    for count in range(1, 13):  # sshd counts a session until its command ends; it allows ten
        command = Command.shell("echo up; exec sleep 20")
        spark.follow(command, seen.append, should_stop=partial(_holds, seen, count), timeout=5)
    assert spark.run(Command.of("true")).ok
    assert sshd.log.count("Accepted publickey") == 2


def _holds(seen: list[OutputLine], count: int) -> bool:
    return len(seen) >= count


def test_a_running_command_survives_the_change_of_connection(spark: ParamikoTransport, sshd: Sshd) -> None:
    mark = sshd.folder / "started"
    thread, results = _in_thread(spark, Command.shell('touch "$1"; sleep 4; echo survived', str(mark)), 20)
    wait_until(mark.exists)
    test_orphaned_commands_do_not_use_up_the_sessions(spark, sshd)
    thread.join(10)
    (result,) = results
    assert isinstance(result, CommandResult) and result.stdout == "survived"


def test_a_server_that_grants_no_session_is_told_so(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd", extra="MaxSessions 0") as server:
        transport = ParamikoTransport(server.address())
        with pytest.raises(Unreachable, match="MaxSessions"):
            transport.run(Command.of("true"))
        transport.close()


def test_a_full_house_is_busy_not_broken(spark: ParamikoTransport) -> None:
    threads = [_in_thread(spark, Command.of("sleep", "3"), 10)[0] for _ in range(connection.MAX_CHANNELS)]
    time.sleep(1)
    with pytest.raises(Busy, match="busy with 8 other commands"):
        spark.run(Command.of("true"), timeout=0.2)
    for thread in threads:
        thread.join()


def test_many_callers_of_a_dead_spark_wait_for_one_attempt(sshd: Sshd) -> None:
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            accepted.append(client)
            time.sleep(1)
            client.close()

        answering = threading.Thread(target=answer)
        answering.start()
        spark = ParamikoTransport(sshd.address(port=server.getsockname()[1]))
        started = time.monotonic()
        waiting = [_in_thread(spark, Command.of("true"), 5) for _ in range(6)]
        for thread, results in waiting:
            thread.join(10)
            assert isinstance(results[0], Unreachable)
        assert time.monotonic() - started < 3
        answering.join()


def test_a_peer_that_greets_and_then_says_nothing_does_not_hang_us() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        from_outside = f"""
import sys, time
from cluster.ssh.base import Unreachable
from cluster.ssh.hostkeys import fetch_host_key
try:
    fetch_host_key("127.0.0.1", {server.getsockname()[1]}, timeout=1)
except Unreachable:
    sys.exit(7)
"""
        started = time.monotonic()
        with subprocess.Popen([sys.executable, "-c", from_outside]) as process:
            client, _ = server.accept()
            with client:
                client.sendall(b"SSH-2.0-quiet\r\n")
                assert process.wait(10) == 7
        assert time.monotonic() - started < 6


def test_no_thread_of_ours_holds_up_the_end_of_the_interpreter(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(sshd.private_key)
    program = f"""
import threading
from pathlib import Path
from cluster.ssh.base import Address
from cluster.ssh.command import Command
from cluster.ssh.pool import pool
address = Address("spark-1", "127.0.0.1", {sshd.port}, {sshd.address().user!r}, {sshd.host_key!r},
    Path({str(tmp_path / "key")!r}).read_text())
transport = pool.get(address)
assert transport.run(Command.of("true")).ok
threading.Thread(target=transport.run, args=[Command.of("sleep", "30")], daemon=True).start()
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started < 8


def test_secrets_stay_out_of_process_lists_and_logs(
    spark: ParamikoTransport, sshd: Sshd, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        stdin = spark.run(Command.shell("read -r S; ps axeww; echo ${#S}"), stdin="canary-one\n")
        spark.run(Command.of("true", Secret("canary-two")).with_env({"TOKEN": Secret("canary-three")}))
        sshd.kill_sessions()
        wait_until(lambda: not sshd.sessions())
        spark.run(Command.of("true"))
    assert stdin.stdout.endswith("10")
    written = stdin.text + sshd.log + caplog.text + "".join(capfd.readouterr())
    assert "canary" not in written and "Traceback" not in written
    assert "***" in caplog.text
    assert "BEGIN OPENSSH" not in repr(spark.address)
