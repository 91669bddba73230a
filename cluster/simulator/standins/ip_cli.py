"""`ip addr`, `ip link` and `ip route get` of a Spark's interfaces."""

from __future__ import annotations

import sys

from cluster.simulator.standins import spark


def main(_name: str, argv: list[str]) -> int:
    words = [word for word in argv if not word.startswith("-")]
    flags = [word for word in argv if word.startswith("-")]
    family = "inet" in words or "-4" in flags
    words = [word for word in words if word not in {"inet", "inet6", "show", "dev", "list", "ls"}]
    what, rest = (words[0] if words else "addr"), words[1:]
    rows = _interfaces()
    if "route" in what or what == "r":
        return _route(rest, rows)
    if rest:
        rows = [row for row in rows if row[1] == rest[0]]
        if not rows:
            sys.stderr.write(f'Device "{rest[0]}" does not exist.\n')
            return 1
    for row in rows:
        _show(row, "-o" in flags, "-br" in flags or "-brief" in flags, family, what.startswith("l"))
    return 0


def _interfaces() -> list[tuple[int, str, str, bool]]:
    """(number, name, CIDR, up)."""
    facts = spark.facts()
    return [
        (1, "lo", "127.0.0.1/8", True),
        (2, "enP7s7", f"{facts['address']}/24", True),
        (3, "enp1s0f0np0", "", False),
        (4, "enp1s0f1np1", f"{facts['fabric_ip']}/24", True),
        (5, "enP2p1s0f0np0", "", False),
        (6, "enP2p1s0f1np1", "", True),
        (7, "wlP9s9", "", False),
    ]


def _show(row: tuple[int, str, str, bool], one_line: bool, brief: bool, family: bool, link: bool) -> None:
    number, name, cidr, up = row
    state = "UP" if up else "DOWN"
    flags = "BROADCAST,MULTICAST,UP,LOWER_UP" if up else "NO-CARRIER,BROADCAST,MULTICAST,UP"
    head = f"{number}: {name}: <{flags}> mtu 1500 qdisc mq state {state} group default qlen 1000"
    address = f"inet {cidr} brd + scope global {name}" if cidr else ""
    if brief:
        print(f"{name:<16} {state:<14} {cidr}".rstrip())
    elif link:
        print(head + ("\\    link/ether 4c:bb:47:00:00:01" if one_line else "\n    link/ether 4c:bb:47:00:00:01"))
    elif one_line:
        if address:
            print(f"{number}: {name}    {address}\\       valid_lft forever preferred_lft forever")
    elif address or not family:
        print(head)
        print("    link/ether 4c:bb:47:00:00:01 brd ff:ff:ff:ff:ff:ff")
        if address:
            print(f"    {address}\n       valid_lft forever preferred_lft forever")


def _route(words: list[str], rows: list[tuple[int, str, str, bool]]) -> int:
    target = words[1] if len(words) > 1 and words[0] == "get" else ""
    for _, name, cidr, _ in rows[1:]:
        if cidr and target.rpartition(".")[0] == cidr.partition("/")[0].rpartition(".")[0]:
            print(f"{target} dev {name} src {cidr.partition('/')[0]} uid 1000\n    cache")
            return 0
    print(f"default via 127.0.0.1 dev enP7s7 src {rows[1][2].partition('/')[0]}")
    return 0
