"""Restart delays and log rotation of supervised children."""

from pathlib import Path

import pytest

from sparkcontrol.children import LOG_LIMIT_BYTES, SLOWEST_RESTART_SECONDS, Child, Program, rotate


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(Program("web", ["true"], tmp_path / "web.log"), {}, tmp_path)


def delays(child: Child, lived_seconds: list[float]) -> list[float]:
    """The delay after each of several short or long lives."""
    now, waited = 100.0, []
    for lived in lived_seconds:
        child.started_at = now
        now += lived
        child.plan_restart(now)
        waited.append(child.delay_seconds)
    return waited


def test_it_waits_longer_each_time_a_child_dies_young(child: Child) -> None:
    assert delays(child, [1.0] * 5) == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_it_never_waits_longer_than_half_a_minute(child: Child) -> None:
    assert delays(child, [1.0] * 20)[-1] == SLOWEST_RESTART_SECONDS


def test_it_forgives_a_child_that_lived_well(child: Child) -> None:
    assert delays(child, [1.0, 1.0, 1.0, 60.0])[-1] == 0.2


def test_it_leaves_a_short_log_alone(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("short\n")
    rotate(log)
    assert (log.read_text(), list(tmp_path.iterdir())) == ("short\n", [log])


def test_it_keeps_the_end_of_a_long_log_and_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("a") as running_child:
        running_child.write("x" * LOG_LIMIT_BYTES + "the end\n")
        running_child.flush()
        rotate(log)
        running_child.write("afterwards\n")
    assert log.read_text() == "afterwards\n"
    old = tmp_path / "web.log.1"
    assert old.read_text().endswith("the end\n")
    assert old.stat().st_mode & 0o777 == 0o600


def test_it_does_not_mind_a_log_that_is_not_there(tmp_path: Path) -> None:
    rotate(tmp_path / "never.log")


def test_it_quotes_the_last_line_a_child_wrote(child: Child) -> None:
    child.program.log.write_text("Traceback\nOSError: no space left\n\n")
    assert child.last_words() == "OSError: no space left"
