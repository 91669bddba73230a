"""A load that talks a lot: so many lines each second, numbered and timed, for whoever measures what becomes of them."""

from __future__ import annotations

import os
import time

from cluster.simulator.standins import spark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Chatter:
    """Says how many lines are due since it was made; none unless somebody asked for them."""

    def __init__(self) -> None:
        self._per_second = lines_per_second()
        self._began = time.monotonic()
        self._said = 0

    def due(self) -> Iterator[str]:
        while self._said < int((time.monotonic() - self._began) * self._per_second):
            self._said += 1
            yield f"Materialized parameter block {self._said} at {time.time():.4f}"


def lines_per_second() -> float:
    """The file load_lines_per_second of the Spark, else SPARKSIM_LOAD_LINES_PER_SECOND, else none."""
    try:
        with open(spark.path("load_lines_per_second"), encoding="ascii") as file:
            return float(file.read())
    except (OSError, ValueError):
        return float(os.environ.get("SPARKSIM_LOAD_LINES_PER_SECOND") or 0)
