"""A container's own paths as the container itself would call them."""

from __future__ import annotations

NAMES = (("/rootfs", ""), ("/stdout", "/proc/1/fd/1"), ("/stderr", "/proc/1/fd/2"), ("/proc", "/proc"))


def shown(base: str, text: str) -> str:
    """Undo what ContainerPaths.rewrite did, where the text is only data or is shown to somebody."""
    for real, name in NAMES if base else ():
        text = text.replace(base + real, name)
    return text
