"""The plan of a day as a picture: one line per schedule, lock and running swap. No clock and no rows of its own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from cluster.templatetags import show
from swaps.schedules.plan import Conflict, Entry, Kind, Source
from swaps.schedules.plan_rows import Plan

MOST_ROWS = 14
MOST_LISTED = 60
TIMES_SHOWN = 3
TICK_HOURS = 3
FIRST_TICK = 2.5  # percent; a word further left would hang over the names
NARROWEST = 0.35  # percent of the width; a swap of two minutes must still be seen
CLOSE = 0.3  # bars nearer to each other than this are drawn as one

_ICONS = {
    Kind.JOB: "terminal",
    Kind.SWAP: "swaps",
    Kind.STOP: "stop",
    Kind.WARM: "flame",
    Kind.HEALTH_SWEEP: "search",
    Kind.LOCK: "lock",
}
_WORDS = {
    Kind.JOB: "work",
    Kind.SWAP: "swap",
    Kind.STOP: "stop",
    Kind.WARM: "warm-up",
    Kind.HEALTH_SWEEP: "health sweep",
    Kind.LOCK: "lock",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """`x` and `width` in percent of the plan; `count` things that are too close to each other to be told apart."""

    x: float
    width: float
    count: int
    clash: bool
    words: str


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    word: str
    major: bool  # also shown where there is little room


@dataclass(frozen=True, slots=True)
class Row:
    first: Entry
    icon: str
    kind: str
    url: str
    bars: list[Bar]
    times: str
    clash: bool


@dataclass(frozen=True, slots=True)
class Clash:
    """One conflict, however often it comes again within the plan."""

    at: datetime
    sentence: str
    times: int


@dataclass(frozen=True, slots=True)
class Listed:
    entry: Entry
    icon: str
    kind: str
    url: str


@dataclass(frozen=True, slots=True)
class Chart:
    since: datetime
    until: datetime
    ticks: list[Tick]
    rows: list[Row]
    more_rows: int
    clashes: list[Clash]
    listed: list[Listed]
    more_listed: int
    truncated: list[str]


def draw(plan: Plan) -> Chart:
    groups: dict[tuple[str, str | None, str], list[Entry]] = {}
    for entry in plan.entries:
        groups.setdefault((entry.url, entry.slot, entry.title), []).append(entry)
    rows = [_row(entries, plan) for entries in groups.values()]
    listed = [Listed(entry, _ICONS[entry.kind], _WORDS[entry.kind], page_of(entry)) for entry in plan.entries]
    return Chart(
        since=plan.since,
        until=plan.until,
        ticks=list(_ticks(plan)),
        rows=rows[:MOST_ROWS],
        more_rows=max(0, len(rows) - MOST_ROWS),
        clashes=clashes(plan.entries),
        listed=listed[:MOST_LISTED],
        more_listed=max(0, len(listed) - MOST_LISTED),
        truncated=plan.truncated,
    )


def page_of(entry: Entry) -> str:
    """The plan knows the API's addresses; people go to the pages."""
    if entry.source is Source.LOCK:
        return reverse("lock", args=[entry.slot])
    if entry.source is Source.SWAP:
        return reverse("swap", args=[int(entry.url.rpartition("/")[2])])
    return f"{entry.url.removeprefix('/api')}/"


def clashes(entries: Iterable[Entry]) -> list[Clash]:
    """Two things that are in each other's way are one sentence, said of the earlier; repetitions are counted."""
    found: dict[tuple[str, frozenset[str]], Clash] = {}
    for entry in entries:
        for conflict in entry.conflicts:
            key = (conflict.code, frozenset({entry.title, conflict.other}))
            found[key] = _again(found.get(key), entry, conflict)
    return list(found.values())


def _again(known: Clash | None, entry: Entry, conflict: Conflict) -> Clash:
    if known is None:
        return Clash(entry.starts_at, conflict.sentence, 1)
    mirrored = conflict.code == "overlap" and not conflict.sentence.startswith(
        known.sentence.partition(" overlaps ")[0]
    )
    return known if mirrored else Clash(known.at, known.sentence, known.times + 1)


def _row(entries: Sequence[Entry], plan: Plan) -> Row:
    first = entries[0]
    return Row(
        first=first,
        icon=_ICONS[first.kind],
        kind=_WORDS[first.kind],
        url=page_of(first),
        bars=list(_bars(entries, plan)),
        times=_times(entries, plan),
        clash=any(entry.conflicts for entry in entries),
    )


def _times(entries: Sequence[Entry], plan: Plan) -> str:
    """What goes on says until when; what comes says when, the first few times."""
    going_on = entries[0]
    if going_on.starts_at <= plan.since:
        left = show.left_words((going_on.ends_at - plan.since).total_seconds())
        about = "about " if going_on.source is not Source.LOCK else ""
        return f"{about}{left} left"
    told = [show.clock(entry.starts_at) for entry in entries[:TIMES_SHOWN]]
    more = len(entries) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _bars(entries: Sequence[Entry], plan: Plan) -> Iterator[Bar]:
    pending: Bar | None = None
    for entry in entries:
        bar = _bar(entry, plan)
        if pending and pending.clash == bar.clash and bar.x - (pending.x + pending.width) < CLOSE:
            width = max(pending.x + pending.width, bar.x + bar.width) - pending.x
            pending = Bar(pending.x, round(width, 3), pending.count + 1, bar.clash, pending.words)
            continue
        if pending:
            yield pending
        pending = bar
    if pending:
        yield pending


def _bar(entry: Entry, plan: Plan) -> Bar:
    x = _share(max(entry.starts_at, plan.since), plan)
    width = min(100 - x, max(NARROWEST, _share(min(entry.ends_at, plan.until), plan) - x))
    words = f"{entry.title}, {show.clock(entry.starts_at)} to {show.clock(entry.ends_at)}"
    return Bar(x, round(width, 3), 1, bool(entry.conflicts), words)


def _share(at: datetime, plan: Plan) -> float:
    return round(100 * ((at - plan.since) / (plan.until - plan.since)), 3)


def _ticks(plan: Plan) -> Iterator[Tick]:
    """Every third hour of the wall clock. By moments, not by wall times: a night may have an hour more or less."""
    hour = timezone.localtime(plan.since).replace(minute=0, second=0, microsecond=0)
    at = hour + timedelta(hours=1)
    while at < plan.until:
        local = timezone.localtime(at)
        if local.hour % TICK_HOURS == 0 and _share(at, plan) > FIRST_TICK:
            word = f"{local:%a}" if local.hour == 0 else f"{local:%H:%M}"
            yield Tick(_share(at, plan), word, local.hour % (2 * TICK_HOURS) == 0)
        at += timedelta(hours=1)
