"""The database server's clock: the only one that decides who holds what.

Python's clocks of several web processes and workers disagree, and a paused process acts on an old reading. So leases
are set and compared inside the UPDATE that decides, by the expression below. Django's Now() would not do: on PostgreSQL
it is the time the statement began, which is old by the time a statement got the row lock it waited for.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Func
from django.db.models.sql.compiler import SQLCompiler


class DatabaseNow(Func):
    """The moment at which the database looks at the row; usable in filters, updates and annotations."""

    template = "CLOCK_TIMESTAMP()"
    arity = 0
    output_field = DateTimeField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Milliseconds, written as Django writes moments, because SQLite compares them as text."""
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'NOW')"
        return self.as_sql(compiler, connection, template=template, **extra_context)


def database_now() -> DatabaseNow:
    return DatabaseNow()


def as_utc(at: datetime | None) -> str | None:
    """UTC ISO-8601 with offset, as everything outside reads times."""
    return at.astimezone(UTC).isoformat() if at else None
