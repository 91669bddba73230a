"""What can happen to a Spark and to the way there, on several slots next to each other."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.faults import invariants
from tests.acceptance.faults.conftest import RECOVERY, noted, notes_of
from tests.acceptance.faults.fence_watch import FenceWatch
from tests.acceptance.faults.front_doors import front_door
from tests.acceptance.faults.product import LIMIT_SECONDS, PAIR, Product
from tests.simulated_sparks import until

pytestmark = pytest.mark.timeout(400)

Story = Callable[[Product], None]
AT_ONCE = 5  # stories
AFTER_CHECKS = ("stopping", "launching", "loading", "verifying")
SILENT_SECONDS = 6.0  # longer than a keepalive would forgive in production is in tests/integration/cluster/ssh


def session_killed_in_a_launch(product: Product) -> None:
    """The launcher runs on in its own session: what came of it is looked up, and nothing is launched twice."""
    with front_door(product, "s1") as door:
        product.serve("other", "s1")
        swap = product.swap("s1", "quick")
        until(lambda: product.launches("s1", swap), LIMIT_SECONDS, "the launcher starts the container")
        door.server.kill_sessions()

        began = time.monotonic()
        row = product.ended(swap)
        noted("session_killed_in_a_launch", "the link was back at once", time.monotonic() - began)

        assert row["status"] == "ready", row["diagnosis"]
        assert len(product.launches("s1", swap)) == 1


def half_open_link(product: Product) -> None:
    with front_door(product, "s2") as door:
        swap = product.swap("s2", "slow")
        product.reached(swap, "loading")
        door.freeze()
        time.sleep(SILENT_SECONDS)
        door.thaw()

        began = time.monotonic()
        row = product.ended(swap)
        noted("half_open_link", "the link thawed", time.monotonic() - began)

        assert row["status"] == "ready", row["diagnosis"]
        assert len(product.launches("s2", swap)) == 1


def sshd_refuses(product: Product) -> None:
    """Before the swap: the old model keeps running. In its middle: the load goes on, and so do we when it is back."""
    with front_door(product, "s3") as door:
        product.serve("other", "s3")
        door.server.stop()
        refused = product.ended(product.swap("s3", "quick"))
        assert (refused["status"], refused["diagnosis_code"]) == ("failed", "spark-unreachable")
        assert served(product, "s3") == ["org/other"]

        door.server.start()
        swap = product.swap("s3", "slow")
        product.reached(swap, "loading")
        door.server.stop()
        time.sleep(SILENT_SECONDS)
        door.server.start()
        began = time.monotonic()
        row = product.ended(swap)
        noted("sshd_refuses", "sshd is back", time.monotonic() - began)
        assert row["status"] == "ready", row["diagnosis"]


def host_key_changed(product: Product) -> None:
    """Nothing is sent to it until a person has confirmed the new key."""
    spark = f"/api/sparks/{product.nodes('s4')[0]}"
    with front_door(product, "s4") as door:
        product.serve("other", "s4")
        door.server.stop()
        door.server.new_host_key("ed25519")
        door.server.start()
        refused = product.ended(product.swap("s4", "quick"))
        product.call("POST", f"{spark}/probe", {})
        state = product.call("GET", spark)["state"]
        again = product.ended(product.swap("s4", "quick"))
        log = door.server.log.split("Server listening")[-1]

        assert (refused["status"], again["status"], state) == ("failed", "failed", "quarantined")
        assert "host key" in refused["diagnosis"].lower()
        assert "Accepted publickey" not in log
        assert served(product, "s4") == ["org/other"]

        product.call("POST", f"{spark}/host-key", {"line": door.server.host_key})
        recovers(product, "s4", "quick", "host_key_changed", "the new key was confirmed")


def never_ready(product: Product) -> None:
    """Stopped at its deadline, with its log kept and the old model brought back."""
    product.serve("other", "s5")
    product.fault("s5", "never-ready")
    swap = product.swap("s5", "quick", deadline_seconds=15, rollback=True)
    product.reached(swap, "rolling_back")
    product.fault("s5", "never-ready", on=False)
    row = product.ended(swap)

    assert (row["status"], row["diagnosis_code"], row["rolled_back_to"]) == ("failed", "deadline", "other"), row
    assert served(product, "s5") == ["org/other"] and log_of(product, swap)
    assert (row["ended_at"] - row["accepted_at"]).total_seconds() < LIMIT_SECONDS


def container_dies_and_dies_again(product: Product) -> None:
    """Seen at once, told with the line that says why; nothing restarts it behind our back."""
    for fault, code in (("oom", "out-of-memory"), ("crash-after-ready", "crashed-after-start")):
        product.fault("s6", fault, "0" if fault == "crash-after-ready" else "")
        row = product.ended(product.swap("s6", "quick"))
        product.fault("s6", fault, on=False)
        assert (row["status"], row["diagnosis_code"]) == ("failed", code), row["diagnosis"]
        assert row["remedy"] and served(product, "s6") == []
    recovers(product, "s6", "quick", "container_dies_and_dies_again", "the cause was gone")


def disk_full_on_the_spark(product: Product) -> None:
    product.serve("other", "s6")
    product.fault("s6", "disk-full")
    row = product.ended(product.swap("s6", "quick"))
    product.fault("s6", "disk-full", on=False)

    assert row["status"] == "failed", row
    assert "disk" in row["diagnosis"] and served(product, "s6") == ["org/other"]
    recovers(product, "s6", "quick", "disk_full_on_the_spark", "there was room again")


def reboot_in_a_swap(product: Product) -> None:
    """Launched once more, because what was launched is gone."""
    swap = product.swap("s7", "slow")
    product.reached(swap, "loading")
    product.fault("s7", "reboot", "3")
    until(lambda: product.launches("s7", swap)[1:] or product.row(swap)["ended_at"], LIMIT_SECONDS, "launched again")
    began = time.monotonic()
    row = product.ended(swap)
    noted("reboot_in_a_swap", "it was up and launched again", time.monotonic() - began)

    assert row["status"] == "ready", row["diagnosis"]
    assert len(product.launches("s7", swap)) == 2


def forced_lock(product: Product) -> None:
    """Only with a word about the swap; then it ends cancelled, and the fence of the holder is burnt."""
    lock = product.call("POST", "/api/swap/lock", {"slot": "s7", "holder": "night job", "ttl_seconds": 600})
    product.held.append(lock["token"])
    token = {"Swap-Lock-Token": lock["token"]}
    swap = product.swap("s7", "slow", headers=token)
    product.reached(swap, "loading")
    force = {"slot": "s7", "fence": lock["fence"], "reason": "the demo begins at ten"}
    refused = product.once("POST", "/api/swap/lock/force-release", force)
    product.call("POST", "/api/swap/lock/force-release", {**force, "cancel_swap": True})
    row = product.ended(swap)
    late = product.once("POST", "/api/swap", {"slot": "s7", "model": "quick"}, token)

    assert (refused.status_code, row["status"], late.status_code) == (409, "cancelled", 412), late.text
    events = product.rows("SELECT kind FROM cluster_event WHERE slot_id = %s", product.slots["s7"])
    kinds = {event["kind"] for event in events}
    assert {"lock.forced", "swap.ended"} <= kinds
    assert product.ended(product.swap("s7", "quick"))["status"] == "ready"


def memory_runs_out(product: Product) -> None:
    """The load is stopped before the Spark freezes."""
    product.fault(PAIR, "memory-exhausted", "2")
    row = product.ended(product.swap(PAIR, "slow"))
    product.fault(PAIR, "memory-exhausted", on=False)

    assert (row["status"], row["diagnosis_code"]) == ("failed", "memory-floor"), row
    recovers(product, PAIR, "big", "memory_runs_out", "memory was free again")


def link_to_a_worker_drops(product: Product) -> None:
    swap = product.swap(PAIR, "big")
    product.sparks.fault(product.nodes(PAIR)[1], "sshd-drop", value="docker logs")
    row = product.ended(swap)
    assert row["status"] == "ready", row["diagnosis"]
    assert len(product.launches(PAIR, swap)) == 1


def recovers(product: Product, slot: str, model: str, story: str, what: str) -> None:
    """A swap passes its checks again; then it also ends well, as fast as this machine is."""
    began = time.monotonic()
    swap = product.swap(slot, model)
    product.reached(swap, *AFTER_CHECKS)
    noted(story, what, time.monotonic() - began)
    row = product.ended(swap)
    assert row["status"] == "ready", row["diagnosis"]


# Stories of one line have one slot: they come one after the other.
LINES: list[list[Story]] = [
    [never_ready],
    [reboot_in_a_swap, forced_lock],
    [half_open_link],
    [sshd_refuses],
    [container_dies_and_dies_again, disk_full_on_the_spark],
    [memory_runs_out, link_to_a_worker_drops],
    [host_key_changed],
    [session_killed_in_a_launch],
]


def log_of(product: Product, swap: int) -> list[dict[str, object]]:
    return product.rows("SELECT data FROM swaps_swapmessage WHERE swap_id = %s AND kind = 'log'", swap)


def served(product: Product, slot: str) -> list[str]:
    try:
        answer = httpx.get(f"http://{product.host(slot)}:8888/v1/models", timeout=10)
    except httpx.HTTPError:
        return []
    return [model["id"] for model in answer.json()["data"]]


@pytest.fixture(scope="module")
def told(running: tuple[Product, FenceWatch]) -> Iterator[dict[str, Future[None]]]:
    """All lines at once; when all have ended, the invariants."""
    product, fences = running
    second = product.add_worker("second")
    ends: dict[str, Future[None]] = {story.__name__: Future() for line in LINES for story in line}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for line in LINES:
            threads.submit(tell, product, line, ends)
    yield ends
    product.sparks.no_faults()
    second.stop()
    del product.parts["second"]
    invariants.check(product, fences.seen)


def tell(product: Product, line: list[Story], ends: dict[str, Future[None]]) -> None:
    for story in line:
        try:
            ends[story.__name__].set_result(story(product))
        except BaseException as error:
            ends[story.__name__].set_exception(error)


@pytest.mark.parametrize("story", [story.__name__ for line in LINES for story in line])
def test_it_survives(told: dict[str, Future[None]], story: str, record_property: Callable[[str, object], None]) -> None:
    try:
        told[story].result()
    finally:
        for line in notes_of(story):
            record_property(RECOVERY, line)
