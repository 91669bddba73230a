"""The database's clock, moved. The product asks its database for the time; here the database answers otherwise.

SQLite lets a connection replace a function; PostgreSQL finds a function of the same name in a schema that comes first.
Neither the product nor its SQL knows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS moved;
CREATE TABLE IF NOT EXISTS moved.clock (seconds double precision NOT NULL);
DELETE FROM moved.clock;
INSERT INTO moved.clock VALUES (0);
CREATE OR REPLACE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + seconds * interval ''1 second'' FROM moved.clock';
CREATE OR REPLACE FUNCTION moved.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT pg_catalog.statement_timestamp() + seconds * interval ''1 second'' FROM moved.clock';
SET search_path TO moved, pg_catalog, public;
"""


class Clock:
    """Of this thread's connection."""

    def __init__(self) -> None:
        self.ahead = 0.0
        connection.ensure_connection()
        if connection.vendor == "sqlite":
            connection.connection.create_function("strftime", -1, self._strftime)
        else:
            with connection.cursor() as cursor:
                cursor.execute(SCHEMA)

    def jump(self, seconds: float) -> None:
        """Forward, or back when negative."""
        self.ahead += seconds
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE moved.clock SET seconds = %s", [self.ahead])

    def _strftime(self, form: str, *_: str) -> str:
        now = datetime.now(UTC) + timedelta(seconds=self.ahead)
        shown = form.replace("%f", f"{now:%S}.{now.microsecond // 1000:03d}")
        return now.strftime(shown)


@contextmanager
def movable_clock() -> Iterator[Clock]:
    clock = Clock()
    try:
        yield clock
    finally:
        clock.jump(-clock.ahead)
        if connection.vendor == "postgresql" and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("SET search_path TO DEFAULT")
