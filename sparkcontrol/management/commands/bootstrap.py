"""`manage.py bootstrap`: everything a start needs, and nothing twice."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from cluster.refusals import Refusal
from sparkcontrol import checks, first_run
from sparkcontrol.static_files import collect_when_changed


class Command(BaseCommand):
    help = "Migrate, collect static files, and on the first start make the sign-in, the API key and the catalog."
    requires_system_checks = [checks.TAG]  # all of them cost a second here; `make lint` and CI run all

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        collect_when_changed()
        try:
            told = first_run.set_up()
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write("\n".join(told))
