"""The lock: its verbs, and `lock run`, which holds it while a command runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from services.sparkctl.calls import PASSING, Api, Misuse, Refused, patiently, refuse_unsendable
from services.sparkctl.words import Args, complain, moment, show, span

LOCK = "/api/swap/lock"
TOKEN_NAMES = ("SPARKCTL_LOCK_TOKEN", "SPARK_LOCK_TOKEN")
LOST, NOT_STARTED, NOT_FOUND, BY_SIGNAL = 4, 126, 127, 128
LONGEST_ASK_SECONDS = 5  # a server that waits for us may grant the lock after we left, so it is never asked for long
RENEW_AGAIN_SECONDS = 1.0
LONGEST_RENEWAL_SECONDS = 10.0
RELEASE_SECONDS = 10.0
END_SECONDS = 10.0  # between asking a command to end and killing it


class Interrupted(Exception):
    """A signal came before there was a command to hand it to."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def new_token() -> str:
    """Ours, so that asking again repairs an answer that was lost."""
    return "slk_" + os.urandom(32).hex()


def token_of(args: Args) -> str:
    """Of the lock the caller holds; blank when none was given."""
    token: str = args.token or next((os.environ[name] for name in TOKEN_NAMES if os.environ.get(name)), "")
    refuse_unsendable("token", token)
    return token


def own_token(args: Args) -> str:
    token = token_of(args)
    if not token:
        raise Misuse(f"Which hold? Put its token into {TOKEN_NAMES[0]}; `sparkctl lock acquire` printed it.")
    return token


def look(api: Api, slot: str | None) -> Any:
    """The lock of a slot, of the default one without a name."""
    return api.call("GET", LOCK + (f"?{urlencode({'slot': slot})}" if slot else ""))


def acquire(api: Api, args: Args, token: str) -> Any:
    """The lock under a new token, waited for up to `args.wait` seconds. Raises Refused."""
    try:
        return extend(api, args, token)
    except (KeyboardInterrupt, Interrupted):
        complain("Taking back the question for the lock.")
        for seconds in (0, LONGEST_ASK_SECONDS if args.wait else 0):
            time.sleep(seconds)
            with contextlib.suppress(Refused):
                release(api, args.slot, token)
        raise


def extend(api: Api, args: Args, token: str) -> Any:
    """The same under a token that may have the lock already. Raises Refused."""
    body = {"holder": args.holder, "purpose": args.purpose, "ttl_seconds": args.ttl, "token": token, "slot": args.slot}
    ends_at = time.monotonic() + args.wait
    while True:
        left = ends_at - time.monotonic()
        try:
            return api.call("POST", LOCK, {**body, "wait": int(max(0, min(left, LONGEST_ASK_SECONDS)))})
        except Refused as no:
            if no.status not in (409, *PASSING) or time.monotonic() + 1 > ends_at:
                raise
        time.sleep(1)


def renew(api: Api, slot: str | None, token: str, timeout: float, ttl: int | None = None) -> Any:
    body = {"slot": slot, "ttl_seconds": ttl}
    return api.call("PUT", LOCK, body, timeout=timeout, Swap_Lock_Token=token)


def release(api: Api, slot: str | None, token: str) -> None:
    api.call("DELETE", LOCK, {"slot": slot}, timeout=RELEASE_SECONDS, Swap_Lock_Token=token)


def sentence_of(lock: dict[str, Any]) -> str:
    if not lock["held"]:
        return f"Nobody holds the lock of {lock['slot']}."
    who = lock.get("held_by") or lock["holder"]
    purpose = f" for “{lock['purpose']}”" if lock["purpose"] else ""
    until = f"until {moment(lock['expires_at'])} (in {span(lock['seconds_remaining'])})"
    if lock["pinned_by"]:
        until = f"at least until swap {lock['pinned_by']} ends"
    hint = f" {lock['idle_hint']}" if lock["idle_hint"] else ""
    return f"{who} holds the lock of {lock['slot']}{purpose} {until}, fence {lock['fence']}.{hint}"


def in_foreground() -> bool:
    """Somebody sits at the terminal we run on."""
    with contextlib.suppress(OSError, ValueError):
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False


# The verbs


def lock_acquire(api: Api, args: Args) -> int:
    """The token alone on stdout: TOKEN=$(sparkctl lock acquire)."""
    token = token_of(args)
    lock = extend(api, args, token) if token else acquire(api, args, new_token())
    if not args.json:
        complain(sentence_of(lock))
    return show(args, lock, [lock["token"]])


def lock_show(api: Api, args: Args) -> int:
    lock = look(api, args.slot)
    return show(args, lock, [sentence_of(lock)])


def lock_renew(api: Api, args: Args) -> int:
    lock = renew(api, args.slot, own_token(args), LONGEST_RENEWAL_SECONDS, args.ttl)
    return show(args, lock, [sentence_of(lock)])


def lock_release(api: Api, args: Args) -> int:
    release(api, args.slot, own_token(args))
    return show(args, {"released": True}, ["The lock is released."])


def lock_force(api: Api, args: Args) -> int:
    """Takes it from the holder that is seen now, and from nobody who comes after."""
    fence = look(api, args.slot)["fence"] if args.fence is None else args.fence
    body = {"slot": args.slot, "fence": fence, "reason": args.reason, "cancel_swap": args.cancel_swap}
    lock = api.call("POST", f"{LOCK}/force-release", body)
    return show(args, lock, [f"Released by force. {sentence_of(lock)}"])


def lock_run(api: Api, args: Args) -> int:
    """Exits as its command does; see the top of this file for what else can happen."""
    if not args.command:
        raise Misuse("Say what to run: sparkctl lock run -- COMMAND ARGUMENTS")
    run = LockRun(api, args)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, run.on_signal)
    try:
        return run.whole()
    except Interrupted as asked:
        return BY_SIGNAL + asked.number


class LockRun:
    """Takes the lock, runs the command, renews until it has ended, releases."""

    def __init__(self, api: Api, args: Args) -> None:
        self.api, self.args = api, args
        self.token = new_token()
        self.slot: str | None = args.slot
        self.ttl = 0.0
        self.good_until = self.renew_at = 0.0  # on our own clock, counted from before the server was asked
        self.ended = threading.Event()
        self.is_lost = False
        self.cut_off = False
        self.trouble = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.starting = False
        self.pending: int | None = None
        # On a terminal Ctrl-C reaches the command by itself; elsewhere a group of its own lets us end all of it.
        self.own_group = not in_foreground()

    def whole(self) -> int:
        maybe_held = True
        try:
            self.take()
            return self.run()
        except Refused as no:
            maybe_held = no.status in PASSING
            raise
        finally:
            self.ended.set()
            if maybe_held and not self.is_lost:
                self.give_back()

    def take(self) -> None:
        asked_at = time.monotonic()
        lock = acquire(self.api, self.args, self.token)
        self.slot, self.ttl = lock["slot"], float(lock["ttl_seconds"])
        self.count_from(asked_at)
        if time.monotonic() >= self.renew_at:  # most of it was spent waiting for somebody else's end
            asked_at = time.monotonic()
            renew(self.api, self.slot, self.token, LONGEST_RENEWAL_SECONDS)
            self.count_from(asked_at)

    def count_from(self, asked_at: float) -> None:
        self.good_until, self.renew_at = asked_at + self.ttl, asked_at + self.ttl / 3

    def run(self) -> int:
        process = self.start()
        if isinstance(process, int):
            return process
        threading.Thread(target=self.keep, daemon=True).start()
        code = process.wait()
        self.ended.set()
        if self.cut_off:
            return LOST
        return code if code >= 0 else BY_SIGNAL - code

    def start(self) -> subprocess.Popen[bytes] | int:
        """The command running, or the exit code a shell has for one that cannot be started."""
        environment = {**os.environ, **dict.fromkeys(TOKEN_NAMES, self.token), "SPARKCTL_SLOT": self.slot or ""}
        self.starting = True
        try:
            self.process = subprocess.Popen(self.args.command, env=environment, start_new_session=self.own_group)
        except OSError as error:
            complain(f"{self.args.command[0]} cannot be started: {error.strerror}.")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
        if self.pending is not None:
            self.pass_on(self.pending)
        return self.process

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """The lock is held until the command has really ended, whoever asks for that."""
        if self.process is not None:
            if number != signal.SIGINT or self.own_group:
                self.pass_on(number)
        elif self.starting:
            self.pending = number
        elif not self.ended.is_set():
            raise Interrupted(number)

    def pass_on(self, number: int) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self.own_group:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)

    def keep(self) -> None:
        """Renew at a third of the time, again soon while nobody answers, until the command or the hold has ended."""
        while not self.ended.wait(max(0.0, self.renew_at - time.monotonic())):
            asked_at = time.monotonic()
            left = self.good_until - asked_at
            if left <= 0:
                self.lose(f"The lock of {self.slot} could not be renewed and ran out. {self.trouble}")
                return
            try:
                renew(self.api, self.slot, self.token, min(left, LONGEST_RENEWAL_SECONDS))
            except Refused as no:
                if no.status in (404, 412):
                    self.lose(str(no))
                    return
                self.trouble = str(no)
                self.renew_at = min(time.monotonic() + max(RENEW_AGAIN_SECONDS, no.wait), self.good_until)
            else:
                self.count_from(asked_at)

    def lose(self, sentence: str) -> None:
        if self.ended.is_set():
            return
        self.is_lost = True
        if self.args.keep_going:
            complain(f"{sentence} The command goes on, as you said (--keep-going).")
            return
        self.cut_off = True
        complain(f"{sentence} The command is ended; --keep-going would let it go on.")
        self.pass_on(signal.SIGTERM)
        if not self.ended.wait(END_SECONDS):
            self.pass_on(signal.SIGKILL)

    def give_back(self) -> None:
        try:
            patiently(lambda: release(self.api, self.slot, self.token), RELEASE_SECONDS)
        except Refused as no:
            if no.status not in (404, 412):  # gone already is released, too
                complain(f"The lock could not be released; it runs out in {span(self.ttl)} at most. {no}")
