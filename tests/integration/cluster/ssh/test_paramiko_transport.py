"""Commands over a real sshd: outcomes, order, stdin, limits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.ssh.base import Outcome, OutputLine
from cluster.ssh.command import Command
from cluster.ssh.paramiko_transport import MAX_OUTPUT_BYTES, ParamikoTransport
from tests.integration.sshd import Sshd, wait_until


def test_it_runs_a_command_with_its_words_untouched(spark: ParamikoTransport) -> None:
    words = ["a b", "it's", '"x"', "$(id)", "`id`", "*", "~", "-n", "", "\\", "ünï ☃", "a;b&c|d>e"]
    result = spark.run(Command.of("printf", "%s\\n", *words))
    assert (result.outcome, result.exit_status, result.reason) == (Outcome.OK, 0, "")
    assert result.stdout.split("\n") == words


@pytest.mark.parametrize(("status", "outcome"), [(0, Outcome.OK), (1, Outcome.FAILED), (255, Outcome.FAILED)])
def test_an_exit_status_is_a_result_not_an_exception(spark: ParamikoTransport, status: int, outcome: Outcome) -> None:
    result = spark.run(Command.shell('exit "$1"', str(status)))
    assert (result.outcome, result.exit_status) == (outcome, status)


def test_stdout_and_stderr_keep_their_order(spark: ParamikoTransport) -> None:
    script = 'for i in $(seq 15); do echo "o$i"; sleep 0.1; echo "e$i" >&2; sleep 0.1; done'
    result = spark.run(Command.shell(script))
    assert [line.text for line in result.lines] == [f"{c}{i}" for i in range(1, 16) for c in "oe"]
    assert result.stderr.startswith("e1\ne2")


def test_output_without_a_final_newline_and_empty_lines_survive(spark: ParamikoTransport) -> None:
    assert [line.text for line in spark.run(Command.of("printf", "a\\n\\nb")).lines] == ["a", "", "b"]


def test_a_command_killed_by_a_signal_is_unknown(spark: ParamikoTransport) -> None:
    result = spark.run(Command.shell("kill -KILL $$"))
    assert (result.outcome, result.exit_status) == (Outcome.UNKNOWN, None)
    assert "signal" in result.reason


def test_a_command_over_its_time_limit_is_unknown_and_the_next_one_works(spark: ParamikoTransport) -> None:
    started = time.monotonic()
    result = spark.run(Command.shell("echo early; sleep 20"), timeout=3)
    assert time.monotonic() - started < 6
    assert (result.outcome, result.exit_status, result.stdout) == (Outcome.UNKNOWN, None, "early")
    assert "did not end within 3 s" in result.reason
    assert spark.run(Command.of("true")).ok


def test_a_child_left_behind_does_not_hide_the_exit_status(spark: ParamikoTransport) -> None:
    result = spark.run(Command.shell("sleep 8 & echo started; exit 3"), timeout=6)
    assert (result.outcome, result.exit_status, result.stdout) == (Outcome.FAILED, 3, "started")
    assert result.seconds < 4


@pytest.mark.parametrize("size", [0, 1, 100_000, 6_000_000])
def test_stdin_arrives_whole(spark: ParamikoTransport, size: int) -> None:
    assert spark.run(Command.of("wc", "-c"), stdin="x" * size).stdout.strip() == str(size)


def test_a_command_that_echoes_more_than_the_window_does_not_deadlock(spark: ParamikoTransport) -> None:
    text = "\n".join(f"line {i}" for i in range(300_000))
    result = spark.run(Command.of("cat"), stdin=text)
    assert result.ok and not result.truncated
    assert result.stdout == text


def test_stdin_that_nobody_reads_is_no_error(spark: ParamikoTransport) -> None:
    assert spark.run(Command.shell("exit 4"), stdin="x" * 5_000_000).exit_status == 4


def test_long_output_is_cut_and_says_so(spark: ParamikoTransport) -> None:
    result = spark.run(Command.shell("yes 0123456789 | head -c 9000000; exit 5"))
    assert result.truncated and result.exit_status == 5
    assert MAX_OUTPUT_BYTES - 100 < len(result.stdout) <= MAX_OUTPUT_BYTES
    assert "dropped" in result.stderr


def test_invalid_utf8_is_replaced(spark: ParamikoTransport) -> None:
    assert spark.run(Command.of("printf", "a\\377b")).stdout == "a\ufffdb"


def test_ten_commands_at_once_share_one_connection(spark: ParamikoTransport, sshd: Sshd) -> None:
    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(lambda i: spark.run(Command.shell("sleep 0.3; echo $1", str(i))), range(10)))
    assert [result.stdout for result in results] == [str(i) for i in range(10)]
    assert sshd.log.count("Accepted publickey") == 1


def test_following_hands_over_pieces_as_they_arrive(spark: ParamikoTransport) -> None:
    spark.run(Command.of("true"))
    late: list[float] = []

    def note(piece: OutputLine) -> None:
        late.extend(time.time() - float(stamp) for stamp in piece.text.split())

    command = Command.shell("for i in 1 2 3 4 5 6 7 8 9 10; do date +%s.%N; sleep 0.05; done")
    result = spark.follow(command, note, should_stop=lambda: False, timeout=10)
    assert result.ok and result.lines == ()
    assert len(late) == 10
    assert sorted(late)[5] < 0.05


def test_following_stops_soon_after_it_is_asked_to(spark: ParamikoTransport) -> None:
    pieces: list[OutputLine] = []
    asked: list[float] = []

    def ask() -> None:
        wait_until(lambda: pieces, what="the first output")
        asked.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    command = Command.shell("echo up; sleep 30")
    result = spark.follow(command, pieces.append, should_stop=lambda: bool(asked), timeout=20)
    assert time.monotonic() - asked[0] < 0.3
    asking.join()
    assert result.outcome is Outcome.UNKNOWN and "as asked" in result.reason
    assert pieces == [OutputLine("stdout", "up\n")]


def test_a_followed_script_learns_on_stdin_that_we_let_go(spark: ParamikoTransport, sshd: Sshd) -> None:
    mark = sshd.folder / "let-go"
    command = Command.shell('echo up; cat >/dev/null; echo bye > "$1"', str(mark))
    seen: list[OutputLine] = []
    spark.follow(command, seen.append, should_stop=lambda: bool(seen), timeout=5)
    wait_until(mark.exists, what="the script's farewell")


def test_following_keeps_a_character_that_came_in_two_pieces(spark: ParamikoTransport) -> None:
    pieces: list[str] = []
    command = Command.shell(r"printf '\342\230'; sleep 0.2; printf '\203\n\342'")
    spark.follow(command, lambda piece: pieces.append(piece.text), should_stop=lambda: False, timeout=5)
    assert "".join(pieces) == "☃\n\ufffd"


def test_an_error_in_the_sink_reaches_the_caller_and_frees_the_channel(spark: ParamikoTransport) -> None:
    def broken(piece: OutputLine) -> None:
        raise OSError("disk full")

    for _ in range(9):
        with pytest.raises(OSError, match="disk full"):
            spark.follow(Command.of("echo", "x"), broken, should_stop=lambda: False, timeout=5)
    assert spark.run(Command.of("true")).ok
