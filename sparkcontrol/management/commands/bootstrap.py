"""`manage.py bootstrap`: everything a start needs, and nothing twice."""

import time
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from cluster.refusals import Refusal
from sparkcontrol import checks, first_run
from sparkcontrol.static_files import collect_when_changed

DATABASE_SECONDS = 60.0  # a machine that starts may bring its database up after us


class Command(BaseCommand):
    help = "Migrate, collect static files, and on the first start make the sign-in, the API key and the catalog."
    requires_system_checks = [checks.TAG]  # all of them cost a second here; `make lint` and CI run all

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--simulated", type=Path, help="file in which the simulator says where its Sparks are, once they are up"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wait_for_database()
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        collect_when_changed()
        try:
            told = first_run.set_up(options["simulated"])
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write("\n".join(told))


def wait_for_database() -> None:
    """Raises CommandError with the server's own words; at once when waiting would not help, as with a password."""
    ends_at = time.monotonic() + DATABASE_SECONDS
    while error := _trouble():
        if time.monotonic() > ends_at or _is_final(error):
            raise CommandError(
                f"The database does not answer: {error} See that it runs and that DATABASE_URL is right."
            )
        time.sleep(0.5)


def _trouble() -> str:
    """Asked past the pool, which would only say that it waited."""
    if connection.vendor != "postgresql":
        return ""
    wanted = {name: value for name, value in connection.get_connection_params().items() if name != "pool"}
    try:
        psycopg.connect(**wanted).close()
    except psycopg.OperationalError as error:
        return f"{' '.join(str(error).split())}."
    return ""


def _is_final(error: str) -> bool:
    passing = ("starting up", "shutting down", "recovery", "too many")
    return "FATAL" in error and not any(word in error for word in passing)
