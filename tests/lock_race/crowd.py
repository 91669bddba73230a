"""Many callers who wait for the lock at the same moment, each on a connection of its own, in one process."""

import asyncio
import json
from typing import Any


async def wait_for_lock(addresses: list[str], key: str, callers: int, wait: int) -> list[tuple[int, dict[str, Any]]]:
    asked = (_ask(addresses[number % len(addresses)], key, number, wait) for number in range(callers))
    return list(await asyncio.gather(*asked))


async def _ask(address: str, key: str, number: int, wait: int) -> tuple[int, dict[str, Any]]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"holder": f"waiter-{number}", "ttl_seconds": 60, "wait": wait})
    writer.write(
        f"POST /api/swap/lock HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    )
    raw = await reader.read()
    writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(_unchunked(head, rest))


def _unchunked(head: bytes, rest: bytes) -> bytes:
    if b"chunked" not in head.lower():
        return rest
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole
