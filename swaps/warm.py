"""The one step of a warm-up: a small prompt to the vLLM that serves, over HTTP, and what it told about itself."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx

from cluster.vllm_probe import probe_vllm
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.states import Status
from swaps.vllm_stream import Asked, CannotAsk, PrefixCounters, ask, prefix_counters
from swaps.warm_wish import PREFIX, WarmWish

LOOK_SECONDS = 0.1

T = TypeVar("T")


def run(drive: Drive) -> None:
    """Warm what serves and end. Stops nothing and starts nothing, so it may be begun twice."""
    wish = WarmWish(**drive.swap.options)
    url = drive.site.slot.base_url
    model = _model(url)
    drive.progress(f"Asking {model} for its first token.", 0)
    try:
        result = asyncio.run(_heeding(drive.pulse, _warm(url, model, wish)))
    except CannotAsk as no:
        raise StepFailed(Cause("warm-failed", str(no), "See what serves, then ask again.")) from None
    drive.advance(
        Status.READY,
        detail=sentence(result),
        percent=100,
        progress=sentence(result),
        result=result,
        options={"kind": wish.kind},
    )


def _model(url: str) -> str:
    reading = probe_vllm(url, timeout=5.0, brief=True)
    if reading.health_ok and reading.model_ids:
        return reading.model_ids[0]
    why = reading.error or "it lists no model"
    raise StepFailed(Cause("nothing-serves", f"Nothing to warm: {why}", "Swap to a model first."))


async def _heeding(pulse: Callable[[], None], work: Coroutine[Any, Any, T]) -> T:
    """The work's result, unless the drive must end before: then the request is dropped, which vLLM notices."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            pulse()
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _warm(url: str, model: str, wish: WarmWish) -> dict[str, Any]:
    """A prefix is sent twice: the first time fills the cache, the second shows what came from it."""
    async with httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(None, connect=5.0), trust_env=False) as client:
        first = await ask(client, model, wish)
        result = {
            "kind": wish.kind,
            "model": model,
            "first_token_seconds": first.first_token_seconds,
            "prompt_tokens": first.prompt_tokens,
        }
        if wish.kind != PREFIX:
            return result
        before = await prefix_counters(client)
        again = await ask(client, model, wish)
        cached, source = _cached(again, before, await prefix_counters(client))
        return {
            **result,
            "again_seconds": again.first_token_seconds,
            "cached_tokens": cached,
            "cached_tokens_from": source,
        }


def _cached(again: Asked, before: PrefixCounters | None, after: PrefixCounters | None) -> tuple[int | None, str | None]:
    """vLLM tells it per request only when started so; its counters tell it for all requests of that moment."""
    if again.cached_tokens is not None:
        return again.cached_tokens, "usage"
    if before is None or after is None or after.hits < before.hits:
        return None, None
    return after.hits - before.hits, "metrics"


def sentence(result: dict[str, Any]) -> str:
    """What came of it, for people."""
    said = f"First token after {result['first_token_seconds']:.2f} s."
    if "again_seconds" not in result:
        return said
    said = f"{said} The second time {result['again_seconds']:.2f} s"
    if result["cached_tokens"] is None:
        return f"{said}; this vLLM does not tell what came from its cache."
    return f"{said}, with {result['cached_tokens']} of {result['prompt_tokens'] or 'its'} tokens from the cache."
