"""What happened on a Spark, one JSON line each, for people who want to see the exact argv that arrived."""

from __future__ import annotations

import json
import os
import time

LIMIT = 16 * 1024 * 1024  # bytes; a demo is probed for days


def note(folder: str, what: str, **fields: object) -> None:
    """Append one line; O_APPEND keeps the lines of many processes whole."""
    line = json.dumps({"at": time.time(), "what": what, **fields}) + "\n"
    fd = os.open(os.path.join(folder, "journal.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, line.encode())
        if os.fstat(fd).st_size > LIMIT:
            os.replace(os.path.join(folder, "journal.jsonl"), os.path.join(folder, "journal.1.jsonl"))
    finally:
        os.close(fd)
