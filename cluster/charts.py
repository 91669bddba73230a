"""Small line charts as SVG path data. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 240
HEIGHT = 40
BRIDGED_BUCKETS = 6  # 6 min of an hour, 1 min of ten: probes come slower than that only when a Spark is gone
_EDGE = 2  # keeps the stroke inside the picture


@dataclass(frozen=True, slots=True)
class Line:
    """`stroke` and `fill` are the d attributes of two paths in a WIDTH x HEIGHT picture; `words` says it in text."""

    stroke: str
    fill: str
    words: str


def draw(
    points: Sequence[tuple[float, float | None]], *, low: float | None, high: float | None, words: str
) -> Line | None:
    """A line through (x from 0 to 1, value) points; a None value breaks it. None when there is nothing to draw.

    `low` and `high` fix the scale; None takes it from the points.
    """
    values = [value for _, value in points if value is not None]
    if len(values) < 2:
        return None
    bottom = min(values) if low is None else low
    top = max(max(values) if high is None else high, bottom + 1e-9)
    runs = _runs(points, bottom, top)
    return Line(" ".join(_open(run) for run in runs), " ".join(_closed(run) for run in runs), words)


def _runs(points: Sequence[tuple[float, float | None]], bottom: float, top: float) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            runs.append([])
        else:
            share = min(1.0, max(0.0, (value - bottom) / (top - bottom)))
            runs[-1].append((round(x * WIDTH, 1), round(HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE), 1)))
    return [run for run in runs if len(run) > 1]


def _open(run: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in run)


def _closed(run: list[tuple[float, float]]) -> str:
    return f"{_open(run)}L{run[-1][0]:g} {HEIGHT}L{run[0][0]:g} {HEIGHT}Z"


def thin(points: Sequence[tuple[float, float | None]], buckets: int = 60) -> list[tuple[float, float | None]]:
    """At most one point per bucket: its mean. A longer silence is a gap; a short one is bridged."""
    found: dict[int, list[float]] = {}
    for x, value in points:
        if value is not None and 0 <= x <= 1:
            found.setdefault(min(buckets - 1, int(x * buckets)), []).append(value)
    thinned: list[tuple[float, float | None]] = []
    last = None
    for i in sorted(found):
        if last is not None and i - last > BRIDGED_BUCKETS:
            thinned.append(((last + 2) / buckets, None))
        thinned.append(((i + 1) / buckets, sum(found[i]) / len(found[i])))
        last = i
    return thinned
