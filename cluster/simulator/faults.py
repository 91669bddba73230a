"""Faults are files: a fault is on while its file exists, and the file's text is its value.

The file form lets a person, a test or a stand-in script switch one with nothing but `touch` and `rm`."""

from __future__ import annotations

import os

KNOWN = {
    "slow-load": "the model loads VALUE times slower (3)",
    "oom": "CUDA out of memory while loading",
    "unknown-flag": "this image's vLLM does not know the flag VALUE (the last one given)",
    "gated-repo": "Hugging Face refuses the repository",
    "port-clash": "something else holds the port",
    "crash-after-ready": "the engine dies VALUE seconds after ready (2)",
    "wedged": "the model answers /health and takes requests, but no token ever comes",
    "never-ready": "the log stops and the port never listens",
    "image-missing": "the image VALUE (every image) is not on the machine",
    "worker-missing-weights": "the worker of a two-node launch finds no weights",
    "sshd-drop": "the connection drops during the next command that contains VALUE (any)",
    "sshd-refuse": "nothing listens on the SSH port",
    "frozen-host": "TCP connects, then silence; everything that runs stands still",
    "reboot": "once: everything that runs dies, SSH is away for VALUE seconds (3), then a new boot id",
    "host-key-changed": "the machine shows another host key",
    "memory-exhausted": "while a model loads, 10 GiB are left and VALUE GiB a second (2) go, until the machine freezes",
    "memory-not-returned": "VALUE GiB (what the last model held) stay taken after vLLM is gone",
    "disk-full": "no space left on device",
    "docker-down": "the Docker daemon is not running",
    "launch-hangs": "docker run does not come back",
}


class Faults:
    """The faults of one Spark, read from its folder at every question."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def value(self, name: str) -> str | None:
        """The fault's value ("" when it has none), None when it is off."""
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return None

    def number(self, name: str, default: float) -> float | None:
        """The value as a number, `default` when it has none, None when the fault is off."""
        text = self.value(name)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            return default

    def switch_on(self, name: str, value: str = "") -> None:
        path = os.path.join(self._folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(value)
        os.replace(path + ".new", path)

    def switch_off(self, name: str) -> None:
        try:
            os.unlink(os.path.join(self._folder, name))
        except FileNotFoundError:
            return

    def all(self) -> dict[str, str]:
        """Every fault that is on, with its value."""
        names = sorted(name for name in os.listdir(self._folder) if not name.endswith(".new"))
        return {name: self.value(name) or "" for name in names}
