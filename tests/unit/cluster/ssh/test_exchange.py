from cluster.ssh.base import OutputLine
from cluster.ssh.exchange import Lines


def _lines(*pieces: tuple[str, str], limit: int = 1000) -> list[str]:
    lines = Lines(limit)
    for stream, text in pieces:
        lines.add(OutputLine("stdout" if stream == "o" else "stderr", text))
    return [f"{line.stream[3]}:{line.text}" for line in lines.close()]


def test_pieces_become_lines_wherever_they_were_cut() -> None:
    assert _lines(("o", "a"), ("o", "b\nc"), ("o", "\n"), ("o", "\nd")) == ["o:ab", "o:c", "o:", "o:d"]


def test_a_line_stands_where_it_was_completed() -> None:
    assert _lines(("o", "ab"), ("e", "x\n"), ("o", "c\n"), ("e", "y")) == ["e:x", "o:abc", "e:y"]


def test_carriage_returns_are_left_to_the_reader() -> None:
    assert _lines(("o", "10%\r20%\r\n")) == ["o:10%\r20%\r"]


def test_more_than_the_limit_is_dropped_and_said_once() -> None:
    assert _lines(("o", "12345\n"), ("o", "67890"), ("o", "more\n"), limit=8) == [
        "o:12345",
        "o:67",
        "e:(Spark Control dropped the rest of this output: it is too long)",
    ]


def test_nothing_is_no_line() -> None:
    assert _lines() == [] and _lines(("o", "")) == []
