"""What somebody wants scheduled, and everything that is wrong with it, field by field."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cluster.models import Slot
from cluster.refusals import Invalid, Missing
from swaps import actions
from swaps.schedules.arithmetic import Rule
from swaps.schedules.checking import LONGEST_CRON, Problem, problems
from swaps.schedules.rows import SHORTEST_REFRESH_SECONDS, ScheduleKind
from swaps.warm_wish import WarmWish

LONGEST_TITLE = 200
DAY_SECONDS = 24 * 3600
LIMITS = {  # seconds
    "grace_seconds": (60, 7 * DAY_SECONDS),
    "give_up_after_seconds": (15, DAY_SECONDS),
    "refresh_seconds": (SHORTEST_REFRESH_SECONDS, 31 * DAY_SECONDS),
    "expected_seconds": (1, 7 * DAY_SECONDS),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Of either side. `slot` None means no slot in particular; `options` as the kind wants them."""

    kind: ScheduleKind
    title: str
    rule: Rule
    slot: Slot | None = None
    model: str = ""
    swaps_itself: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    expected_seconds: int | None = None
    enabled: bool = True
    grace_seconds: int = 300
    give_up_after_seconds: int | None = None
    refresh_seconds: int = DAY_SECONDS

    def columns(self) -> dict[str, Any]:
        rule = self.rule
        return {
            "kind": self.kind,
            "title": self.title,
            "slot": self.slot,
            "model": self.model,
            "swaps_itself": self.swaps_itself,
            "options": self.options,
            "expected_seconds": self.expected_seconds,
            "enabled": self.enabled,
            "grace_seconds": self.grace_seconds,
            "give_up_after_seconds": self.give_up_after_seconds,
            "refresh_seconds": self.refresh_seconds,
            "cron": " ".join(rule.cron.split())[:LONGEST_CRON],
            "interval_seconds": rule.interval_seconds,
            "anchor": rule.anchor if rule.interval_seconds else None,
            "times": [at.isoformat() for at in sorted(set(rule.times))],
            "timezone": rule.timezone,
        }

    def anchored(self, at: datetime) -> "Draft":
        """An interval counts from `at`, unless it says from when."""
        if self.rule.interval_seconds is None or self.rule.anchor is not None:
            return self
        return replace(self, rule=replace(self.rule, anchor=at))


def refuse_bad(draft: Draft, now: datetime) -> None:
    """Raises Invalid naming every field that is wrong."""
    found = [*_title(draft.title), *_seconds(draft), *_rule(draft, now)]
    if draft.kind == ScheduleKind.SWAP:
        found += _swap(draft)
    if draft.kind == ScheduleKind.WARM:
        found += [Problem(p["field"], p["message"]) for p in WarmWish(**draft.options).problems()]
    if found:
        errors = [{"field": p.field, "message": p.message} for p in found]
        raise Invalid("invalid", " ".join(f"{p.field}: {p.message}" for p in found), errors=errors)


def _rule(draft: Draft, now: datetime) -> list[Problem]:
    """Of an external schedule all times may be past: its owner sends the next ones when it knows them."""
    past_is_fine = draft.kind == ScheduleKind.EXTERNAL and bool(draft.rule.times)
    return problems(draft.rule, None if past_is_fine else now)


def _title(title: str) -> list[Problem]:
    if title.strip() and len(title) <= LONGEST_TITLE and title.isprintable():
        return []
    return [Problem("title", f"Say what it does, in at most {LONGEST_TITLE} printable characters.")]


def _seconds(draft: Draft) -> list[Problem]:
    found = []
    for name, (least, most) in LIMITS.items():
        value = getattr(draft, name)
        if value is not None and not least <= value <= most:
            found.append(Problem(name, f"Write {least} to {most} seconds."))
    return found


def _swap(draft: Draft) -> list[Problem]:
    if not draft.model:
        return [Problem("model", "Name the model to swap to: its key in the catalog.")]
    try:
        needed = actions.find_model(draft.model).nodes
    except Missing as unknown:
        return [Problem("model", unknown.detail)]
    have = len(draft.slot.sparks()) if draft.slot else 0
    if needed <= have:
        return []
    slot = draft.slot.name if draft.slot else "no slot"
    return [Problem("model", f"{draft.model} needs {needed} Sparks, {slot} has {have}; choose another model or slot.")]
