"""`vllm serve`: a believable start-up, then a server that answers."""

from __future__ import annotations

import os
import signal
import sys
import time

from cluster.simulator import journal
from cluster.simulator.standins import memory, spark, vllm_failures, vllm_http
from cluster.simulator.standins.inner_paths import shown
from cluster.simulator.standins.titles import set_title
from cluster.simulator.standins.vllm_flags import USAGE, FlagError, Flags, parse
from cluster.simulator.standins.vllm_launch import EngineDied, Launch, Stopped
from cluster.simulator.standins.vllm_words import Words

PLAIN = {"HOSTNAME", "PATH", "LANG", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "BASH_ENV", "TERM"}


def main(_name: str, argv: list[str]) -> int:
    words = Words(os.environ.get("SPARKSIM_VLLM_VERSION") or "0.19")
    base = os.environ.get("SPARKSIM_BASE", "")
    argv = [shown(base, word) for word in argv]
    if argv[:1] in (["--version"], ["-v"]):
        print(words.version)
        return 0
    if argv[:1] != ["serve"] or "--help" in argv:
        print("usage: vllm [-h] [-v] {chat,complete,serve,bench,collect-env,run-batch} ...")
        return 0 if "--help" in argv else 1
    given = {k: v for k, v in os.environ.items() if k not in PLAIN and not k.startswith("SPARKSIM_")}
    journal.note(spark.folder(), "vllm", argv=["vllm", *argv], env=given, pid=os.getpid())
    set_title(["/usr/bin/python3", "/usr/local/bin/vllm", *argv], "vllm")
    code = _serve(argv[1:], words)
    journal.note(spark.folder(), "vllm-exit", code=code, pid=os.getpid())
    return code


def _serve(argv: list[str], words: Words) -> int:
    try:
        flags = parse(argv, spark.faults().value("unknown-flag"))
        launch = Launch(flags, words)
    except FlagError as error:
        sys.stderr.write(f"{USAGE}{error}\n")
        return 2
    return _live(launch, flags, words)


def _live(launch: Launch, flags: Flags, words: Words) -> int:
    try:
        launch.start()
        if launch.headless:
            return launch.stand_by()
        return vllm_http.serve(launch, flags)
    except vllm_failures.StartError as error:
        say(vllm_failures.report(words, error, launch.pid_of(error)))
        return error.code
    except EngineDied as error:
        say(str(error))
        return 1
    except Stopped:
        say(words.closing() if not launch.headless else "")
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        launch.end()
        memory.release()


def say(text: str) -> None:
    """Print; a log nobody reads any more is no reason to stop."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        time.sleep(0)
