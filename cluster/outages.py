"""Something outside that went away: after a failure nobody asks it for a while, so that its absence costs little."""

import threading
import time

from django.db import InterfaceError, OperationalError

DATABASE_AWAY = (OperationalError, InterfaceError)  # it is busy, full, restarting or gone: not our mistake


class Outage:
    """Of one service, for all threads of this process. `seconds`: how long it is left alone after a failure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._known = False
        self._guard = threading.Lock()

    @property
    def lasts(self) -> bool:
        """It failed a moment ago: do without it."""
        return time.monotonic() < self._until

    def failed(self) -> bool:
        """Note a failure. True when it is the first of this outage, and so worth a line in the log."""
        with self._guard:
            self._until = time.monotonic() + self._seconds
            first, self._known = not self._known, True
        return first

    def ended(self) -> bool:
        """Note that it answered. True when it had been away."""
        with self._guard:
            was_away, self._known, self._until = self._known, False, 0.0
        return was_away
