"""What sparkctl says, and how it ends."""

import contextlib
import json
import os
import pty
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from cluster import events
from cluster.models import Slot
from swaps import actions, machine
from swaps.models import Serving, ServingState, Swap, Trigger
from swaps.requester import Requester
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SwapFactory
from tests.integration.services.sparkctl.conftest import Client
from tests.simulated_sparks import until
from tests.sparkctl import Sparkctl

ANA = Requester("user:ana", Trigger.DASHBOARD)


@contextmanager
def answering(status: int, body: str = "", **headers: str) -> Iterator[str]:
    """The address of something on the way that answers everything so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_status_shows_slots_locks_and_sparks(sparkctl: Sparkctl, slot: Slot) -> None:
    Serving.objects.create(slot=slot, state=ServingState.SERVING, model_key="qwen", model_label="Qwen")
    said = sparkctl.run("status")
    assert (said.code, said.err) == (0, "")
    assert "main: serving Qwen (qwen)" in said.out
    assert "Nobody holds the lock of main." in said.out
    assert slot.head.name in said.out
    assert sparkctl.run("status", "--json").document["slots"][0]["lock"]["held"] is False


def test_models_shows_all_of_a_long_catalog(sparkctl: Sparkctl) -> None:
    ModelDefinitionFactory.create_batch(205)
    said = sparkctl.run("models")
    assert len(said.out.splitlines()) == 1 + 206
    assert len(sparkctl.run("--json", "models").document) == 206


def test_what_a_model_is_called_cannot_harm_a_terminal(sparkctl: Sparkctl) -> None:
    ModelDefinitionFactory(key="evil", label="a\x1b[2Jb\x1b]0;x\x07\u202ec\rd")
    said = sparkctl.run("models")
    assert "ab c d" in said.out
    assert said.out.replace("\n", "").isprintable()


def test_a_swap_is_asked_for_and_told_where_to_watch(sparkctl: Sparkctl) -> None:
    said = sparkctl.run("swap", "qwen", "--rollback", "--deadline", "600")
    swap = Swap.objects.get()
    assert (said.code, said.out) == (
        0,
        f"Swap {swap.pk} to Qwen on main. To watch it: sparkctl log --follow {swap.pk}\n",
    )
    assert (swap.model_key, swap.rollback, swap.actor) == ("qwen", True, "key:cron")
    assert (swap.deadline_at - timezone.now()).total_seconds() < 600


def test_a_second_swap_is_refused_in_the_words_of_the_api(sparkctl: Sparkctl, slot: Slot) -> None:
    actions.request_swap(slot, "qwen", ANA)
    said = sparkctl.run("swap", "qwen")
    assert (said.code, said.out) == (3, "")
    assert said.err == f"sparkctl: {actions.in_progress(slot).detail}\n"
    said = sparkctl.run("swap", "qwen", "--json")
    assert (said.code, said.document["code"]) == (3, "swap-in-progress")


def test_cancel_ends_the_one_that_runs(sparkctl: Sparkctl, slot: Slot) -> None:
    assert sparkctl.run("cancel").code == 5
    assert sparkctl.run("cancel", "0").code == 5
    swap = actions.request_swap(slot, "qwen", ANA)
    assert sparkctl.run("cancel").code == 0
    swap.refresh_from_db()
    assert swap.cancelled_by == "key:cron"
    assert sparkctl.run("cancel", "999").code == 5


def test_stop_means_the_default_slot(sparkctl: Sparkctl) -> None:
    said = sparkctl.run("stop")
    assert said.code == 0
    assert "stops main" in said.out


def running(slot: Slot) -> Swap:
    """A swap that our test drives itself."""
    return Swap.objects.active().get(slot=slot)


def test_on_a_terminal_waiting_is_one_line_that_changes(sparkctl: Sparkctl, slot: Slot) -> None:
    ours, theirs = pty.openpty()
    command, environment = sparkctl.command("swap", "qwen", "--wait"), sparkctl.environment()
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        until(lambda: Swap.objects.active().exists(), seconds=20)
        swap = running(slot)
        machine.advance(swap, Status.PREFLIGHT, expect=Status.QUEUED)
        machine.tell(swap, [("progress", {"percent": 42, "detail": "reading weights", "remaining_seconds": 75})])
        machine.advance(swap, Status.CANCELLED, expect=Status.PREFLIGHT)
        screen = read_all(ours)
        assert process.wait(30) == 1
    *drawn, last = screen.split("\r\x1b[K")
    assert "\n" not in "".join(drawn)
    assert "\rChecking 42 %, reading weights, about 1 min 15 s left\x1b[K" in screen
    assert last == f"sparkctl: Swap {swap.pk} to Qwen on main: cancelled.\r\n"


def read_all(terminal: int) -> str:
    """What was shown on it, until nobody has it any more."""
    shown = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as screen:
        while piece := screen.read(4096):
            shown += piece
    return shown.decode()


def test_who_stops_waiting_leaves_the_swap_alone(sparkctl: Sparkctl, slot: Slot) -> None:
    with sparkctl.running("swap", "qwen", "--wait") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "Queued.\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        number = running(slot).pk
        assert process.stderr.read().endswith(f"To end it: sparkctl cancel {number}\n")


def told(slot: Slot, end: Status) -> Swap:
    """A swap with a story."""
    swap: Swap = SwapFactory(slot=slot, status=Status.QUEUED)
    machine.accept(swap)
    machine.tell(swap, [("log", {"node": "spark-1", "text": f"line {n}"}) for n in range(3)])
    fields = {"diagnosis": "It ran out of memory.", "remedy": "Use a smaller one.", "diagnosis_code": "oom"}
    machine.advance(swap, Status.PREFLIGHT, expect=Status.QUEUED)
    machine.advance(swap, end, expect=Status.PREFLIGHT, **fields)
    return swap


def test_log_prints_the_lines_of_the_newest(sparkctl: Sparkctl, slot: Slot) -> None:
    assert sparkctl.run("log").code == 5
    told(slot, Status.FAILED)
    assert sparkctl.run("log").out.splitlines() == ["spark-1: line 0", "spark-1: line 1", "spark-1: line 2"]


def test_following_a_swap_that_failed_fails_with_the_reason_and_the_remedy(sparkctl: Sparkctl, slot: Slot) -> None:
    swap = told(slot, Status.FAILED)
    said = sparkctl.run("log", "--follow", str(swap.pk))
    assert said.code == 1
    assert said.out.splitlines() == ["spark-1: line 0", "spark-1: line 1", "spark-1: line 2"]
    words = "failed. It ran out of memory. Use a smaller one."
    assert said.err == f"sparkctl: Swap {swap.pk} to Qwen on main: {words}\n"


def test_events_shows_the_newest_of_a_kind_and_ends(sparkctl: Sparkctl, slot: Slot) -> None:
    events.record("lock.acquired", "Somebody took it.", slot=slot)
    for n in range(30):
        events.record("spark.up", f"Up {n}.")
    assert sparkctl.run("events", "--type", "lock.*", "--last", "100").out.split()[1:3] == ["lock.acquired", "main"]
    shown = sparkctl.run("events", "--type", "spark.up", "--json").out.splitlines()
    assert [json.loads(line)["sentence"] for line in shown][-1] == "Up 29."
    assert len(shown) == 20
    assert sparkctl.run("events", "--slot", "other").out == ""
    assert sparkctl.run("events", "--last", "-1").out == ""


def test_events_follow_prints_what_happens(sparkctl: Sparkctl, slot: Slot) -> None:
    with sparkctl.running("events", "--follow", "--type", "lock.*") as process:
        assert process.stdout is not None
        happened = threading.Event()

        def happen() -> None:
            while not happened.wait(0.3):  # until the stream is open nobody hears it
                events.record("spark.up", "Not this.")
                events.record("lock.forced", "This.", slot=slot)

        teller = threading.Thread(target=happen)
        teller.start()
        try:
            line = process.stdout.readline()
        finally:
            happened.set()
            teller.join()
    assert line.split() == [line.split()[0], "lock.forced", "main", "This."]


def test_plan_and_schedules_are_tables(client: Client) -> None:
    sparkctl = client("planner", "schedule", "swap")
    assert sparkctl.run("plan").out.startswith("Nothing is planned")
    assert sparkctl.run("schedules").code == 0


def test_version_tells_both(sparkctl: Sparkctl) -> None:
    said = sparkctl.run("version")
    assert said.code == 0
    assert said.out.startswith("sparkctl 0.1.0, Spark Control 0.1.0 at http://127.0.0.1:")


# How it ends


def test_a_model_that_is_not_there_is_not_found_and_a_close_one_is_named(sparkctl: Sparkctl) -> None:
    said = sparkctl.run("swap", "qwem")
    assert said.code == 5
    assert said.err == "sparkctl: There is no model 'qwem' in the catalog. Did you mean qwen?\n"


def test_what_can_never_work_fails(sparkctl: Sparkctl) -> None:
    ModelDefinitionFactory(key="big", nodes=2)
    said = sparkctl.run("swap", "big")
    assert said.code == 1
    assert "needs 2 Sparks" in said.err


def test_without_a_key_it_says_how_to_sign_in(client: Client) -> None:
    said = client("nobody").run("status")
    assert said.code == 6
    assert "sparkctl login" in said.err


def test_a_key_without_the_right_is_told_which_one(client: Client) -> None:
    said = client("reader", "read").run("swap", "qwen")
    assert (said.code, "scope swap" in said.err) == (6, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["swop"],
        ["swap"],
        ["swap", "qwen", "--deadline", "soon"],
        ["swap", "qwen", "--deadline", "1"],
        ["lock"],
        ["lock", "run"],
        ["lock", "run", "--"],
        ["lock", "renew"],
        ["lock", "release"],
        ["lock", "acquire", "--wait", "nan"],
        ["lock", "acquire", "--wait", "-1"],
        ["status", "--", "ls"],
        ["--url", "spark", "status"],
        ["--url", "http://x:y", "status"],
    ],
)
def test_wrong_usage_is_told_in_one_line(sparkctl: Sparkctl, words: list[str]) -> None:
    said = sparkctl.run(*words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("sparkctl: ")


def test_nobody_at_the_address_is_unreachable(sparkctl: Sparkctl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = sparkctl.run("--url", f"http://127.0.0.1:{port}", "status")
    assert said.code == 7
    assert f"http://127.0.0.1:{port} does not answer (Connection refused)" in said.err


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, '{"detail": "Too many requests."}', 8),
        (503, '{"detail": "The database is busy."}', 7),
        (502, "<html>Bad gateway</html>", 7),
        (500, '{"detail": "An error."}', 1),
        (302, "", 1),
        (412, '{"detail": "Lost."}', 4),
        (423, '{"detail": "Held."}', 3),
        (400, '{"detail": "No."}', 2),
    ],
)
def test_every_refusal_has_its_exit_code(sparkctl: Sparkctl, status: int, body: str, code: int) -> None:
    with answering(status, body, Retry_After="1") as url:
        said = sparkctl.run("--url", url, "status")
    assert (said.code, said.out, said.err.count("\n")) == (code, "", 1)


def test_an_answer_in_another_language_is_no_traceback(sparkctl: Sparkctl) -> None:
    with answering(200, "<html>Welcome to your router</html>") as url:
        said = sparkctl.run("--url", url, "status")
    assert (said.code, said.err.count("\n")) == (7, 1)


def test_a_reader_that_has_enough_ends_it_quietly(sparkctl: Sparkctl) -> None:
    ModelDefinitionFactory.create_batch(205, label="x" * 80)
    with sparkctl.running("models") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(30) == 141


# Signing in


def test_login_keeps_the_key_to_itself(client: Client, web: str) -> None:
    sparkctl = client("nobody")
    key = client("reader", "read").variables["SPARKCTL_KEY"]
    assert sparkctl.run("login", given=f"{key}\n").code == 0
    kept = sparkctl.home / ".config" / "sparkctl.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sparkctl.run("status").code == 0
    assert sparkctl.run("login", given=f"{key}\n").code == 0  # again, over the old one


def test_a_key_that_opens_nothing_is_not_kept(client: Client) -> None:
    sparkctl = client("nobody")
    assert sparkctl.run("login", given="spk_wrong\n").code == 6
    assert not (sparkctl.home / ".config").exists()


def test_a_kept_key_is_for_the_address_it_was_kept_with(client: Client, web: str) -> None:
    sparkctl = client("nobody")
    key = client("reader", "read").variables["SPARKCTL_KEY"]
    sparkctl.run("login", given=f"{key}\n")
    elsewhere = web.replace("127.0.0.1", "localhost")
    assert sparkctl.run("--url", elsewhere, "status").code == 6
    assert sparkctl.with_(SPARKCTL_URL=elsewhere).run("status").code == 6
    assert sparkctl.with_(SPARKCTL_URL=elsewhere, SPARKCTL_KEY=key).run("status").code == 0


def test_a_config_that_cannot_be_read_says_what_to_do(client: Client) -> None:
    sparkctl = client("nobody")
    (sparkctl.home / ".config").mkdir()
    (sparkctl.home / ".config" / "sparkctl.json").write_text("{")
    said = sparkctl.run("status")
    assert (said.code, "sparkctl login" in said.err, said.err.count("\n")) == (2, True, 1)
