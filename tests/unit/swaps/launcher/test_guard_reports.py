"""The lines of a guard and of a look at the memory."""

import pytest

from swaps.launcher import guard_commands, guard_scripts
from swaps.launcher.guard_reports import GuardReport, IdleLook, read_available, read_guard, read_idle
from swaps.page_cache import sudoers_line

FIRED = "guard key=42.there state=fired available_kib=6000000 floor_kib=6291456 pid=77"


def test_it_reads_what_the_guard_saw() -> None:
    report = read_guard(FIRED)

    assert report == GuardReport("42.there", "fired", 6000000 * 1024, 6 * 2**30)
    assert report.stopped_it
    assert read_guard("guard key=42.there state=over") == GuardReport("42.there", "over")


@pytest.mark.parametrize("line", ["", "guard", "guard key= state=fired", "guard state=fired", "key=42.there state=x"])
def test_half_a_line_is_no_report(line: str) -> None:
    assert read_guard(line) is None


@pytest.mark.parametrize("state", ["watching", "gone", "over", "late", "fir"])
def test_only_a_guard_that_acted_has_stopped_a_load(state: str) -> None:
    report = read_guard(f"guard key=1.there state={state}")

    assert report is not None and not report.stopped_it


def test_it_reads_the_memory_available() -> None:
    assert read_available("available_kib=1024") == 2**20
    assert read_available("available_kib=") is None and read_available(FIRED) is None


def test_it_reads_what_is_left_on_an_idle_spark() -> None:
    memory = "MemTotal:       120000000 kB\nMemAvailable:   90000000 kB"

    assert read_idle(f"gpu known\n{memory}") == IdleLook(0, 90000000 * 1024, 120000000 * 1024)
    assert read_idle(f"gpu known\ngpu_process 12\n{memory}").gpu_processes == 1
    assert read_idle(memory).gpu_processes is None and read_idle("") == IdleLook()


@pytest.mark.parametrize("key", ["", "42", "42.there;true", "../1.there", "42.there\n"])
def test_a_key_that_is_none_never_reaches_a_spark(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        guard_commands.end_guard("main", key)


def test_sudo_is_asked_for_exactly_what_the_sudoers_line_allows() -> None:
    allowed = sudoers_line("nvidia").partition("NOPASSWD: ")[2]

    assert allowed == "/usr/bin/tee /proc/sys/vm/drop_caches"
    assert f"sudo -n {allowed} >" in guard_scripts.DROP_CACHES
