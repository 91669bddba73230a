"""What a path inside a container means on this machine.

There are no namespaces here, so the few places where a container's file system differs from the host's are
kept in a folder of the container, and commands that name them are rewritten before they run. A string that
is only data (a vLLM argument, say) is turned back by the program that reads it."""

from __future__ import annotations

import re
from pathlib import Path

OWN = ("/workspace", "/root", "/tmp")
SCRIPT_LIMIT = 1_000_000


class ContainerPaths:
    """Paths of one container. `base` must be free of characters a shell would read."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.rootfs = f"{base}/rootfs"
        self.stdout = f"{base}/stdout"
        self.stderr = f"{base}/stderr"
        self._mounts: list[tuple[str, str]] = []

    def create(self, mounts: list[tuple[str, str]]) -> None:
        """Make the folders; a bind mount is a symbolic link to its source."""
        for folder in OWN:
            Path(self.rootfs + folder).mkdir(parents=True, exist_ok=True)
        Path(self.rootfs, "root/.bashrc").touch()
        self._mounts = mounts
        for source, destination in sorted(mounts, key=lambda pair: len(pair[1])):
            Path(source).mkdir(parents=True, exist_ok=True) if not Path(source).exists() else None
            link = Path(self.rootfs + destination)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(source)

    def host(self, path: str) -> str:
        """The real place of a container path."""
        if path.startswith(self._prefixes()) or path == "/":
            return self.rootfs + path.rstrip("/")
        return path

    def rewrite(self, text: str) -> str:
        """A command or script with the container's own paths replaced by the real ones."""
        text = text.replace("/proc/1/fd/1", self.stdout).replace("/proc/1/fd/2", self.stderr)
        text = text.replace("/proc/[", f"{self.base}/proc/[").replace("/proc/*", f"{self.base}/proc/*")
        return self._pattern().sub(lambda match: self.rootfs + match.group(0), text)

    def rewrite_script(self, path: Path) -> None:
        """The same for a script that was copied into the container."""
        if path.is_symlink() or not path.is_file() or path.stat().st_size > SCRIPT_LIMIT:
            return
        content = path.read_bytes()
        if content.startswith(b"#!") or path.suffix in {".sh", ".bash"}:
            path.write_bytes(self.rewrite(content.decode(errors="surrogateescape")).encode(errors="surrogateescape"))

    def _prefixes(self) -> tuple[str, ...]:
        return OWN + tuple(destination for source, destination in self._mounts if destination != source)

    def _pattern(self) -> re.Pattern[str]:
        places = "|".join(sorted((re.escape(p) for p in self._prefixes()), key=len, reverse=True))
        return re.compile(rf"(?<![\w./~$)}}\]*?-])(?:{places})(?![\w-])(?!/sparksim-)")
