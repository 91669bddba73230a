"""When a rule comes due. Pure: no clock, no database; every answer is in UTC.

Cron lines mean what they mean to Debian's cron, which is also what cronsim promises. A line whose minute and hour are
both fixed (do not begin with a star) names a time of day: on the night an hour is skipped it comes due once, at the
first moment after the gap, and on the night an hour comes twice it comes due in the first of the two. A line with a
star there names a rhythm: it comes due whenever the wall clock shows a matching time, so never in the gap and in both
of the doubled hours. cronsim walks the wall clock; which moment a wall time is, is decided here, because only here is
it exact when one asks from the middle of such a night.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

SHORTEST_INTERVAL_SECONDS = 60
LONGEST_INTERVAL_SECONDS = 366 * 24 * 3600
HORIZON = timedelta(days=9 * 366)  # 29 February comes within eight years, also over 2100

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Exactly one of `cron`, `interval_seconds` (from `anchor` on) and `times`; all moments are aware."""

    cron: str = ""
    interval_seconds: int | None = None
    anchor: datetime | None = None
    times: tuple[datetime, ...] = ()
    timezone: str = "UTC"


def next_fires(rule: Rule, after: datetime, count: int = 5) -> list[datetime]:
    """The next `count` moments later than `after`, oldest first; fewer when the rule ends or waits for over 9 years.

    The rule must be one that `checking.problems` finds nothing wrong with.
    """
    return list(islice(_fires(rule, after.astimezone(UTC)), count))


def fires_between(rule: Rule, start: datetime, end: datetime, limit: int = 10_000) -> list[datetime]:
    """The moments from `start` on and before `end`, oldest first, at most `limit`."""
    from_start = _fires(rule, start.astimezone(UTC) - timedelta(microseconds=1))
    return list(islice(takewhile(lambda at: at < end, from_start), limit))


def spelled_out(cron: str) -> str:
    """A macro such as @daily as the five fields it stands for; other lines as they are."""
    line = " ".join(cron.split())
    return MACROS.get(line.lower(), line)


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment a naive wall time means: the first of two, and the end of the gap for one that is skipped."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Skipped. Read with the offset from before the gap it lies behind it, with the one from after it, before it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _offset_change(zone, before, first)


def _fires(rule: Rule, after: datetime) -> Iterator[datetime]:
    if rule.times:
        return iter(sorted({at for at in (t.astimezone(UTC) for t in rule.times) if at > after}))
    if rule.interval_seconds:
        return _beats(rule, after)
    line, zone = spelled_out(rule.cron), ZoneInfo(rule.timezone)
    minute, hour = line.split()[:2]
    rhythm = minute.startswith("*") or hour.startswith("*")
    found = _rhythm(line, zone, after) if rhythm else _times_of_day(line, zone, after)
    return takewhile(lambda at: at <= after + HORIZON, found)


def _beats(rule: Rule, after: datetime) -> Iterator[datetime]:
    """Elapsed time, not wall time: an interval does not know of summer."""
    step = timedelta(seconds=rule.interval_seconds or 0)
    anchor = (rule.anchor or datetime(1970, 1, 1, tzinfo=UTC)).astimezone(UTC)
    at = anchor if after < anchor else anchor + ((after - anchor) // step + 1) * step
    while True:
        yield at
        at += step


def _times_of_day(line: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for wall in _walls(line, after.astimezone(zone).replace(tzinfo=None)):
        at = moment_of(wall, zone)
        if at > last:  # else one of the first of two hours, or another in the same gap
            yield at
            last = at


def _rhythm(line: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Stretch by stretch of constant offset, in which wall time and elapsed time agree."""
    here, offset = after, _offset(zone, after)
    later_than = _wall(after, offset)
    while here < after + HORIZON:
        changes_at = _next_change(zone, here)
        for wall in _walls(line, later_than):
            at = wall.replace(tzinfo=UTC) - offset
            if at >= changes_at:
                break
            yield at
        else:
            return
        here, offset = changes_at, _offset(zone, changes_at)
        later_than = _wall(here, offset) - SECOND  # the moment of the change itself counts


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _wall(at: datetime, offset: timedelta) -> datetime:
    return (at + offset).replace(tzinfo=None)


def _walls(line: str, after: datetime) -> Iterator[datetime]:
    """Matching naive wall times later than `after`; ends when fifty years have none."""
    return iter(CronSim(line, after))


def _next_change(zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment later than `after` with another offset; a year on when there is none."""
    here, offset = after, _offset(zone, after)
    for _ in range(366):
        if _offset(zone, here + DAY) != offset:
            return _offset_change(zone, here, here + DAY)
        here += DAY
    return here.replace(microsecond=0)


def _offset_change(zone: ZoneInfo, before: datetime, behind: datetime) -> datetime:
    """The first whole second in (before, behind] whose offset is not that of `before`."""
    offset = _offset(zone, before)
    low, high = int(before.timestamp()), int(behind.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
