"""`manage.py restore`: the rows of a backup in a database of their own time, brought up to date, and made safe.

SQLite: a new file is made beside the old one and takes its place at the end; the old one is kept under another name.
PostgreSQL: everything is one transaction, which leaves the old tables as they were when anything goes wrong.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.state import StateApps

from cluster import encryption
from cluster.models import Event
from services.models import Delivery, OutgoingMessage
from services.webhooks import after_restore as webhooks_after_restore
from sparkcontrol.backup import archive, dumping, schema
from sparkcontrol.backup.archive import BadBackup, Manifest
from sparkcontrol.backup.running import database_alone
from swaps import after_restore as swaps_after_restore
from swaps.models import Swap
from swaps.reopening import LEAP

ROWS_AT_ONCE = 500
# Their ids are known outside: in webhooks, streams, addresses and on the Sparks.
KNOWN_OUTSIDE: tuple[type[models.Model], ...] = (Event, Swap, OutgoingMessage, Delivery)


@dataclass(frozen=True, slots=True)
class Restored:
    """`kept`: where the database is that was there before; None when there was none."""

    made_at: datetime
    rows: int
    kept: Path | None


def restore(path: Path, now: datetime, *, keys: Path | None = None, discard_current: bool = False) -> Restored:
    """Put the database back. Raises BadBackup and EncryptionError; then nothing of the database has changed."""
    if keys is not None:
        add_keys(keys)
    manifest = archive.verify(path)
    targets = schema.targets_of(manifest)
    with database_alone():
        if connection.vendor == "sqlite":
            with new_file(now) as kept:
                rows = _build(path, manifest, targets, now)
        else:
            kept = None if discard_current else _keep_current(now)
            with transaction.atomic():
                schema.drop_tables()
                rows = _build(path, manifest, targets, now)
    return Restored(manifest.made_at, rows, kept)


def add_keys(source: Path) -> None:
    """The keys of a backup behind those of this installation, which stay the newest. Raises BadBackup."""
    try:
        fresh = [line for line in source.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise BadBackup(f"The keys in {source} cannot be read: {error.strerror}.") from error
    encryption.add_older_keys(fresh)


def _build(path: Path, manifest: Manifest, targets: list[schema.Node], now: datetime) -> int:
    state = schema.make_tables(targets)
    with transaction.atomic():
        _check_references("DEFERRED")
        rows = _load(path, state)
        _check_references("IMMEDIATE")
    schema.migrate_on()
    with transaction.atomic():
        for model in KNOWN_OUTSIDE:
            schema.leap_ids(model, LEAP)
        webhooks_after_restore.settle(now)
        swaps_after_restore.settle(manifest.made_at, now)
    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)  # rights and types of newer models
    return rows


def _check_references(when: str) -> None:
    """What a row points at may come later in the file. A table with checks that still wait cannot be altered."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS ALL {when}")


def _load(path: Path, state: StateApps) -> int:
    """All rows, as the models of that time; how many."""
    kinds: dict[str, type[models.Model]] = {}
    total = 0
    for table, group in groupby(archive.records(path), key=lambda record: record[0]):
        kinds[table] = model = _as_it_was(state.get_model(table))
        model._base_manager.all()._raw_delete(connection.alias)  # what the migrations put in themselves
        rows = (row for _, row in group if row is not None)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            model._base_manager.bulk_create([_instance(model, row) for row in batch])
            total += len(batch)
    schema.reset_sequences(list(kinds.values()))
    return total


def _as_it_was(model: type[models.Model]) -> type[models.Model]:
    """A date that is set when a row is made must stay that of the row."""
    for field in model._meta.concrete_fields:
        if isinstance(field, models.DateField):
            field.auto_now = field.auto_now_add = False
    return model


def _instance(model: type[models.Model], row: dict[str, Any]) -> models.Model:
    values = {}
    for field in model._meta.concrete_fields:
        value = row[field.attname]
        values[field.attname] = value if isinstance(field, models.JSONField) else field.to_python(value)
    return model(**values)


@contextmanager
def new_file(now: datetime) -> Iterator[Path | None]:
    """Work goes into a new file, which takes the old one's place at the end. Yields where the old one will be kept."""
    current = Path(connection.settings_dict["NAME"])
    fresh = current.with_name(f".{current.name}.{secrets.token_hex(6)}")
    kept = current.with_name(f"{current.stem}-before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{current.suffix}")
    existed = current.exists()
    connection.settings_dict["NAME"] = fresh
    try:
        yield kept if existed else None
        connection.close()
        _into_one_file(fresh)
        if existed:
            os.link(current, kept)
        fresh.replace(current)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = current
        for left in fresh.parent.glob(f"{fresh.name}*"):
            left.unlink()


def _into_one_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _keep_current(now: datetime) -> Path | None:
    """A backup of what is there. Raises BadBackup when there is something that cannot be kept."""
    with connection.cursor() as cursor:
        if "django_migrations" not in connection.introspection.table_names(cursor):
            return None
    folder = Path(settings.DATA_DIR) / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        path, _ = dumping.make(folder / f"before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{dumping.ENDING}", now)
    except BadBackup as why:
        raise BadBackup(
            f"What is in the database now cannot be kept: {why} Add --discard-current if it is not needed."
        ) from why
    return path
