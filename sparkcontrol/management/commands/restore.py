"""`manage.py restore`: put the database back from a backup, while nothing runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cluster.encryption import EncryptionError
from sparkcontrol.backup import restoring
from sparkcontrol.backup.archive import BadBackup


class Command(BaseCommand):
    help = "Put the database back from a backup. Spark Control must not run. Read docs/backup.md first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--keys", type=Path, help="file with the keys the backup was encrypted with")
        parser.add_argument(
            "--discard-current",
            action="store_true",
            help="PostgreSQL: do not write a backup of the present database first",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            done = restoring.restore(
                options["file"], now, keys=options["keys"], discard_current=options["discard_current"]
            )
        except (BadBackup, EncryptionError) as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        self.stdout.write(f"Restored {done.rows} rows of {done.made_at:%Y-%m-%d %H:%M} UTC.")
        if done.kept:
            self.stdout.write(f"The database that was there before is in {done.kept}.")
        self.stdout.write("Start Spark Control. Each slot takes swaps again once its Sparks have told their fences.")
