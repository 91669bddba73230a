"""A process of the product on the database of this test, to be killed in the middle of something."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.simulated_sparks import REPOSITORY


@contextmanager
def child_process(*command: str) -> Iterator["subprocess.Popen[str]"]:
    """`python` with these arguments. Killed at the end when it still runs."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.child_settings",
        "TEST_DATABASE": str(connection.settings_dict["NAME"]),
    }
    with subprocess.Popen(
        [sys.executable, *command], cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()
            child.wait(timeout=10)
