"""What the fence of every Spark was, as a thread of its own saw it."""

import contextlib
import threading
from pathlib import Path

LOOK_EVERY_SECONDS = 0.05


class FenceWatch:
    """`seen`: by fence file, every value in the order it was seen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: dict[str, list[int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "FenceWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            for file in self.root.glob("spark-*/home/.spark-control/*/fence"):
                with contextlib.suppress(OSError, ValueError):
                    self._note(file, int(file.read_text()))

    def _note(self, file: Path, fence: int) -> None:
        history = self.seen.setdefault(str(file.relative_to(self.root)), [])
        if not history or history[-1] != fence:
            history.append(fence)
