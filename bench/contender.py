"""One client of the lock for `bench.locks`: takes and releases it again and again, and prints how long that took.

Standard library alone: a hundred of these start together.
"""

import http.client
import json
import random
import sys
import time

LOCK = "/api/swap/lock"
PAUSE_SECONDS = 1.0  # the shortest Retry-After there is, give or take half


def main() -> None:
    """address, key, holder, when to begin and when to stop (monotonic clock of this machine)"""
    address, key, holder, begin, end = sys.argv[1:]
    web = http.client.HTTPConnection(address, timeout=60)
    web.connect()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

    def call(method: str, body: dict[str, object]) -> tuple[int, float, dict[str, object]]:
        began = time.monotonic()
        web.request(method, LOCK, json.dumps(body), headers)
        answer = web.getresponse()
        text = answer.read()
        return answer.status, time.monotonic() - began, json.loads(text) if text else {}

    call("DELETE", {"token": "not-a-token-of-anybody-here"})  # warm
    time.sleep(max(0.0, float(begin) - time.monotonic()))
    pairs: list[float] = []
    calls: list[float] = []
    while time.monotonic() < float(end):
        status, took, lock = call("POST", {"holder": holder, "ttl_seconds": 30})
        if status == 200:
            released, more, _ = call("DELETE", {"token": lock["token"]})
            assert released == 204, released
            pairs.append(took + more)
            calls += [took, more]
        else:
            assert status == 409, status
            calls.append(took)
            time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
    print(json.dumps({"pairs": pairs, "calls": calls}))


if __name__ == "__main__":
    main()
