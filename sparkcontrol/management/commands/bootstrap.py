"""`manage.py bootstrap`: everything a start needs, and nothing twice."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from cluster.refusals import Refusal
from sparkcontrol import first_run


class Command(BaseCommand):
    help = "Migrate, collect static files, and on the first start make the sign-in, the API key and the catalog."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("check", fail_level="ERROR", verbosity=0)
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        try:
            told = first_run.set_up()
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write("\n".join(told))
