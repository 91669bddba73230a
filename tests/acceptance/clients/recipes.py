"""The recipes of docs/clients.md as they stand there."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.installation import ROOT
from tests.sparkctl import Said

PAGE = ROOT / "docs" / "clients.md"
BLOCK = re.compile(r"^```sh recipe=(?P<name>[a-z0-9-]+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 120

RECIPES = {block["name"]: block["text"] for block in BLOCK.finditer(PAGE.read_text())}


@dataclass(frozen=True)
class Shell:
    """A home folder where recipes are followed."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        path = f"{self.home}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "USER": "ana", "LANG": "C.UTF-8", **self.variables}

    def with_(self, **variables: str) -> "Shell":
        return Shell(self.home, {**self.variables, **variables})

    def follow(self, name: str) -> Said:
        """Run a recipe by the shell cron uses."""
        return self.run("sh", "-c", RECIPES[name])

    def run(self, *command: str) -> Said:
        ended = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    def program(self, name: str, text: str) -> Path:
        """An executable in this home, found by its name."""
        file = self.home / name
        file.write_text(text)
        file.chmod(0o755)
        return file
