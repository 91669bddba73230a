"""How templates show values: bytes, durations, moments, icons, people. Loaded as a builtin."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cluster import people
from cluster.api.permissions import scopes_of_person

register = template.Library()

_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@register.simple_tag
def icon(name: str, extra_class: str = "") -> SafeString:
    """A symbol of static/icons.svg. Always beside a word, so it is hidden from screen readers."""
    classes = f"icon {extra_class}".strip()
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, static("icons.svg"), name
    )


@register.filter(name="bytes")
def bytes_(value: float | None) -> str:
    """1536 -> "1.5 KiB"; unknown -> a dash."""
    if value is None:
        return "–"
    size = float(value)
    for unit in _BINARY_UNITS[:-1]:
        if abs(size) < 1024:
            return _amount(size, unit)
        size /= 1024
    return _amount(size, _BINARY_UNITS[-1])


def _amount(size: float, unit: str) -> str:
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


@register.filter
def seconds(value: float | None) -> str:
    """A duration as people say it: 0.4 s, 12 s, 2 min 5 s, 1 h 3 min."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s" if value % 1 >= 0.05 else f"{value:.0f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def ago(moment: datetime | None, empty: str = "never") -> str | SafeString:
    """A <time> with the relative time as text and the absolute one on hover; the page's script keeps it fresh."""
    if moment is None:
        return empty
    words = ago_words((timezone.now() - moment).total_seconds())
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', moment.isoformat(), absolute(moment), words)


@register.filter
def lasting(moment: datetime) -> SafeString:
    """A <time> that says how long it has been so: "for 3 h"."""
    words = span_words((timezone.now() - moment).total_seconds())
    return format_html(
        '<time datetime="{}" title="since {}" data-lasting>{}</time>', moment.isoformat(), absolute(moment), words
    )


@register.filter
def left(moment: datetime) -> SafeString:
    """A <time> that counts down: "8 min", "1 h 20 min"."""
    words = left_words((moment - timezone.now()).total_seconds())
    return format_html(
        '<time datetime="{}" title="until {}" data-left>{}</time>', moment.isoformat(), absolute(moment), words
    )


@register.filter
def clock(moment: datetime | None) -> str:
    """The time of day, with the day when it is not today: 14:32, Mon 14:32, 3 Dec 14:32."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    days = (local.date() - timezone.localdate()).days
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if 0 < days < 7 else f"{local.day} {local:%b %H:%M}"


def ago_words(age_seconds: float) -> str:
    """The same words as static/js/page.js makes."""
    return "just now" if age_seconds < 9.5 else f"{span_words(age_seconds)} ago"


def span_words(age_seconds: float) -> str:
    age = max(0, round(age_seconds))
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if age < limit:
            return f"{age // size} {unit}"
    return f"{age // 86400} d"


def left_words(seconds_left: float) -> str:
    """In two units, because of "1 h" nearly two may be left. The same words as static/js/page.js makes."""
    left = max(0, round(seconds_left))
    for size, unit, finer, fine_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if left >= size:
            rest = left % size // finer
            return f"{left // size} {unit} {rest} {fine_unit}" if rest else f"{left // size} {unit}"
    return span_words(left)


@register.filter
def absolute(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%d %b %Y, %H:%M:%S %Z")


@register.filter
def person(actor: str) -> str:
    return people.named(actor)


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def names(things: Iterable[Any]) -> str:
    """ "spark-1 and spark-2"."""
    told = [str(thing.name) for thing in things]
    return " and ".join(told) if len(told) < 3 else f"{', '.join(told[:-1])} and {told[-1]}"


_TONES = {"success": "good", "error": "bad", "warning": "warn", "info": "info", "debug": "mute"}
_TONE_ICONS = {"good": "check", "bad": "alert", "warn": "alert", "info": "clock", "mute": "dot"}
_CHECK_TONES = {"ok": "good", "warning": "warn", "blocks": "bad"}
_PHASE_ICONS = {"done": "check", "current": "spinner", "upcoming": "circle", "failed": "cross"}


@register.filter
def tone(level: str) -> str:
    """The tone of a message's level."""
    return _TONES.get(level, "mute")


@register.filter
def tone_icon(tone_or_level: str) -> str:
    return _TONE_ICONS.get(_TONES.get(tone_or_level, tone_or_level), "dot")


@register.filter
def check_tone(state: str) -> str:
    return _CHECK_TONES.get(state, "mute")


@register.filter
def phase_icon(state: str) -> str:
    return _PHASE_ICONS.get(state, "circle")


@register.filter
def phase_class(state: str) -> str:
    return "spin" if state == "current" else ""


class Tab(NamedTuple):
    """`wide`: only where there is room; on a phone the settings lead to it."""

    word: str
    icon: str
    url: str
    here: bool
    wide: bool


_TABS = (  # word, icon, page, the scope it takes
    ("Overview", "overview", "home", "read"),
    ("Models", "models", "model-list", "read"),
    ("Swaps", "swaps", "swap-list", "read"),
    ("Schedules", "calendar", "schedule-list", "read"),
    ("Sparks", "sparks", "spark-list", "read"),
    ("Webhooks", "webhook", "webhook-list", "config"),
    ("API keys", "key", "key-list", "admin"),
    ("Settings", "settings", "settings", "config"),
)
_WIDE = ("webhook-list", "key-list")


@register.simple_tag(takes_context=True)
def tabs(context: dict[str, Any]) -> list[Tab]:
    """The pages of the side bar that are open to this person, and which one this is."""
    request = context["request"]
    scopes = scopes_of_person(request.user)
    urls = [
        (word, icon_name, reverse(page), page in _WIDE) for word, icon_name, page, scope in _TABS if scope in scopes
    ]
    return [
        Tab(word, icon_name, url, request.path == url if url == "/" else request.path.startswith(url), wide)
        for word, icon_name, url, wide in urls
    ]
