"""What must be true after every fault (docs/reliability.md, I1 to I10), asked of rows, Sparks, receiver and logs.

Each question returns sentences about what is wrong; none is the only right answer.
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.faults.database import PASSWORD
from tests.acceptance.faults.product import HEADER_CANARY, TERMINAL, Product
from tests.lock_race import history
from tests.simulated_sparks import until

SETTLE_SECONDS = 30.0  # the promise: shown state is true, or says unknown, so long after recovery
GRACE = timedelta(seconds=30)  # beyond its deadline, for a swap to end
TOLD = ("cluster_event", "swaps_swapmessage", "swaps_transition", "services_outgoingmessage", "services_attempt")
ENDED = "('swap.ended', 'warm.ended')"
ACCEPTED = "('swap.accepted', 'warm.accepted')"


def check(product: Product, fences: dict[str, list[int]]) -> None:
    """Raises AssertionError with everything that is wrong. Waits for what takes its time, such as deliveries."""
    wrong = [f"{name}: {sentence}" for name, ask in QUESTIONS.items() for sentence in settled(ask, product)]
    wrong += [f"I5: {sentence}" for sentence in sinking_fences(product, fences)]
    assert not wrong, "\n".join(wrong)


def settled(ask: Callable[[Product], list[str]], product: Product) -> list[str]:
    """What is still wrong after the time things have to come to rest."""
    found: list[str] = []

    def nothing() -> bool:
        found[:] = ask(product)
        return not found

    try:
        until(nothing, SETTLE_SECONDS)
    except AssertionError:
        return found
    return []


def swaps_at_once(product: Product) -> list[str]:
    """I1: between its acceptance and its end a swap has its slot for itself."""
    rows = product.rows("SELECT id, slot_id, accepted_at, ended_at FROM swaps_swap ORDER BY slot_id, id")
    wrong = []
    for one, other in pairwise(rows):
        same_slot = one["slot_id"] == other["slot_id"]
        if same_slot and (one["ended_at"] is None or moment(one["ended_at"]) > moment(other["accepted_at"])):
            wrong.append(f"swap {other['id']} was accepted while {one['id']} still ran")
    return wrong


def late_ends(product: Product) -> list[str]:
    """I2: everything has ended, and not long after its deadline."""
    rows = product.rows("SELECT id, status, ended_at, deadline_at FROM swaps_swap")
    wrong = [f"swap {row['id']} is {row['status']}" for row in rows if row["status"] not in TERMINAL]
    late = (
        row["id"] for row in rows if row["ended_at"] and moment(row["ended_at"]) > moment(row["deadline_at"]) + GRACE
    )
    return wrong + [f"swap {swap} ended late" for swap in late]


def miscounted_ends(product: Product) -> list[str]:
    """I3: one acceptance, one end, and one last message, for every swap."""
    of_it = "CAST(e.data->>'swap' AS bigint) = s.id"
    asked = f"""SELECT s.id,
        (SELECT count(*) FROM cluster_event e WHERE e.kind IN {ACCEPTED} AND {of_it}) AS begun,
        (SELECT count(*) FROM cluster_event e WHERE e.kind IN {ENDED} AND {of_it}) AS ended,
        (SELECT count(*) FROM swaps_swapmessage m WHERE m.swap_id = s.id AND m.kind = 'end') AS told
        FROM swaps_swap s"""
    rows = product.rows(asked)
    return [f"swap {row['id']}: {row}" for row in rows if (row["begun"], row["ended"], row["told"]) != (1, 1, 1)]


def undelivered(product: Product) -> list[str]:
    """I4: every event was looked at by the outbox, and the receiver has accepted the id of every message."""
    waiting = product.rows("SELECT id FROM cluster_event WHERE fanned_out_at IS NULL")
    accepted = set(product.inbox.accepted)
    asked = """SELECT m.message_id, m.type FROM services_outgoingmessage m
               JOIN services_delivery d ON d.message_id = m.id"""
    never = [row for row in product.rows(asked) if row["message_id"] not in accepted]
    wrong = [f"event {row['id']} was not handed on" for row in waiting]
    return wrong + [f"{row['type']} {row['message_id']} never came" for row in never]


def sinking_fences(product: Product, fences: dict[str, list[int]]) -> list[str]:
    """I5: no Spark ever obeyed an older driver after a newer one, and the row is never behind the Spark."""
    wrong = [f"{file}: {seen}" for file, seen in fences.items() if seen != sorted(seen)]
    for slot in product.slots:
        launched = [int(fence) for fence in _label_of_runs(product, slot, "sparkcontrol.fence")]
        if launched != sorted(launched):
            wrong.append(f"{slot}: launches under {launched}")
        rows = product.rows("SELECT fence FROM swaps_swaplock WHERE slot_id = %s", product.slots[slot])
        if launched and launched[-1] > rows[0]["fence"]:
            wrong.append(f"{slot}: the row says {rows[0]['fence']}, but {launched[-1]} was used")
    return wrong


def untrue_states(product: Product) -> list[str]:
    """I6: what the rows say serves is what answers, or the rows say unknown."""
    wrong = []
    for slot in product.slots:
        row = product.serving(slot)
        served = _served(product.host(slot))
        known = row["served_ids"]
        said = (json.loads(known) if isinstance(known, str) else known) if row["state"] == "serving" else []
        if row["state"] != "unknown" and said != served:
            wrong.append(f"{slot}: the row says {row['state']} {said}, the Spark serves {served}")
    return wrong


def stray_containers(product: Product) -> list[str]:
    """I7: what runs carries the labels of the newest swap of its slot that left something running."""
    return [
        f"{slot}, {node}: {box['Names']} {box['Status']} with {box['Labels']}, not of swap {last}"
        for slot in product.slots
        for last in [_last_launch(product, slot)]
        for node in product.nodes(slot)
        for box in containers(product, node)
        if f"sparkcontrol.swap={last}" not in box["Labels"].split(",") or "sparkcontrol.fence=" not in box["Labels"]
    ]


def unsound_holds(product: Product) -> list[str]:
    """I8: the holds of every lock, one after the other under growing fences."""
    asked = """SELECT h.lock_id, h.fence, h.holder, h.acquired_at, h.ended_at FROM swaps_lockhold h ORDER BY h.id"""
    holds: dict[int, list[dict[str, Any]]] = {}
    for row in product.rows(asked):
        times = {name: row[name] and moment(row[name]).isoformat() for name in ("acquired_at", "ended_at")}
        holds.setdefault(row["lock_id"], []).append({"fields": {**row, **times}})
    return [sentence for rows in holds.values() for sentence in history.violations(history.server_side(rows))]


def gaps(product: Product) -> list[str]:
    """I9: the transitions of a swap lead from one to the next without a gap, and so do its messages."""
    wrong = []
    for swap in product.rows("SELECT id, status, last_seq FROM swaps_swap"):
        moves = product.rows("SELECT * FROM swaps_transition WHERE swap_id = %s ORDER BY id", swap["id"])
        chain = [("", ""), *((move["from_status"], move["to_status"]) for move in moves)]
        torn = any(one[1] != other[0] for one, other in pairwise(chain))
        if torn or chain[-1][1] != swap["status"]:
            wrong.append(f"swap {swap['id']} is {swap['status']} after {chain[1:]}")
        told = "SELECT count(*) AS n, max(seq) AS last FROM swaps_swapmessage WHERE swap_id = %s"
        count = product.rows(told, swap["id"])[0]
        if not count["n"] == count["last"] == swap["last_seq"]:
            wrong.append(f"swap {swap['id']} has {count} messages, and says {swap['last_seq']}")
    return wrong


def leaks(product: Product) -> list[str]:
    """I10: no secret in a log, an event, a message, a body that was sent, or a command line."""
    canaries = {"API key": product.key, "database password": PASSWORD, "webhook header": HEADER_CANARY}
    canaries |= {f"lock token {number}": token for number, token in enumerate(product.held)}
    texts = list(_texts(product))
    return [f"{what} in {where}" for what, secret in canaries.items() for where, text in texts if secret in text]


QUESTIONS: dict[str, Callable[[Product], list[str]]] = {
    "I2": late_ends,
    "I1": swaps_at_once,
    "I3": miscounted_ends,
    "I4": undelivered,
    "I6": untrue_states,
    "I7": stray_containers,
    "I8": unsound_holds,
    "I9": gaps,
    "I10": leaks,
}


def containers(product: Product, node: str) -> list[dict[str, str]]:
    """`docker ps -a` there."""
    folder = product.sparks.root / node
    command = [str(folder / "bin" / "docker"), "ps", "-a", "--format", "{{json .}}"]
    environment = {**os.environ, "SPARKSIM_DIR": str(folder)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=30).stdout
    return [json.loads(line) for line in said.splitlines()]


def _last_launch(product: Product, slot: str) -> int | None:
    asked = """SELECT id, operation FROM swaps_swap WHERE slot_id = %s AND operation <> 'warm'
               AND (status = 'ready' OR rolled_back_to <> '') ORDER BY id DESC LIMIT 1"""
    rows = product.rows(asked, product.slots[slot])
    return rows[0]["id"] if rows and rows[0]["operation"] == "swap" else None


def _label_of_runs(product: Product, slot: str, label: str) -> Iterator[str]:
    for entry in product.sparks.journal(product.nodes(slot)[0], "docker"):
        if entry["argv"][:1] == ["run"]:
            yield from (word.rpartition("=")[2] for word in entry["argv"] if f"{label}=" in word)


def moment(value: str | datetime) -> datetime:
    """SQLite answers text, without a time zone."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _served(host: str) -> list[str]:
    try:
        answer = httpx.get(f"http://{host}:8888/v1/models", timeout=5)
    except httpx.HTTPError:
        return []
    return [model["id"] for model in answer.json()["data"]]


def _texts(product: Product) -> Iterator[tuple[str, str]]:
    for log in product.folder.glob("*.log"):
        yield log.name, log.read_text(errors="replace")
    for table in TOLD:
        yield table, "\n".join(str(row) for row in product.rows(f"SELECT * FROM {table}"))
    yield "webhook bodies", "\n".join(call.body.decode(errors="replace") for call in product.inbox.calls)
    yield "command lines", "\n".join(_command_lines())
    for spark in product.sparks.sparks:
        yield f"journal of {spark['name']}", json.dumps(product.sparks.journal(spark["name"]))


def _command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def count_statuses(product: Product) -> Counter[str]:
    """How many swaps ended how."""
    rows = product.rows("SELECT status, count(*) AS n FROM swaps_swap GROUP BY status")
    return Counter({row["status"]: row["n"] for row in rows})
