import io
import os
import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import pytest

from services.sparkctl.words import Progress, clean, moment, show, span, table
from tests.corpus.hostile_strings import HOSTILE


def test_no_string_can_move_the_cursor_or_turn_text_around() -> None:
    assert [text for text in HOSTILE if not clean(text).isprintable()] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link", "link"),
        ("a\rb\nc\td", "a b c d"),
        ("\u202eevil", " evil"),
        ("größer “so”", "größer “so”"),
    ],
)
def test_what_is_left_is_readable(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_json_for_scripts_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(Namespace(json=True), {"x": "\x1b\x7f\x9b\u202e"}, ["unused"]) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable()


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert table([["a", 1, None], ["long", "\x1b[1mx", "end"]]) == ["a     1", "long  x  end"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (7500, "2 h 5 min"), (-3, "0 s")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_another_day_has_its_date() -> None:
    now = datetime.now(UTC)
    assert len(moment(now.isoformat())) == len("12:00:00")
    assert moment((now + timedelta(days=2)).isoformat()).startswith("20")
    assert moment(None) == ""


def progress(monkeypatch: pytest.MonkeyPatch, *, on_terminal: bool) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: on_terminal)
    monkeypatch.setattr(out, "fileno", lambda: 0)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((50, 20)))
    return Progress(quiet=False), out


def heard(shown: Progress) -> None:
    shown.hear("phase", {"label": "Loading", "detail": ""})
    for percent in (1, 2, 11, 12, 25):
        shown.hear("progress", {"percent": percent, "detail": "reading weights " * 5, "remaining_seconds": 61})
    shown.close()


def test_in_a_pipe_each_phase_and_each_ten_percent_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, out = progress(monkeypatch, on_terminal=False)
    heard(shown)
    assert [line.split(" %")[0] for line in out.getvalue().splitlines()] == ["Loading.", "Loading 11", "Loading 25"]
    assert out.getvalue().endswith("about 1 min 1 s left\n")


def test_on_a_terminal_one_line_changes_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, out = progress(monkeypatch, on_terminal=True)
    heard(shown)
    drawn = out.getvalue().split("\r")
    assert "\n" not in out.getvalue()
    assert all(len(line.removesuffix("\x1b[K")) < 50 for line in drawn)
    assert drawn[-1] == "\x1b[K"
