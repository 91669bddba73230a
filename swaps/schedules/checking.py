"""What is wrong with a rule, in words that name the field and the remedy. Pure."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from swaps.schedules.arithmetic import (
    LONGEST_INTERVAL_SECONDS,
    MACROS,
    SHORTEST_INTERVAL_SECONDS,
    Rule,
    moment_of,
    next_fires,
    spelled_out,
)

LONGEST_CRON = 200
MOST_TIMES = 100
FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
TAKES = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, or L for the last day",
    "month": "1 to 12, or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday), or SUN to SAT",
}
EXAMPLE = "such as 30 2 * * * for half past two every night"
_NOON = datetime(2026, 1, 1, 12)  # any moment will do to read a line
_KINDS = ("cron", "interval_seconds", "times")


@dataclass(frozen=True, slots=True)
class Problem:
    """`field` is a field of Rule; blank when it concerns several."""

    field: str
    message: str


def problems(rule: Rule, now: datetime | None = None) -> list[Problem]:
    """Everything that is wrong with a rule. With `now`, also that it will never come due again."""
    found = [*_which(rule), *_zone(rule.timezone), *_cron(rule.cron), *_interval(rule), *_times(rule)]
    if found or now is None or next_fires(rule, now, 1):
        return found
    if rule.times:
        return [Problem("times", "All of these times are past; give at least one that is still to come.")]
    return [Problem("cron", f"{rule.cron!r} does not come due within nine years; check day and month.")]


def _which(rule: Rule) -> Iterator[Problem]:
    given = [name for name in _KINDS if getattr(rule, name)]
    if rule.interval_seconds == 0:
        given.append("interval_seconds")
    if not given:
        yield Problem("cron", f"Say when: a cron line ({EXAMPLE}), interval_seconds, or times.")
    elif len(given) > 1:
        yield Problem(given[1], f"Give only one of {' and '.join(given)}.")


def _zone(name: str) -> Iterator[Problem]:
    if known_zone(name):
        return
    close = close_zones(name)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Write one such as Europe/Berlin, or UTC."
    yield Problem("timezone", f"There is no timezone {name[:60]!r}. {hint}")


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names people use; the system's own spares (posix/..., right/...) are not among them."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"} | {"UTC"}


def known_zone(name: str) -> bool:
    return name in zones()


def close_zones(name: str) -> list[str]:
    """At most three names like this one; a bare city is enough."""
    wanted = name.strip().replace(" ", "_").lower()
    by_spelling: dict[str, str] = {}
    for zone in sorted(zones(), reverse=True):
        by_spelling[zone.lower()] = zone
        by_spelling[zone.rpartition("/")[2].lower()] = zone
    if wanted in by_spelling:
        return [by_spelling[wanted]]
    found = difflib.get_close_matches(wanted[:60], list(by_spelling), n=6, cutoff=0.75)
    return list(dict.fromkeys(by_spelling[spelling] for spelling in found))[:3]


def _cron(cron: str) -> Iterator[Problem]:
    if not cron:
        return
    if len(cron) > LONGEST_CRON:
        yield Problem("cron", f"This line has {len(cron)} characters; write at most {LONGEST_CRON}.")
        return
    line = spelled_out(cron)
    if line.startswith("@"):
        yield Problem("cron", f"{line!r} is not known here; write {', '.join(MACROS)}, or five fields, {EXAMPLE}.")
        return
    words = line.split()
    if len(words) != len(FIELDS):
        yield Problem("cron", _wrong_count(len(words)))
        return
    try:
        CronSim(line, _NOON)
    except CronSimError as error:
        yield Problem("cron", _unreadable(words, str(error)))


def _wrong_count(count: int) -> str:
    seconds = " Seconds are not scheduled here." if count == 6 else ""
    have = "1 field" if count == 1 else f"{count} fields"
    return f"A cron line has five fields ({', '.join(FIELDS)}), this one has {have}.{seconds} Write one {EXAMPLE}."


def _unreadable(words: list[str], error: str) -> str:
    """cronsim says "Bad minute"; a day that reads well by itself is a date that does not exist."""
    name = next((field for field in FIELDS if error.endswith(field)), "")
    if not name:
        return f"This cron line cannot be read; write one {EXAMPLE}."
    word = words[FIELDS.index(name)]
    if name == "day-of-month" and _readable(f"0 0 {word} * *"):
        return f"No month {words[3]} has a day {word}, so this would never come due; choose another day or month."
    return f"The {name} {word!r} cannot be read: it takes {TAKES[name]}, as *, lists (1,2), ranges (1-5), steps (*/2)."


def _readable(line: str) -> bool:
    try:
        CronSim(line, _NOON)
    except CronSimError:
        return False
    return True


def _interval(rule: Rule) -> Iterator[Problem]:
    seconds = rule.interval_seconds
    if seconds is None or SHORTEST_INTERVAL_SECONDS <= seconds <= LONGEST_INTERVAL_SECONDS:
        return
    limits = f"at least {SHORTEST_INTERVAL_SECONDS} and at most {LONGEST_INTERVAL_SECONDS} (a leap year)"
    yield Problem("interval_seconds", f"{seconds} seconds is not possible; write {limits}.")


def _times(rule: Rule) -> Iterator[Problem]:
    if len(rule.times) > MOST_TIMES:
        yield Problem("times", f"These are {len(rule.times)} times; give at most {MOST_TIMES}.")
    if any(at.tzinfo is None for at in rule.times):
        yield Problem("times", "A time has no offset; write it such as 2026-11-30T02:00:00+01:00.")


ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def read_time(text: str) -> datetime | None:
    """An ISO-8601 time, aware or naive; None when it is none, or so far away that sums with it would fail."""
    if not ISO_TIME.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if 1970 <= at.year <= 2200 else None


def in_zone(at: datetime, timezone: str) -> datetime:
    """A wall time gets the offset its timezone has then; what has an offset keeps its moment. UTC."""
    return at.astimezone(UTC) if at.tzinfo else moment_of(at, ZoneInfo(timezone))
