"""Where a webhook may go. Pure: addresses and ports in, a yes or a sentence out.

Whoever may edit webhooks could otherwise make Spark Control call what only Spark Control can reach: its own database,
the metadata service of a cloud, the Docker socket of a neighbour.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
# Never by a word such as private or external, only by naming the network itself.
SPECIAL = _networks(
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4",
    "240.0.0.0/4", "168.63.129.16/32", "::/96", "::ffff:0:0/96", "::1/128", "fe80::/10", "fec0::/10", "ff00::/8",
    "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "100::/64", "fd00:ec2::/32",
)  # fmt: skip
WORDS: dict[str, tuple[Network, ...]] = {
    "private": PRIVATE,
    "external": _networks("0.0.0.0/0", "::/0"),
    "loopback": _networks("127.0.0.0/8", "::1/128"),
    "tailscale": _networks("100.64.0.0/10", "fd7a:115c:a1e0::/48"),
}
NAMES_SPECIAL = frozenset({"loopback", "tailscale"})
# Shells, mail, Docker, databases, brokers, file shares: nothing that waits for a webhook.
DANGEROUS_PORTS = frozenset(
    {19, 21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 512, 513, 514, 587, 636, 873, 993, 995, 1433, 1521,
     2049, 2181, 2222, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 6379, 6380, 6443, 9042, 9092,
     9200, 9300, 10250, 11211, 15672, 27017, 50000}
)  # fmt: skip
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
MAX_URL = 2000

_ENTRY = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<net>[^:\[\]]+|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*/\d+))(?::(?P<port>\d+))?")


class NotAllowed(Exception):
    """`str()` is a sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """`special`: these networks were named themselves. `port`: for this port alone, a dangerous one included."""

    networks: tuple[Network, ...]
    special: bool
    port: int | None = None


def parse_allowances(entries: Sequence[str]) -> tuple[Allowance, ...]:
    """The setting: words (private, external, loopback, tailscale), networks, and network:port. Raises ValueError."""
    return tuple(_allowance(entry.strip()) for entry in entries)


def _allowance(entry: str) -> Allowance:
    if entry in WORDS:
        return Allowance(WORDS[entry], special=entry in NAMES_SPECIAL)
    match = _ENTRY.fullmatch(entry)
    try:
        network = ipaddress.ip_network((match["six"] or match["net"]) if match else entry)
    except ValueError:
        raise ValueError(
            f"{entry!r} is neither a network such as 192.168.1.0/24 nor one of {', '.join(WORDS)}."
        ) from None
    port = int(match["port"]) if match and match["port"] else None
    return Allowance((network,), special=True, port=port)


def canonical(text: str) -> Address:
    """The address a connection would really go to: IPv4 inside IPv6 is unpacked. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def check_address(address: Address, port: int, allowed: Sequence[Allowance]) -> None:
    """Raises NotAllowed."""
    fitting = [a for a in allowed if a.port in (None, port) and any(address in network for network in a.networks)]
    if port in DANGEROUS_PORTS and not any(a.port == port for a in fitting):
        raise NotAllowed(
            f"Port {port} is not for webhooks. Choose another, or list {address}/{address.max_prefixlen}:{port} "
            "in SPARKCONTROL_WEBHOOK_NETWORKS."
        )
    special = any(address in network for network in SPECIAL)
    if not any(a.special or not special for a in fitting):
        kind = "a special address" if special else "outside the networks webhooks may go to"
        raise NotAllowed(f"{address} is {kind}. To allow it, list its network in SPARKCONTROL_WEBHOOK_NETWORKS.")


def check_url(url: str, allowed: Sequence[Allowance]) -> SplitResult:
    """What can be said without asking the network. Raises NotAllowed."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise NotAllowed(f"Write an address of at most {MAX_URL} printable ASCII characters without spaces.")
    try:
        parts = urlsplit(url)
        port = port_of(parts)
    except ValueError:
        raise NotAllowed(
            "This address cannot be read; write one such as http://192.168.1.20:18789/hooks/wake."
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotAllowed("Write an http:// or https:// address.")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("Put credentials into a header, such as Authorization, not into the address.")
    if parts.fragment:
        raise NotAllowed("Leave out what follows the #; it is never sent.")
    _check_host(parts.hostname, port, allowed)
    return parts


def port_of(parts: SplitResult) -> int:
    """Raises ValueError."""
    port = parts.port
    if port == 0:
        raise ValueError("port 0")
    return port or (443 if parts.scheme == "https" else 80)


def _check_host(host: str, port: int, allowed: Sequence[Allowance]) -> None:
    try:
        address = canonical(host)
    except ValueError:
        if not HOST.fullmatch(host):
            raise NotAllowed(f"{host!r} is not a host name.") from None
        return  # a name: what it stands for is checked at every connection
    check_address(address, port, allowed)
