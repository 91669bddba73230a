"""Whether a Spark restarted between two looks."""

from datetime import UTC, datetime, timedelta

from cluster.contacts import reboot_between
from cluster.readings import HostReading

NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
SEEN = NOW - timedelta(minutes=3)


def test_another_boot_id_is_a_restart_and_its_uptime_says_when() -> None:
    reboot = reboot_between("old", SEEN, HostReading(boot_id="new", uptime_seconds=60.0), NOW)
    assert reboot and (reboot.last_seen_at, reboot.restarted_at) == (SEEN, NOW - timedelta(minutes=1))


def test_the_same_or_an_unknown_boot_id_is_none() -> None:
    assert reboot_between("same", SEEN, HostReading(boot_id="same", uptime_seconds=1.0), NOW) is None
    assert reboot_between(None, None, HostReading(boot_id="new"), NOW) is None
    assert reboot_between("old", SEEN, HostReading(), NOW) is None
