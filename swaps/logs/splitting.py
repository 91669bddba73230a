"""From raw `docker logs` text to clean lines. Pure: no I/O, no clock."""

import re

MAX_LINE_BYTES = 8192
ELLIPSIS = "…"
_BREAKS = re.compile(r"[\r\n]+")

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: window titles, hyperlinks
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]"  # every other escape
)
# C0, DEL and C1; bidirectional marks, embeddings and isolates (they can make a line read
# backwards); zero-width space, line and paragraph separators, byte order mark.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))(?: (.*))?$", re.DOTALL)


class LineSplitter:
    """Cuts a stream of text chunks into lines at LF, CR and CRLF, wherever the chunks end.

    tqdm's loading bars end in LF, its CUDA-graph bars in CR (spark-facts 1.6), so both break.
    Empty lines are dropped, which makes a CRLF one break even when a chunk ends between the two.
    """

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, chunk: str) -> list[str]:
        """Lines completed by this chunk, without their line ends."""
        *whole, rest = _BREAKS.split(self._rest + chunk)
        # One character more than fits is enough to know that the line is too long.
        self._rest = rest[: MAX_LINE_BYTES + 1]
        return [_capped(line) for line in whole if line.strip()]

    def flush(self) -> list[str]:
        """The unfinished last line, if any; call it when the stream has ended."""
        line, self._rest = self._rest, ""
        return [_capped(line)] if line.strip() else []


def clean_line(text: str) -> str:
    """The line as it is safe to store and show: no escape sequences, control or bidi characters.

    Tabs become spaces, lone surrogates (half of a broken character) become U+FFFD.
    """
    plain = _CONTROLS.sub("", _ESCAPES.sub("", text).replace("\t", " "))
    return _SURROGATES.sub("\ufffd", plain).rstrip()


def split_timestamp(line: str) -> tuple[str | None, str]:
    """(RFC3339Nano timestamp that `docker logs -t` puts in front or None, rest of the line)."""
    match = _TIMESTAMP.match(line)
    if match is None:
        return None, line
    return match.group(1), match.group(2) or ""


def _capped(line: str) -> str:
    data = line.encode("utf-8", "surrogatepass")
    if len(data) <= MAX_LINE_BYTES:
        return line
    room = MAX_LINE_BYTES - len(ELLIPSIS.encode())
    return data[:room].decode("utf-8", "ignore") + ELLIPSIS
