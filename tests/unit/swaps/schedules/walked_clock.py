"""Cron without cleverness: a clock walked minute by minute, asked each time whether the line is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Line:
    """A cron line and, beside it, what it means."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @property
    def names_times_of_day(self) -> bool:
        return not self.text.startswith("*") and not self.text.split()[1].startswith("*")

    def matches(self, wall: datetime) -> bool:
        in_month, in_week = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        day = (in_month and in_week) if self.any_day or self.any_weekday else (in_month or in_week)
        return day and wall.minute in self.minutes and wall.hour in self.hours


def walked(line: Line, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """What a cron that never sleeps would run in [start, end): the day before is walked too, to know the clock."""
    found: list[datetime] = []
    at = start - timedelta(days=1)
    shown = at.astimezone(zone).replace(tzinfo=None) - MINUTE
    newest = shown  # the latest time the clock has shown
    while at < end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        passed_over = [shown + MINUTE * n for n in range(1, int((wall - shown) / MINUTE))]
        if line.names_times_of_day:
            due = any(line.matches(w) for w in passed_over) or (line.matches(wall) and wall > newest)
        else:
            due = line.matches(wall)
        if due and at >= start:
            found.append(at)
        shown, newest = wall, max(newest, wall)
        at += MINUTE
    return found
