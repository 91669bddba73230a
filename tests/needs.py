"""What a test does when a program it needs is not on this machine."""

import os
import shutil

import pytest


def require_program(program: str, install: str) -> str:
    """The path of `program`; without it the test skips, saying how to install it, and fails in CI."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/lib/postgresql/15/bin")
    if path:
        return path
    reason = f"{program} is missing; install it with: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
