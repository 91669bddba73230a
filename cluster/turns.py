"""Taking turns: at most one transaction at a time is past `take` for a name, until it ends.

On SQLite every writing transaction has its turn anyway (BEGIN IMMEDIATE). On PostgreSQL it is an advisory lock, which
the server gives back when the transaction ends, however it ends.
"""

import zlib

from django.db import connection


def take(name: str) -> None:
    """Wait for the turn. Call it inside a transaction, and keep the rest of that transaction short."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [zlib.crc32(name.encode())])
