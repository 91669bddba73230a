"""What the vLLM stand-in answers to each request."""

from __future__ import annotations

import asyncio
import json
import os
import time

from cluster.simulator.standins.vllm_metrics import Counters, metrics_text
from cluster.simulator.standins.vllm_prefixes import Prefixes, tokens_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from cluster.simulator.standins.vllm_flags import Flags
    from cluster.simulator.standins.vllm_launch import Launch

    Answer = tuple[int, str, bytes | AsyncIterator[bytes]]

JSON, SSE, TEXT = "application/json", "text/event-stream; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"
NEED_THE_ENGINE = frozenset({"/health", "/ping", "/v1/chat/completions", "/v1/completions"})
TOKEN_SECONDS = 0.01
WEDGED_LOOK_SECONDS = 0.2
SENTENCE = "This answer comes from a simulated DGX Spark that serves {model} and has no weights to think with."


class Answers:
    """Routes, and the counters that /metrics shows."""

    def __init__(self, flags: Flags, launch: Launch) -> None:
        self._names = flags.names()
        self._keys = flags.given.get("api-key") or [k for k in [os.environ.get("VLLM_API_KEY", "")] if k]
        self._launch = launch
        self._counters = Counters()
        self._prefixes = Prefixes(not flags.has("no-enable-prefix-caching"))
        self._details = flags.has("enable-prompt-tokens-details")
        self._serial = 0

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.startswith("/v1") and self._keys and not self._authorized(headers):
            return 401, JSON, _json({"error": "Unauthorized"})
        if self._launch.dead and path in NEED_THE_ENGINE:
            return 503, JSON, _json({"error": {"message": "EngineCore encountered an issue.", "code": 503}})
        if path in {"/health", "/ping"}:
            return 200, "", b""
        if path == "/version":
            return 200, JSON, _json({"version": self._launch.words.version})
        if path == "/load":
            return 200, JSON, _json({"server_load": 0})
        if path == "/metrics":
            running = max(self._counters.running, int(self._wedged))
            return 200, TEXT, metrics_text(self._names[0], self._counters, self._launch.model, running).encode()
        if path == "/v1/models":
            return 200, JSON, _json({"object": "list", "data": [self._model(name) for name in self._names]})
        if path in {"/v1/chat/completions", "/v1/completions"}:
            return await self._complete(method, path.endswith("chat/completions"), body)
        return 404, JSON, _json({"detail": "Not Found"})

    def _authorized(self, headers: dict[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and token in self._keys

    def _model(self, name: str) -> dict[str, Any]:
        now = int(time.time())
        permission = {"id": f"modelperm-{now}", "object": "model_permission", "created": now, "allow_sampling": True,
                      "allow_view": True, "organization": "*", "is_blocking": False}  # fmt: skip
        return {"id": name, "object": "model", "created": now, "owned_by": "vllm", "root": self._launch.model.name,
                "parent": None, "max_model_len": self._launch.model.context, "permission": [permission]}  # fmt: skip

    async def _complete(self, method: str, chat: bool, body: bytes) -> Answer:
        if method != "POST":
            return 405, JSON, _json({"detail": "Method Not Allowed"})
        try:
            request = json.loads(body)
            limit = int(request.get("max_tokens") or request.get("max_completion_tokens") or (200 if chat else 16))
        except (ValueError, TypeError, AttributeError):
            return 400, JSON, _error("The request body is not valid JSON.", "BadRequestError", None, 400)
        name = request.get("model") or self._names[0]
        if name not in self._names:
            return 404, JSON, _error(f"The model `{name}` does not exist.", "NotFoundError", "model", 404)
        given = request.get("messages") if chat else request.get("prompt")
        if not given:
            return 400, JSON, _error("Field required", "BadRequestError", "messages" if chat else "prompt", 400)
        words = SENTENCE.format(model=name).split(" ")[:limit]
        usage = self._usage(json.dumps(given), len(words))
        finish = "length" if len(words) == limit else "stop"
        if request.get("stream"):
            wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            return 200, SSE, self._stream(chat, name, words, finish, usage, wants_usage)
        self._counters.running += 1
        await self._next_token()
        self._finish(usage, finish)
        text = " ".join(words)
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish, "stop_reason": None}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return 200, JSON, _json({**self._envelope(chat, name, False), "choices": [choice], "usage": usage})

    @property
    def _wedged(self) -> bool:
        return self._launch.faults.value("wedged") is not None

    async def _next_token(self) -> None:
        await asyncio.sleep(TOKEN_SECONDS)
        while self._wedged:
            await asyncio.sleep(WEDGED_LOOK_SECONDS)

    def _usage(self, prompt: str, completion: int) -> dict[str, Any]:
        """The details only with --enable-prompt-tokens-details, and only when something came from the cache."""
        count, cached = tokens_of(prompt), self._prefixes.read(prompt)
        self._counters.look_up(count, cached)
        usage = {"prompt_tokens": count, "total_tokens": count + completion, "completion_tokens": completion}
        return {**usage, "prompt_tokens_details": {"cached_tokens": cached} if self._details and cached else None}

    def _envelope(self, chat: bool, name: str, streaming: bool) -> dict[str, Any]:
        self._serial += 1
        kind = "chat.completion" if chat else "text_completion"
        return {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{os.getpid()}-{self._serial}",
            "object": kind + (".chunk" if chat and streaming else ""),
            "created": int(time.time()),
            "model": name,
        }

    async def _stream(
        self, chat: bool, name: str, words: list[str], finish: str, usage: dict[str, Any], wants_usage: bool
    ) -> AsyncIterator[bytes]:
        envelope = self._envelope(chat, name, True)
        self._counters.running += 1
        try:
            for index, word in enumerate(words):
                await self._next_token()
                text = word if index == 0 else " " + word
                ended = finish if index == len(words) - 1 else None
                choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": ended}
                role = {"role": "assistant"} if index == 0 else {}
                choice |= {"delta": {**role, "content": text}} if chat else {"text": text}
                yield _event({**envelope, "choices": [choice]})
            if wants_usage:
                yield _event({**envelope, "choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"
        finally:
            self._finish(usage, finish)

    def _finish(self, usage: dict[str, Any], finish: str) -> None:
        self._counters.finish(usage["prompt_tokens"], usage["completion_tokens"], finish)

    def busy_line(self) -> str:
        """vLLM's line about throughput; empty when nothing happened since the last one."""
        counters = self._counters
        if not counters.recent_tokens and not counters.running:
            return ""
        rate = counters.recent_tokens / 10
        return (f"Engine 000: Avg prompt throughput: {rate:.1f} tokens/s, "
            f"Avg generation throughput: {rate:.1f} tokens/s, "
                f"Running: {counters.running} reqs, Waiting: 0 reqs, GPU KV cache usage: {counters.cache_use():.1f}%, "
                f"Prefix cache hit rate: {counters.hit_rate():.1f}%")  # fmt: skip

    def forget_rates(self) -> None:
        self._counters.recent_tokens = 0


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _error(message: str, kind: str, param: str | None, code: int) -> bytes:
    return _json({"error": {"message": message, "type": kind, "param": param, "code": code}})
