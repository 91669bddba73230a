"""sparkctl: Spark Control from a shell. One file for Python 3.9 or newer; nothing else to install.

    curl -fsSo sparkctl http://HOST:9999/sparkctl && chmod +x sparkctl && ./sparkctl login

SPARKCTL_URL and SPARKCTL_KEY say where Spark Control is and which key to use, else what login has kept says so.
SPARKCTL_LOCK_TOKEN is the token of the lock you hold, SPARKCTL_SLOT the slot you mean; lock run sets both for COMMAND.

exit codes:
  0 done                  3 refused: something runs, or it is locked    6 sign-in missing, or not allowed
  1 failed, cannot work   4 the lock is lost                            7 no answer, or not now: try again
  2 wrong usage           5 there is no such thing                      8 too many requests
  130 interrupted         lock run: the code of COMMAND, or 4 when COMMAND was ended because the lock was lost
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from services.sparkctl.calls import Api, Misuse, Refused
from services.sparkctl.commands import (
    cancel,
    events,
    log,
    login,
    models,
    plan,
    saved,
    schedules,
    status,
    stop,
    swap,
    version,
)
from services.sparkctl.holding import (
    lock_acquire,
    lock_force,
    lock_release,
    lock_renew,
    lock_run,
    lock_show,
)
from services.sparkctl.words import Args, complain, show

Verb = Callable[[Api, Args], int]

VERSION = "0.1.0"
SERVER = "http://127.0.0.1:9999"  # Spark Control writes its own address here when it hands this file out
LONGEST_WAIT_SECONDS = 30 * 24 * 3600
STOP_FOREIGN = "containers in its way that others started may be stopped; back when it is cancelled or rolled back"
USAGE, INTERRUPTED, NOBODY_READS = 2, 130, 141
EXIT_CODES = {0: 7, 400: 2, 401: 6, 403: 6, 404: 5, 409: 3, 412: 4, 423: 3, 428: 2, 429: 8, 502: 7, 503: 7, 504: 7}


class Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; {self.prog} --help tells what there is.")
        sys.exit(USAGE)


def parser() -> Parser:
    everywhere = Parser(add_help=False)
    # Suppressed, so that a later parser does not undo what an earlier one has read.
    everywhere.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for scripts")
    everywhere.add_argument("--url", default=argparse.SUPPRESS, help="where Spark Control is")
    top = Parser(
        "sparkctl", description=__doc__, parents=[everywhere], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    add_commands(Verbs(kinds, everywhere))
    lock = kinds.add_parser("lock", help="who may change a slot", parents=[everywhere])
    add_lock_verbs(Verbs(lock.add_subparsers(required=True, metavar="VERB"), everywhere))
    return top


class Verbs:
    """Adds subcommands; `options` are those several of them share."""

    def __init__(self, kinds: Any, everywhere: argparse.ArgumentParser) -> None:
        self.kinds, self.everywhere = kinds, everywhere

    def add(self, name: str, verb: Verb, words: str, *options: str) -> Any:
        made = self.kinds.add_parser(name, help=words, description=words, parents=[self.everywhere])
        made.set_defaults(verb=verb)
        for option in options:
            OPTIONS[option](made)
        return made.add_argument


def add_slot(made: argparse.ArgumentParser) -> None:
    made.add_argument("--slot", default=os.environ.get("SPARKCTL_SLOT") or None, help="the default slot when not given")


def add_token(made: argparse.ArgumentParser) -> None:
    made.add_argument("--token", default="", help="of the lock you hold; better in SPARKCTL_LOCK_TOKEN, which ps hides")


def add_wait(made: argparse.ArgumentParser) -> None:
    made.add_argument("--wait", action="store_true", help="until it has ended; fails when it does")


def seconds(text: str) -> float:
    """Raises ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < LONGEST_WAIT_SECONDS:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")


def add_holder(made: argparse.ArgumentParser) -> None:
    me = f"{os.environ.get('LOGNAME') or os.environ.get('USER') or os.getuid()}@{socket.gethostname()}"
    made.add_argument("--holder", default=me, help="who you are: %(default)s")
    made.add_argument("--purpose", help="what for; others see it")
    made.add_argument("--ttl", type=int, default=900, metavar="SECONDS", help="how long without a renewal: %(default)s")
    words = "how long to wait while it is held: %(default)s"
    made.add_argument("--wait", type=seconds, default=0, metavar="SECONDS", help=words)


OPTIONS = {"slot": add_slot, "token": add_token, "wait": add_wait, "holder": add_holder}


def add_commands(verbs: Verbs) -> None:
    verbs.add("login", login, "keep the address and a key in ~/.config/sparkctl.json")
    verbs.add("status", status, "Sparks, slots, what serves, who holds the lock")
    verbs.add("models", models, "the catalog")
    more = verbs.add("swap", swap, "change the model of a slot", "slot", "token", "wait")
    more("model", metavar="MODEL", help="its key in the catalog")
    more("--rollback", action="store_true", help="bring the last good model back when it fails")
    more("--deadline", type=int, metavar="SECONDS", help="fail when it takes longer")
    more("--stop-foreign", action="store_true", help=STOP_FOREIGN)
    more("--dry-run", action="store_true", help="only the checks and the commands; fails when a check does")
    more = verbs.add("stop", stop, "end what a slot serves", "slot", "token", "wait")
    more("--stop-foreign", action="store_true", help=STOP_FOREIGN)
    more = verbs.add("cancel", cancel, "end a swap that runs", "slot", "token")
    more("id", type=int, nargs="?", metavar="SWAP", help="the one that runs when not given")
    more = verbs.add("log", log, "the log of a swap", "slot")
    more("id", type=int, nargs="?", metavar="SWAP", help="the newest when not given")
    more("--follow", "-f", action="store_true", help="to its end; fails when the swap does")
    more = verbs.add("events", events, "what happened", "slot")
    more("--follow", "-f", action="store_true", help="what happens from now on")
    more("--type", metavar="TYPES", help="only these, such as lock.*,swap_complete")
    more("--last", type=int, default=20, metavar="N", help="among the newest 20 of the last 24 h")
    verbs.add("plan", plan, "what happens next, conflicts marked", "slot")("--hours", type=int, default=24)
    verbs.add("schedules", schedules, "who has planned what", "slot")
    verbs.add("version", version, "of this program and of Spark Control")


def add_lock_verbs(verbs: Verbs) -> None:
    verbs.add(
        "acquire", lock_acquire, "take it and print its token; with a token, extend it", "slot", "token", "holder"
    )
    verbs.add("show", lock_show, "who has it", "slot")
    more = verbs.add("renew", lock_renew, "as long again from now", "slot", "token")
    more("--ttl", type=int, metavar="SECONDS", help="another time than it was taken for")
    verbs.add("release", lock_release, "give it back", "slot", "token")
    more = verbs.add("force", lock_force, "take it away from who has it now", "slot")
    more("--reason", required=True, help="at least 10 characters; the journal keeps it")
    more("--fence", type=int, help="of the hold you mean; of the one there is now when not given")
    more("--cancel-swap", action="store_true", help="also cancel the swap that runs under it")
    words = "hold and renew it while a command runs: lock run -- COMMAND"
    more = verbs.add("run", lock_run, words, "slot", "holder")
    more("--keep-going", action="store_true", help="let the command go on when the lock is lost")


def connected(args: Args) -> Api:
    """The address said first counts. A kept key is for the address it was kept with."""
    kept = saved()
    url = args.url or os.environ.get("SPARKCTL_URL") or kept.get("url") or SERVER
    key = os.environ.get("SPARKCTL_KEY") or (kept.get("key", "") if kept.get("url") == url.rstrip("/") else "")
    return Api(url, key)


def refused(args: Args, no: Refused) -> int:
    """The sentence of Spark Control itself, and in JSON all that it said."""
    if args.json and no.document:
        show(args, no.document, [])
    complain(f"{no} To keep a key: sparkctl login" if no.status == 401 else no)
    return EXIT_CODES.get(no.status, 1)


def run(argv: list[str]) -> int:
    cut = argv.index("--") if "--" in argv else len(argv)
    args = parser().parse_args(argv[:cut], argparse.Namespace(json=False, url=None))
    args.command, args.version = argv[cut + 1 :], VERSION
    try:
        if args.command and args.verb is not lock_run:
            raise Misuse("Only lock run takes a command after --.")
        code: int = args.verb(connected(args), args)
        sys.stdout.flush()
        return code
    except Misuse as problem:
        complain(problem)
        return USAGE
    except Refused as no:
        return refused(args, no)


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


if __name__ == "__main__":
    sys.exit(main())
