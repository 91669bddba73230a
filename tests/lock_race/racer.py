"""One contender for the lock, over HTTP, standard library alone so that twenty of them start at once.

It writes what it saw to a journal, line by line, because it may be killed while it holds the lock or be stopped until
after its time. All times in the journal are the database's, as the answers carry them, except `at`, which is its own
monotonic clock from before a call.
"""

import argparse
import http.client
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

LOCK = "/api/swap/lock"


class Racer:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(f"{options.seed}/{options.name}/{options.first}")
        self.journal = Path(options.journal).open("a")  # noqa: SIM115 - until it dies
        address = options.webs.split(",")[options.number % len(options.webs.split(","))]
        self.web = http.client.HTTPConnection(address, timeout=60)

    def run(self) -> None:
        for attempt in range(self.options.first, self.options.attempts):
            self.attempt(attempt)
        self.note(attempt=self.options.attempts, what="done")

    def attempt(self, attempt: int) -> None:
        ttl = self.random.choice([1, 1, 2])
        began = time.monotonic()
        body = {"holder": self.options.name, "ttl_seconds": ttl, "wait": self.random.choice([0, 3, 6, 10])}
        status, answer = self.call("POST", body)
        if status != 200:
            self.note(attempt=attempt, what="refused", status=status)
            time.sleep(self.random.uniform(0, 0.1))
            return
        shown = {name: answer[name] for name in ("fence", "acquired_at", "expires_at")}
        self.note(attempt=attempt, what="granted", ttl=ttl, **shown)
        token = answer["token"]
        if attempt >= self.options.dies_at and not self.options.died:
            self.note(attempt=attempt, what="killed", fence=answer["fence"])
            os.kill(os.getpid(), signal.SIGKILL)
        if attempt >= self.options.pauses_at and not self.options.paused:
            self.options.paused = True
            self.pause(attempt, answer["fence"], token)
            return
        self.use_and_release(attempt, answer["fence"], token, ttl, began + ttl)

    def pause(self, attempt: int, fence: int, token: str) -> None:
        """Stopped as a whole until somebody continues it, which is after the lock has expired."""
        self.note(attempt=attempt, what="paused", fence=fence)
        os.kill(os.getpid(), signal.SIGSTOP)
        for method in ("PUT", "DELETE"):
            status, _ = self.call(method, {"token": token})
            self.note(attempt=attempt, what="stale", method=method, status=status, fence=fence)

    def use_and_release(self, attempt: int, fence: int, token: str, ttl: int, sure_until: float) -> None:
        """A time counted from before the call that gave it is never longer than the server's."""
        time.sleep(self.random.uniform(0, 0.03))
        asked = time.monotonic()
        status, answer = self.call("PUT", {"token": token})
        in_time = time.monotonic() < sure_until
        held_at = answer["server_time"] if status == 200 else None
        self.note(attempt=attempt, what="renewed", fence=fence, status=status, in_time=in_time, held_at=held_at)
        status, _ = self.call("DELETE", {"token": token})
        in_time = time.monotonic() < (asked + ttl if held_at else sure_until)
        self.note(attempt=attempt, what="released", fence=fence, status=status, in_time=in_time)

    def call(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.options.key}"}
        self.web.request(method, LOCK, json.dumps(body), headers)
        response = self.web.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else {}

    def note(self, **what: Any) -> None:
        self.journal.write(json.dumps({"name": self.options.name, **what}) + "\n")
        self.journal.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("webs", "key", "name", "journal", "seed"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("number", "attempts", "first", "dies-at", "pauses-at"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--died", action="store_true")
    parser.add_argument("--paused", action="store_true")
    Racer(parser.parse_args()).run()


if __name__ == "__main__":
    main()
