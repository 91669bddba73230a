"""What people and scripts see. Every word goes through here, and none of it can move the cursor."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")  # colours, titles, links
USUAL_COLUMNS = 80  # of a terminal that does not tell

Args = argparse.Namespace


def clean(text: object) -> str:
    """Without control characters and marks that change the direction of text."""
    return "".join(char if char.isprintable() else " " for char in ESCAPES.sub("", str(text)))


def say(line: object) -> None:
    sys.stdout.write(clean(line) + "\n")
    sys.stdout.flush()


def complain(line: object) -> None:
    """One line for people, apart from what a script reads."""
    with contextlib.suppress(OSError):  # a terminal that is gone must not keep anybody from going on
        sys.stderr.write(f"sparkctl: {clean(line)}\n")
        sys.stderr.flush()


def show(args: Args, document: Any, lines: Sequence[object]) -> int:
    """`document` for scripts, `lines` for people. The exit code of having done so."""
    if args.json:
        sys.stdout.write(json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n")
    for line in [] if args.json else lines:
        say(line)
    return 0


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as they need to be."""
    words = [["" if cell is None else clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*words)]  # noqa: B905 - strict= is newer than Python 3.9
    return ["  ".join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in words]


def moment(text: str | None) -> str:
    """A time of day where you are; with the date when it is another day."""
    if not text:
        return ""
    at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    today = datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if at.date() == today else "%Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """42 s, 3 min 10 s, 2 h 5 min."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress:
    """On a terminal one line that changes; in a pipe a line for each phase and each ten percent."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.on_terminal = sys.stdout.isatty() and not quiet
        self.label = ""
        self.tens = 0

    def hear(self, event: str, data: dict[str, Any]) -> None:
        if event == "phase":
            self.label, self.tens = data["label"], 0
            self._tell(f"{self.label}. {data['detail'] or ''}".strip(), news=True)
        elif event == "progress":
            tens, left = data["percent"] // 10, data.get("remaining_seconds")
            words = [f"{self.label} {data['percent']} %", data["detail"], f"about {span(left)} left" if left else ""]
            self._tell(", ".join(word for word in words if word), news=tens != self.tens)
            self.tens = tens

    def close(self) -> None:
        if self.on_terminal:
            self._draw("")

    def _tell(self, text: str, *, news: bool) -> None:
        if self.on_terminal:
            self._draw(text)
        elif news and not self.quiet:
            say(text)

    def _draw(self, text: str) -> None:
        width = os.get_terminal_size(sys.stdout.fileno()).columns or USUAL_COLUMNS
        sys.stdout.write(f"\r{clean(text)[: width - 1]}\x1b[K")
        sys.stdout.flush()
