"""Secrets this process has in its hands, so that its own log never shows them, whatever shape they have."""

import json
from collections import OrderedDict
from threading import Lock

MASK = "***"
SHORTEST = 8  # shorter values would mask ordinary words
LONGEST = 8192  # longer texts are no secrets but documents that hold some
MOST = 1000

_known: OrderedDict[str, None] = OrderedDict()
_guard = Lock()


def know(secret: str) -> None:
    """Mask it from now on; of a private key each line, of a JSON object each value."""
    if len(secret) > LONGEST:
        return
    parts = {part for part in (*_values(secret), *secret.splitlines()) if len(part) >= SHORTEST and "-----" not in part}
    with _guard:
        for part in parts:
            _known[part] = None
            _known.move_to_end(part)
        while len(_known) > MOST:
            _known.popitem(last=False)


def redact(text: str) -> str:
    """Without the secrets this process knows."""
    with _guard:
        found = [secret for secret in _known if secret in text]
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _values(secret: str) -> list[str]:
    if not secret.startswith("{"):
        return []
    try:
        return [value for value in json.loads(secret).values() if isinstance(value, str)]
    except ValueError:
        return []
