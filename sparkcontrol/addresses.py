"""The IPv4 addresses of this machine, so that it can be reached by them when it listens on all of them."""

import re
from pathlib import Path

ANY = ("0.0.0.0", "::")  # noqa: S104 - recognised, not listened on
_LOCAL = re.compile(r"\|-- ([\d.]+)\n\s+/32 host LOCAL")


def own_addresses(table: Path = Path("/proc/net/fib_trie")) -> list[str]:
    """From the kernel's routing table: no name service is asked. Loopback left out; empty when it cannot be read."""
    try:
        found = _LOCAL.findall(table.read_text())
    except OSError:
        return []
    return sorted({address for address in found if not address.startswith("127.")})
