"""One streamed question to a vLLM, and how long its first token took. Sources: spark-facts 4 (vLLM's HTTP contract)."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from cluster import parsers
from swaps.warm_wish import WarmWish

NO_CHAT = (400, 404, 405, 422, 501)  # no chat template, no such route: the plain completion may still work
MOST_BYTES = 1024 * 1024


class CannotAsk(Exception):
    """A sentence of why there is no answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`cached_tokens` is None unless vLLM runs with --enable-prompt-tokens-details."""

    first_token_seconds: float
    prompt_tokens: int | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class PrefixCounters:
    """Tokens looked up in and found in the prefix cache since vLLM started."""

    queries: int
    hits: int


async def ask(client: httpx.AsyncClient, model: str, wish: WarmWish) -> Asked:
    """One token by chat, or by plain completion where the model has no chat template. Raises CannotAsk."""
    common = {
        "model": model,
        "max_tokens": 1,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    try:
        answer = await _stream(client, "/v1/chat/completions", {**common, "messages": wish.messages()})
        if isinstance(answer, Refused) and answer.status in NO_CHAT:
            plain = await _stream(client, "/v1/completions", {**common, "prompt": wish.text()})
            answer = plain if isinstance(plain, Asked) else answer
    except httpx.HTTPError as error:
        raise CannotAsk(f"vLLM broke off: {type(error).__name__}. It may be starting or ending.") from error
    if isinstance(answer, Refused):
        raise CannotAsk(f"vLLM answered {answer.status}: {answer.words}")
    return answer


async def prefix_counters(client: httpx.AsyncClient) -> PrefixCounters | None:
    """From /metrics, summed over engines; None when it does not count prefixes."""
    try:
        answer = await client.get("/metrics", timeout=5.0)
    except httpx.HTTPError:
        return None
    sums: dict[str, float] = {}
    for sample in parsers.prometheus(answer.text, "vllm:prefix_cache_"):
        name = sample.name.removeprefix("vllm:prefix_cache_").removesuffix("_total")
        sums[name] = sums.get(name, 0.0) + sample.value
    if answer.status_code != 200 or not {"queries", "hits"} <= set(sums):
        return None
    return PrefixCounters(int(sums["queries"]), int(sums["hits"]))


@dataclass(frozen=True, slots=True)
class Refused:
    status: int
    words: str


async def _stream(client: httpx.AsyncClient, path: str, payload: dict[str, Any]) -> Asked | Refused:
    started = time.monotonic()
    async with client.stream("POST", path, json=payload) as response:
        if response.status_code != 200:
            return Refused(response.status_code, _words((await response.aread())[:MOST_BYTES]))
        first: float | None = None
        usage: dict[str, Any] = {}
        async for chunk in _chunks(response):
            if "error" in chunk:
                return Refused(500, _words(json.dumps(chunk).encode()))
            if first is None and chunk.get("choices"):
                first = time.monotonic() - started
            usage = chunk.get("usage") or usage
    if first is None:
        raise CannotAsk("vLLM ended its answer without a token.")
    details = usage.get("prompt_tokens_details") or {}
    return Asked(round(first, 3), _count(usage.get("prompt_tokens")), _count(details.get("cached_tokens")))


async def _chunks(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The server-sent events of an OpenAI stream. vLLM sends the first one together with the first token."""
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        try:
            chunk = json.loads(data)
        except ValueError:
            raise CannotAsk("What answers there does not stream as vLLM does.") from None
        if isinstance(chunk, dict):
            yield chunk


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _words(body: bytes) -> str:
    """OpenAI's error, FastAPI's detail, or the beginning of whatever it is."""
    try:
        told = json.loads(body)
    except ValueError:
        return body[:200].decode("utf-8", "replace")
    error = told.get("error", told) if isinstance(told, dict) else told
    words = (error.get("message") or error.get("detail")) if isinstance(error, dict) else error
    return str(words or told)[:300]
