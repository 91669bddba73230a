"""sparkctl as people have it: the file a running Spark Control hands out, run by a Python of its own.

SPARKCTL_PYTHON names another one, such as the oldest we promise: SPARKCTL_PYTHON=python3.9 pytest ...
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PYTHON = os.environ.get("SPARKCTL_PYTHON", sys.executable)
SECONDS = 60


@dataclass(frozen=True)
class Said:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Sparkctl:
    file: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_server(cls, url: str, folder: Path, key: str = "") -> "Sparkctl":
        file = folder / "sparkctl"
        file.write_bytes(httpx.get(f"{url}/sparkctl", timeout=30).raise_for_status().content)
        file.chmod(0o755)
        return cls(file, folder, {"SPARKCTL_KEY": key} if key else {})

    def with_(self, **variables: str) -> "Sparkctl":
        return Sparkctl(self.file, self.home, {**self.variables, **variables})

    def environment(self) -> dict[str, str]:
        """Nothing of the tests' own; the PATH finds this sparkctl."""
        path = f"{self.home}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "USER": "ana", "LANG": "C.UTF-8", **self.variables}

    def command(self, *words: str) -> list[str]:
        return [PYTHON, "-I", "-W", "error", str(self.file), *words]

    def run(self, *words: str, given: str = "") -> Said:
        ended = subprocess.run(
            self.command(*words), env=self.environment(), input=given, capture_output=True, text=True, timeout=SECONDS
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    @contextmanager
    def running(self, *words: str) -> Iterator["subprocess.Popen[str]"]:
        """Until the end of the block, then killed if need be."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self.command(*words), env=self.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()
