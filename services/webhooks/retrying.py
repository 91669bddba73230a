"""When a delivery that failed is tried again, and when we stop. Pure: times come in, times go out.

The steps suit a local network: an outage of an hour is over 18 minutes after it ended, at the latest.
"""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST_STEPS_SECONDS = (5, 30, 120, 300, 600)  # after the 1st, 2nd, ... failure in a row
LATER_STEPS = (
    (timedelta(hours=6), 900),  # until failing for so long: every so many seconds
    (timedelta(hours=24), 3600),
    (timedelta.max, 4 * 3600),
)
JITTER = 0.2  # of the step, both ways, so that many endpoints behind one server do not come at once
LONGEST_RETRY_AFTER_SECONDS = 4 * 3600

GIVE_UP_AFTER = timedelta(hours=72)  # one delivery
DISABLE_AFTER = timedelta(hours=120)  # an endpoint that answered nothing with 2xx for so long
GONE = 410  # the receiver says: never again

# The receiver understood and refuses this one message; the ones behind it need not wait for ever.
REFUSED = frozenset({400, 413, 415, 422})
REFUSALS_UNTIL_NEXT = 5


def wait_seconds(failures: int, failing_for: timedelta, *, random: float, retry_after: float | None = None) -> float:
    """Seconds until the next try, after `failures` in a row (1 or more). `random` is in [0, 1).

    A Retry-After longer than the step is honoured, up to four hours.
    """
    if failures <= len(FIRST_STEPS_SECONDS):
        step = float(FIRST_STEPS_SECONDS[failures - 1])
    else:
        step = float(next(seconds for until, seconds in LATER_STEPS if failing_for < until))
    jittered = step * (1 - JITTER + 2 * JITTER * random)
    return max(jittered, min(retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS))


def retry_after_seconds(header: str, now: datetime) -> float | None:
    """What a Retry-After header asks for: seconds or a date; None when it says neither."""
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds()) if at.tzinfo else None
