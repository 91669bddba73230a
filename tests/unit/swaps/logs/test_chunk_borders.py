"""A secret in a container's log is masked wherever the stream happens to be cut."""

import queue
from collections.abc import Iterator

import pytest

from cluster.ssh.base import OutputLine
from swaps.logs.following import NodeLine, _Reader
from swaps.logs.splitting import MAX_LINE_BYTES

STAMP = "2026-11-20T10:00:00.123456789Z "
CANARY = "Zq7Rk2Wm9Tx4Vb6N"
LINES = {
    "hugging face token": f"loading with hf_{CANARY} from the hub",
    "named value": f"non-default args: {{'api_key': '{CANARY}', 'port': 8888}}",
    "header": f"GET /v1/models Authorization: Bearer {CANARY}",
    "environment": f"+ docker run -e NVIDIA_API_KEY={CANARY} vllm",
    "address": f"pulling https://user:{CANARY}@registry.lan/vllm",
    "web token": f"session eyJ{CANARY}.{CANARY}.{CANARY} began",
}


def heard(*pieces: str) -> list[str]:
    lines: queue.Queue[NodeLine] = queue.Queue()
    reader = _Reader("spark-1", {}, lines, stamped=True)
    for piece in pieces:
        reader.feed(OutputLine("stdout", piece))
    reader.flush()
    return [line.text for line in emptied(lines)]


def emptied(lines: "queue.Queue[NodeLine]") -> Iterator[NodeLine]:
    while not lines.empty():
        yield lines.get()


def shown(lines: list[str]) -> str:
    """The longest beginning of the canary that can be read."""
    text = "\n".join(lines)
    return next((CANARY[:n] for n in range(len(CANARY), 2, -1) if CANARY[:n] in text), "")


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_secret_cut_in_two_reads_is_masked_at_every_position(line: str) -> None:
    whole = f"{STAMP}{line}\n"
    for at in range(len(whole) + 1):
        lines = heard(whole[:at], whole[at:])
        assert shown(lines) == "" and len(lines) == 1 and "***" in lines[0], at


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_stream_that_ends_anywhere_shows_no_beginning_of_it(line: str) -> None:
    whole = f"{STAMP}{line}\n"
    for at in range(len(STAMP), len(whole)):
        assert shown(heard(whole[:at])) == "", whole[:at]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_line_that_is_cut_because_it_is_too_long_shows_no_beginning_of_it(line: str) -> None:
    for room in range(2, len(line) + 40, 3):
        padding = "x" * (MAX_LINE_BYTES - len(STAMP) - room - 1) + " "
        assert shown(heard(f"{STAMP}{padding}{line}{'y' * 200}\n")) == "", room
