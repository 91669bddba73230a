"""`manage.py backup`: one moment of the whole database, while everything goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.duration import duration_string

from cluster import encryption
from sparkcontrol.backup.archive import BadBackup, Manifest, Writer

ENDING = ".backup"
# A session's row is as good as a password, and nobody misses it: people sign in again.
LEFT_OUT = {"sessions.session"}
ROWS_AT_ONCE = 2000


def make(target: Path, now: datetime) -> tuple[Path, dict[str, int]]:
    """A backup at `target`, or named after the moment in it when it is a folder; where it is, and rows by table.

    Nobody is held up by it: on both databases it reads a snapshot. Raises BadBackup.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BadBackup("The database is older than this program; run `manage.py migrate` first.")
    encryption.ensure_key_file()
    path = target / f"spark-control-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{ENDING}" if target.is_dir() else target
    with snapshot(), Writer(path, Manifest.new(now, frozenset(executor.loader.applied_migrations))) as writer:
        for model in kept_models():
            _dump(model, writer)
    return path, writer.rows


def kept_models() -> list[type[models.Model]]:
    every = apps.get_models(include_auto_created=True)
    return [one for one in every if one._meta.managed and not one._meta.proxy and label(one) not in LEFT_OUT]


def label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def copy_keys(target: Path) -> None:
    """The encryption keys into a file of their own, mode 0600. Raises BadBackup."""
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # the file may have been there, open to others
            file.write(encryption.ensure_key_file().read_bytes())
    except OSError as error:
        raise BadBackup(f"The keys cannot be written to {target}: {error.strerror}. Give another place.") from error


def forget_older(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups of a folder; only files that `make` named itself."""
    named = sorted(folder.glob(f"spark-control-????????T??????Z{ENDING}"))
    for path in (old := named[:-keep] if keep else []):
        path.unlink()
    return old


@contextmanager
def snapshot() -> Iterator[None]:
    """A transaction that sees one moment and locks nobody out."""
    wrapper: Any = connection
    if wrapper.vendor == "sqlite":
        usual, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic():
            if wrapper.vendor == "postgresql":
                with wrapper.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        if wrapper.vendor == "sqlite":
            wrapper.transaction_mode = usual


def _dump(model: type[models.Model], writer: Writer) -> None:
    columns = [field.attname for field in model._meta.concrete_fields]
    writer.table(label(model), columns)
    rows = model._base_manager.order_by("pk").values_list(*columns)
    for row in rows.iterator(ROWS_AT_ONCE):
        writer.row(json.dumps(row, default=_as_text, ensure_ascii=False, separators=(",", ":")))


def _as_text(value: Any) -> str:
    """What JSON has no form for, exactly: microseconds and time zone included."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_string(value)
    return str(value)
