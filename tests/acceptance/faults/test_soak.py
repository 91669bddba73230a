"""Many swaps while parts die at random. CI runs a short one; `make soak` (SOAK=1) runs 200 swaps, about 15 minutes.

SOAK_SEED=... repeats the choices of a run; the moments they meet are the machine's.
"""

import heapq
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.faults.invariants import count_statuses
from tests.acceptance.faults.parts import Part
from tests.acceptance.faults.product import LIMIT_SECONDS, PAIR, SINGLES, TERMINAL, Product
from tests.acceptance.installation import free_port
from tests.simulated_sparks import until

SOAK = bool(os.environ.get("SOAK"))
SWAPS = int(os.environ.get("SOAK_SWAPS", "200" if SOAK else "10"))
AT_ONCE = 4
FAULT_EVERY = 0.6  # of the swaps meet a new fault
SETTLED = 0.2  # of the swaps have run when memory is looked at first
GROWTH_KIB = 24 * 1024  # over the rest of the run

pytestmark = pytest.mark.timeout(3600 if SOAK else 400)
Undo = tuple[float, Callable[[], object]]


@dataclass
class Soak:
    """`steady` parts live through all of it, so that their memory can be compared; the others die."""

    product: Product
    chance: random.Random
    mortal_web: Part
    mortal_worker: Part
    undo: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    swaps: list[int] = field(default_factory=list)

    def run(self, swaps: int) -> Iterator[int]:
        while len(self.swaps) < swaps:
            self.put_right()
            if len(self.running()) < AT_ONCE and self.ask():
                yield len(self.swaps)
                if self.chance.random() < FAULT_EVERY:
                    self.meet()
            time.sleep(0.1)
        while self.undo:
            self.put_right()
            time.sleep(0.1)

    def running(self) -> list[int]:
        return [row["id"] for row in self.product.rows(f"SELECT id FROM swaps_swap WHERE status NOT IN {TERMINAL}")]

    def ask(self) -> bool:
        """One more swap, by either web; a slot that is busy refuses it."""
        slot = self.chance.choice((*SINGLES, PAIR))
        model = self.chance.choice(("quick", "other", "slow") if slot != PAIR else ("big", "quick"))
        self.chance.shuffle(self.product.ports)
        body = {"slot": slot, "model": model, "rollback": self.chance.random() < 0.3, "deadline_seconds": 120}
        key = {"Idempotency-Key": f"soak-{len(self.swaps)}-{sum(self.refused.values())}"}
        answer = self.product.patient("POST", "/api/swap", body, key)
        if answer.status_code != 202:
            self.refused[answer.status_code] += 1
            return False
        self.swaps.append(answer.json()["id"])
        return True

    def meet(self) -> None:
        fault = self.chance.choice(FAULTS)
        self.met[fault.__name__] += 1
        for delay, act in fault(self):
            heapq.heappush(self.undo, (time.monotonic() + delay, id(act), act))

    def put_right(self) -> None:
        while self.undo and self.undo[0][0] <= time.monotonic():
            heapq.heappop(self.undo)[2]()

    def spark(self) -> str:
        return str(self.chance.choice(self.product.sparks.sparks)["name"])

    def on_a_spark(self, fault: str, seconds: float, value: str = "") -> list[Undo]:
        spark = self.spark()
        self.product.sparks.fault(spark, fault, value=value)
        return [(seconds, lambda: self.product.sparks.fault(spark, fault, on=False))]


def worker_killed(soak: Soak) -> list[Undo]:
    soak.mortal_worker.kill()
    return [(soak.chance.uniform(0, 5), lambda: revive(soak.mortal_worker))]


def web_killed(soak: Soak) -> list[Undo]:
    soak.mortal_web.kill()
    return [(soak.chance.uniform(0, 3), lambda: revive(soak.mortal_web))]


def worker_frozen(soak: Soak) -> list[Undo]:
    if not soak.mortal_worker.is_running:
        return []
    soak.mortal_worker.freeze()
    return [(soak.chance.uniform(1, 20), soak.mortal_worker.thaw_if_it_lives)]


def worker_drained(soak: Soak) -> list[Undo]:
    soak.mortal_worker.stop()
    return [(0.0, lambda: revive(soak.mortal_worker))]


def redis_flushed(soak: Soak) -> list[Undo]:
    if soak.product.redis and soak.product.redis.answers():
        soak.product.redis.flush()
    return []


def redis_away(soak: Soak) -> list[Undo]:
    redis = soak.product.redis
    if not redis or not redis.answers():
        return []
    redis.stop()
    return [(soak.chance.uniform(0, 10), redis.start)]


def database_crashed(soak: Soak) -> list[Undo]:
    soak.product.server.restart()
    return []


def message_doubled(soak: Soak) -> list[Undo]:
    if not soak.product.redis or soak.product.redis.answers():
        for swap in soak.running():
            soak.product.ring(swap)
    return []


def swap_cancelled(soak: Soak) -> list[Undo]:
    for swap in soak.running()[:1]:
        soak.product.patient("POST", f"/api/swap/{swap}/cancel", {})
    return []


def link_dropped(soak: Soak) -> list[Undo]:
    return soak.on_a_spark("sshd-drop", 10)


def sshd_refusing(soak: Soak) -> list[Undo]:
    return soak.on_a_spark("sshd-refuse", soak.chance.uniform(1, 8))


def spark_frozen(soak: Soak) -> list[Undo]:
    return soak.on_a_spark("frozen-host", soak.chance.uniform(1, 12))


def spark_rebooted(soak: Soak) -> list[Undo]:
    return soak.on_a_spark("reboot", 10, "3")


def model_dies(soak: Soak) -> list[Undo]:
    return soak.on_a_spark("oom", soak.chance.uniform(1, 8))


FAULTS: list[Callable[[Soak], list[Undo]]] = [
    worker_killed,
    web_killed,
    worker_frozen,
    worker_drained,
    redis_flushed,
    redis_away,
    database_crashed,
    message_doubled,
    swap_cancelled,
    link_dropped,
    sshd_refusing,
    spark_frozen,
    spark_rebooted,
    model_dies,
]


def revive(part: Part) -> None:
    if not part.is_running:
        part.start()


def test_it_soaks(product: Product) -> None:
    """No invariant is broken (the fixture asks), nothing ends by a mistake of ours, and memory stays flat."""
    seed = int(os.environ.get("SOAK_SEED", time.time_ns() % 10**6))
    began, other = time.monotonic(), free_port()
    steady = [product.web, product.worker]
    mortal_web, mortal_worker = product.add_web("web-2", other), product.add_worker("worker-2")
    soak = Soak(product, random.Random(seed), mortal_web, mortal_worker)
    product.ports.append(other)
    before = count_statuses(product)
    memory: dict[str, list[int]] = {}
    for asked in soak.run(SWAPS):
        if asked == int(SWAPS * SETTLED) or asked == SWAPS:
            memory = {part.name: [*memory.get(part.name, []), part.memory_kib()] for part in steady}
    product.ports.remove(other)
    product.sparks.no_faults()
    until(lambda: not soak.running(), LIMIT_SECONDS, "all swaps have ended")
    for part in (mortal_web, mortal_worker):
        part.kill()
        del product.parts[part.name]

    ends = count_statuses(product) - before
    took = time.monotonic() - began
    print(f"\nseed {seed}: {SWAPS} swaps in {took:.0f} s ended {dict(ends)}; refused calls: {dict(soak.refused)}")
    print(f"{sum(soak.met.values())} faults: {dict(soak.met)}")
    print(f"memory (PSS, KiB) at a fifth and at the end: {memory}")
    assert ends["errored"] == 0
    assert sum(ends.values()) == SWAPS
    if SOAK:  # a short run ends before the processes have warmed up
        assert {name: kib for name, kib in memory.items() if kib[-1] - kib[0] > GROWTH_KIB} == {}
