"""Two schedulers, each a process of its own on one real database, while the clock goes through the nights that summer
time begins and ends in two zones: each fire happens once."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.postgres import make_database, postgresql
from tests.simulated_sparks import REPOSITORY
from tests.unit.swaps.schedules.walked_clock import Line, walked

HOUR, STEP, BEHIND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=7)
ZONES = ["Europe/Berlin", "America/New_York"]
NIGHTS = {  # UTC; from before the change in each zone until after it
    "spring in Berlin": datetime(2026, 3, 28, 23, 30, tzinfo=UTC),
    "spring in New York": datetime(2026, 3, 8, 5, 30, tzinfo=UTC),
    "autumn in Berlin": datetime(2026, 10, 24, 23, 30, tzinfo=UTC),
    "autumn in New York": datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
}
LASTS = 3 * HOUR
ALL_DAYS, ALL_WEEKDAYS = frozenset(range(1, 32)), frozenset(range(7))


def line(text: str, minutes: range | set[int], hours: range | set[int]) -> Line:
    return Line(f"{text} * * *", frozenset(minutes), frozenset(hours), ALL_DAYS, ALL_WEEKDAYS, True, True)


LINES = [
    line("30 2", {30}, {2}),
    line("15,45 1-3", {15, 45}, range(1, 4)),
    line("*/20 *", range(0, 60, 20), range(24)),
    line("0 */2", {0}, range(0, 24, 2)),
]


class Scheduler:
    def __init__(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.integration.swaps.schedules.scheduler_process"]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._hear() == "ready"

    def tell(self, do: str, now: datetime, **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, "now": now.isoformat(), **more}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        return json.loads(self._hear())

    def ask(self, do: str, now: datetime, **more: Any) -> Any:
        self.tell(do, now, **more)
        return self.answer()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _hear(self) -> str:
        assert self.process.stdout is not None
        heard = self.process.stdout.readline()
        assert heard, "the scheduler ended"
        return heard.strip()


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """The environment of processes on a new, migrated database."""
    with tempfile.TemporaryDirectory(prefix="schedulers-") as folder:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "sparkcontrol.settings", "SPARKCONTROL_DATA_DIR": folder}
        env.pop("DATABASE_URL", None)
        if kind == "sqlite":
            yield _migrated(env)
            return
        with postgresql() as server:
            yield _migrated({**env, "DATABASE_URL": make_database(server, "schedulers")})


def _migrated(env: dict[str, str]) -> dict[str, str]:
    manage = [sys.executable, str(Path(REPOSITORY) / "manage.py"), "migrate", "-v", "0"]
    subprocess.run(manage, check=True, env=env, cwd=REPOSITORY)
    return env


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def env(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with database(request.param) as made:
        yield made


class Pair:
    """Both get every moment at the same time, the second on a clock that is a little behind."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.first, self.second = Scheduler(env), Scheduler(env)

    def tick(self, now: datetime) -> None:
        self.first.tell("tick", now)
        self.second.tell("tick", now - BEHIND)
        self.first.answer()
        self.second.answer()
        self.first.ask("finish", now)

    def lose_the_second(self, now: datetime) -> None:
        """Killed in the middle of whatever it does, and started again."""
        self.second.tell("tick", now)
        self.second.kill()
        self.second = Scheduler(self.env)

    def end(self) -> None:
        self.first.kill()
        self.second.kill()


@pytest.fixture(scope="module")
def processes(env: dict[str, str]) -> Iterator[Pair]:
    schedulers = Pair(env)
    yield schedulers
    schedulers.end()


@pytest.fixture
def pair(processes: Pair) -> Pair:
    processes.first.ask("forget", datetime.now(UTC))
    return processes


def moments(start: datetime) -> list[datetime]:
    """In the middle of each minute, when what came due with it is due for both."""
    return [start + STEP * n + STEP / 2 for n in range(int(LASTS / STEP))]


def schedule_everything(pair: Pair, start: datetime) -> dict[str, list[datetime]]:
    """Every line in both zones, and what a clock walked minute by minute says about each."""
    expected = {}
    for zone in ZONES:
        for number, rule in enumerate(LINES):
            title = f"{rule.text} {zone}"
            kind = "swap" if number % 2 else "health_sweep"
            pair.first.ask("make", start, title=title, kind=kind, cron=rule.text, timezone=zone)
            expected[title] = walked(rule, ZoneInfo(zone), start + STEP, start + LASTS)
    return expected


def fires(report: dict[str, Any]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for title, at, _, _ in report["runs"]:
        found.setdefault(title, []).append(datetime.fromisoformat(at))
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("env", ["postgresql"], indirect=True)  # the other one has the clock set back, below
@pytest.mark.parametrize("night", NIGHTS)
def test_each_fire_happens_once_through_the_night_the_clocks_change(pair: Pair, night: str) -> None:
    start = NIGHTS[night]
    expected = schedule_everything(pair, start)

    for now in moments(start):
        pair.tick(now)
    report = pair.first.ask("report", start)

    assert fires(report) == {title: due for title, due in expected.items() if due}
    assert sum(map(len, expected.values())) > 20
    assert not [run for run in report["runs"] if run[2] in ("refused", "skipped", "waiting")]
    swapped = [swap for title, _, _, swap in report["runs"] if swap is not None]
    assert (
        len(swapped)
        == len(set(swapped))
        == report["swaps"]
        == sum(len(due) for title, due in expected.items() if _swaps(title))
    )
    assert Counter(report["events"])["schedule.fired"] == len(report["runs"])


def _swaps(title: str) -> bool:
    return any(title.startswith(rule.text) for rule in LINES[1::2])


@pytest.mark.timeout(300)
def test_a_clock_set_back_and_a_scheduler_killed_double_nothing_and_lose_nothing(pair: Pair) -> None:
    start = NIGHTS["autumn in Berlin"]
    expected = schedule_everything(pair, start)
    once, back = moments(start), int(2 * HOUR / STEP)

    for i, now in enumerate([*once[:back], *once[back - 60 :]]):  # at two hours the clock is set back by one
        if i in (30, 100, 150):
            pair.lose_the_second(now)
        pair.tick(now)

    report = pair.first.ask("report", start)
    assert fires(report) == {title: due for title, due in expected.items() if due}
    assert Counter(report["events"])["schedule.fired"] == len(report["runs"])
