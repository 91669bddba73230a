"""Up, asked, and no token comes: /health stays green while the engine behind it stands still. Pure.

A long prefill looks almost the same: vLLM counts a prompt only when all of it is read, which takes a Spark minutes for
100,000 tokens, and the one request that runs makes no token meanwhile. But with chunked prefill its share of the KV
cache grows with every chunk, and in any case the GPU works. So the short limit holds only where the cache is told and
stands still and the GPU is idle; else the long one does.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from cluster.readings import VllmReading

LOOKS = 6
FROZEN_SECONDS = 60.0
FROZEN_SECONDS_BUSY = 300.0  # longer than one step of the largest prompt part on a Spark
LONGEST_GAP_SECONDS = 60.0  # between two looks; after more nobody knows what happened in between
IDLE_GPU_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class Still:
    """Since when the counters have not moved although requests wait, in seconds of the epoch."""

    since: float
    at: float  # of the newest look
    looks: int
    tokens: int
    prompt: int | None
    kv_cache_used: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> Self | None:
        return cls(**stored) if stored else None


def observe(before: Still | None, seen: VllmReading, now: float) -> Still | None:
    """After one more look; None while nothing is asked of the model, or it does not tell its tokens."""
    if seen.generation_tokens_total is None or not (seen.running or seen.waiting):
        return None
    fresh = Still(now, now, 1, seen.generation_tokens_total, seen.prompt_tokens_total, seen.kv_cache_used)
    if before is None or _moved(before, fresh) or not 0 <= now - before.at <= LONGEST_GAP_SECONDS:
        return fresh
    return replace(before, at=now, looks=before.looks + 1)


def is_wedged(still: Still | None, gpu_busy_percent: float | None) -> bool:
    """`gpu_busy_percent`: of the busiest node; None when one does not tell."""
    if still is None:
        return False
    idle = gpu_busy_percent is not None and gpu_busy_percent < IDLE_GPU_PERCENT
    limit = FROZEN_SECONDS if idle and still.kv_cache_used is not None else FROZEN_SECONDS_BUSY
    return still.looks >= LOOKS and still.at - still.since >= limit


def _moved(before: Still, after: Still) -> bool:
    """Also a token counter that fell: vLLM was started anew."""
    return (before.tokens, before.prompt, before.kv_cache_used) != (after.tokens, after.prompt, after.kv_cache_used)
