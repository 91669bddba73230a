"""`manage.py backup`: everything the database knows, in one encrypted file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cluster.encryption import EncryptionError
from sparkcontrol.backup import dumping
from sparkcontrol.backup.archive import BadBackup


class Command(BaseCommand):
    help = "Write a backup of the database, encrypted, while everything runs. Keep the keys apart from it (--keys)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", type=Path, help="a file, or a folder in which it is named after the moment")
        parser.add_argument("--keys", type=Path, help="also write the encryption keys to this file")
        parser.add_argument("--keep", type=int, default=0, help="in a folder: remove all but the newest so many")

    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["target"]
        if options["keep"] and not target.is_dir():
            raise CommandError("--keep needs a folder as target.")
        try:
            path, rows = dumping.make(target, timezone.now())
            if options["keys"]:
                dumping.copy_keys(options["keys"])
        except (BadBackup, EncryptionError) as error:
            raise CommandError(str(error)) from error
        for old in dumping.forget_older(target, options["keep"]) if options["keep"] else []:
            self.stdout.write(f"Removed {old}.")
        self.stdout.write(f"Wrote {sum(rows.values())} rows of {len(rows)} tables to {path}.")
        if not options["keys"]:
            self.stdout.write("It opens only with the encryption keys; keep a copy of them elsewhere (--keys FILE).")
