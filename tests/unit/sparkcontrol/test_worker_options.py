"""What a worker takes on its command line."""

import pytest

from sparkcontrol.worker import QUEUES, THREADS, parser


def test_it_takes_everything_unless_told_otherwise() -> None:
    asked = parser().parse_args([])
    assert (asked.queues, asked.threads) == (list(QUEUES), THREADS)


def test_it_takes_the_queues_it_is_told() -> None:
    asked = parser().parse_args(["--queues", "swaps, default", "--threads", "3"])
    assert (asked.queues, asked.threads) == (["swaps", "default"], 3)


@pytest.mark.parametrize("argv", [["--queues", "swap"], ["--queues", ","], ["--threads", "0"], ["--threads", "many"]])
def test_it_refuses_what_it_does_not_know(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(argv)
