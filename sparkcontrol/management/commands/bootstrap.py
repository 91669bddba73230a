"""`manage.py bootstrap`: everything a start needs, and nothing twice."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cluster.refusals import Refusal
from sparkcontrol import checks, first_run
from sparkcontrol.static_files import collect_when_changed


class Command(BaseCommand):
    help = "Migrate, collect static files, and on the first start make the sign-in, the API key and the catalog."
    requires_system_checks = [checks.TAG]  # all of them cost a second here; `make lint` and CI run all

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--simulated", type=Path, help="file in which the simulator says where its Sparks are, once they are up"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        collect_when_changed()
        try:
            told = first_run.set_up(options["simulated"])
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write("\n".join(told))
