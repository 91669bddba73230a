from __future__ import annotations

import pytest

from cluster.simulator.docker.logs import moment, rfc3339
from cluster.simulator.docker.options import EXEC_SWITCHES, RUN_SWITCHES, UsageError, environment, parse
from cluster.simulator.docker.paths import ContainerPaths
from cluster.simulator.docker.tables import span, table
from cluster.simulator.standins.inner_paths import shown

SECOND = 1_000_000_000
UNTOUCHED = "cat /home/me/tmp/root ~/tmp $X/tmp ./tmp /tmpfile /rooted"


def test_options_end_where_the_image_begins() -> None:
    options = parse(["-itd", "--rm", "--name=n", "-eA=1", "-e", "B", "-v", "/a:/b", "img", "-c", "--rm"], RUN_SWITCHES)
    assert options.words == ["img", "-c", "--rm"]
    assert options.switches == {"interactive", "tty", "detach", "rm"}
    assert options.last("name") == "n" and options.every("volume") == ["/a:/b"]
    assert environment(options, {"B": "2", "C": "3"}) == {"A": "1", "B": "2"}


def test_an_unknown_option_takes_a_value() -> None:
    options = parse(["--cpuset-cpus", "0-3", "--entrypoint=", "img"], RUN_SWITCHES)
    assert options.words == ["img"] and options.values == {"cpuset-cpus": ["0-3"], "entrypoint": [""]}


def test_an_option_without_its_value_is_refused() -> None:
    with pytest.raises(UsageError, match="flag needs an argument: --env"):
        parse(["--env"], EXEC_SWITCHES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0), ("100", 100 * SECOND), ("1.5", SECOND * 3 // 2), ("10s", 90 * SECOND), ("1m30s", 10 * SECOND),
        ("1970-01-01T00:00:02.000000003Z", 2 * SECOND + 3), ("1970-01-01T01:00:02+01:00", 2 * SECOND),
        ("1970-01-01", 0),
    ],
)  # fmt: skip
def test_since_is_read_in_every_form(text: str, expected: int) -> None:
    assert moment(text, 100 * SECOND) == expected


def test_since_survives_a_round_trip() -> None:
    assert moment(rfc3339(1_700_000_000_123_456_789), 0) == 1_700_000_000_123_456_789


def test_since_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        moment("yesterday", 0)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("vllm serve m >> /proc/1/fd/1 2>&1", "vllm serve m >> /b/stdout 2>&1"),
        ("cd /workspace/mods && ls /root", "cd /b/rootfs/workspace/mods && ls /b/rootfs/root"),
        ("touch '/tmp/x y'", "touch '/b/rootfs/tmp/x y'"),
        ("--dir=/tmp", "--dir=/b/rootfs/tmp"),
        (UNTOUCHED, UNTOUCHED),
        ("http://host/tmp", "http://host/tmp"),
        ("for p in /proc/[0-9]*/cmdline", "for p in /b/proc/[0-9]*/cmdline"),
        ("/tmp/sparksim-abc/spark-1", "/tmp/sparksim-abc/spark-1"),
    ],
)  # fmt: skip
def test_a_containers_own_places_are_rewritten_and_turned_back(text: str, rewritten: str) -> None:
    paths = ContainerPaths("/b")
    assert paths.rewrite(text) == rewritten
    assert shown("/b", rewritten) == text


def test_spans_and_tables_read_like_dockers() -> None:
    assert [span(n * SECOND) for n in (0, 1, 59, 61, 130, 3601, 7200, 200000)] == [
        "Less than a second",
        "1 second", "59 seconds", "About a minute", "2 minutes", "60 minutes", "2 hours", "2 days",
    ]  # fmt: skip
    assert table([["A", "LONG"], ["longer", "x"]]) == "A        LONG\nlonger   x\n"
