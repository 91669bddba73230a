"""How long a load will still take, from past loads and the progress bar. Pure arithmetic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from swaps.logs.progress import STAGE_STARTS, STAGES

NEWEST_LOADS = 7  # older loads may be of another image, another disk, an empty compile cache
_TRUSTED_PERCENT = 10  # below this the bar says more about start-up than about the load
_SLOW_FACTOR = 1.3
_LONGEST_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class PastLoad:
    """A load that reached ready: seconds in all, and per Stage value when they were measured."""

    seconds: float
    stage_seconds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Remaining:
    """Whole seconds still to wait, what the number rests on, and whether it runs late."""

    seconds: int
    basis: str
    slower_than_usual: bool


def estimate(
    past: Sequence[PastLoad], elapsed_seconds: float, percent: int | None, expected_seconds: float | None
) -> Remaining | None:
    """Time left of a load, or None when nothing is known.

    `past` holds loads of the same model on the same number of Sparks, newest first. `percent` is
    LoadState.percent, `expected_seconds` the catalog's figure. The further the bar, the more it
    counts against the past. Never negative.
    """
    elapsed = max(0.0, elapsed_seconds) if math.isfinite(elapsed_seconds) else 0.0
    loads = [load for load in past if math.isfinite(load.seconds) and load.seconds > 0][:NEWEST_LOADS]
    usual, basis = _usual(loads, expected_seconds)
    done = _share_done(percent, loads)
    by_progress = elapsed / done if done is not None and elapsed > 0 else None
    if usual is None and by_progress is None:
        return None
    total = _blend(usual, by_progress, done or 0.0)
    slow = usual is not None and max(elapsed, total) > _SLOW_FACTOR * usual
    left = 0.0 if percent is not None and percent >= 100 else min(_LONGEST_SECONDS, max(0.0, total - elapsed))
    return Remaining(seconds=math.ceil(left), basis=basis, slower_than_usual=slow)


def _usual(loads: Sequence[PastLoad], expected_seconds: float | None) -> tuple[float | None, str]:
    if loads:
        count = f"{len(loads)} loads" if len(loads) > 1 else "1 load"
        return median(load.seconds for load in loads), f"from {count}"
    if expected_seconds is not None and math.isfinite(expected_seconds) and expected_seconds > 0:
        return expected_seconds, "from the catalog's expected load time"
    return None, "from the progress so far"


def _blend(usual: float | None, by_progress: float | None, done: float) -> float:
    if usual is None or by_progress is None:
        return usual or by_progress or 0.0
    return (1 - done) * usual + done * by_progress


def _share_done(percent: int | None, loads: Sequence[PastLoad]) -> float | None:
    """Share of the whole time that has passed at this percent, by what stages took before."""
    if percent is None or percent < _TRUSTED_PERCENT:
        return None
    shares = [
        share
        for load in loads
        if load.stage_seconds and (share := _measured_share(min(percent, 100), load.stage_seconds))
    ]
    return median(shares) if shares else min(percent, 100) / 100


def _measured_share(percent: int, stage_seconds: Mapping[str, float]) -> float | None:
    """The percent bar translated to time: a model may compile for longer than it loads."""
    spent = {stage: max(0.0, stage_seconds.get(stage.value, 0.0)) for stage in STAGES}
    whole = sum(spent.values())
    if not math.isfinite(whole) or whole <= 0:
        return None
    passed = 0.0
    ends = [*(STAGE_STARTS[stage] for stage in STAGES[1:]), 101]
    for stage, end in zip(STAGES, ends, strict=True):
        begin = STAGE_STARTS[stage]
        passed += spent[stage] * min(1.0, max(0.0, (percent - begin) / (end - begin)))
    return min(1.0, passed / whole) or None
