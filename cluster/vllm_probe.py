"""Questions to a vLLM over HTTP: health, models, load, and whether it really answers."""

import atexit
import json
import os
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from cluster import parsers
from cluster.readings import VllmReading

__all__ = ["VllmReading", "probe_vllm"]

MAX_BODY_BYTES = 8 * 1024 * 1024
NO_CHAT = (400, 404, 405, 422, 501)  # no chat template, no such route: the plain completion may still work


class _NoAnswer(Exception):
    """The sentence of why the server could not be asked."""


class _Refused(_NoAnswer):
    """The host is there, and nothing listens."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def probe_vllm(
    base_url: str,
    *,
    timeout: float = 2.0,
    api_key: str | None = None,
    brief: bool = False,
    complete: bool = False,
    model: str | None = None,
) -> VllmReading:
    """Ask a server at `base_url` ("http://192.168.1.5:8888"). Never raises: refused and late are values.

    `timeout` (s) holds for each question. `complete` adds one tiny completion by `model` (the first one when not
    given), which alone proves that generation works: /health says only that the engine process lives (spark-facts 4).
    `brief` leaves out version and metrics.
    """
    found = _Findings()
    try:
        server = _Server(base_url.rstrip("/"), timeout, api_key)
        _look(server, found)
        if complete:
            _complete(server, found, model)
        if not brief:
            _measure(server, found)
    except _NoAnswer as exc:
        found.error = found.error or str(exc)
        if isinstance(exc, _Refused):
            found.listens = False
    return found.reading()


@dataclass(slots=True)
class _Findings:
    health_ok: bool = False
    listens: bool | None = None
    engine_dead: bool = False
    models: list[dict[str, Any]] = field(default_factory=list)
    version: str | None = None
    metrics: parsers.VllmMetrics = field(default_factory=parsers.VllmMetrics)
    completion_ok: bool | None = None
    completion_seconds: float | None = None
    error: str = ""

    def reading(self) -> VllmReading:
        lengths = [one.get("max_model_len") for one in self.models]
        return VllmReading(
            health_ok=self.health_ok,
            listens=self.listens,
            engine_dead=self.engine_dead,
            model_ids=tuple(str(one["id"]) for one in self.models),
            roots=tuple(str(one.get("root") or "") for one in self.models),
            max_model_len=next((length for length in lengths if isinstance(length, int)), None),
            version=self.version,
            running=self.metrics.running,
            waiting=self.metrics.waiting,
            kv_cache_used=self.metrics.kv_cache_used,
            generation_tokens_total=self.metrics.generation_tokens_total,
            prompt_tokens_total=self.metrics.prompt_tokens_total,
            completion_ok=self.completion_ok,
            completion_seconds=self.completion_seconds,
            error=self.error,
        )


@dataclass(frozen=True, slots=True)
class _Server:
    base_url: str
    timeout: float
    api_key: str | None

    @property
    def label(self) -> str:
        try:
            parts = urlsplit(self.base_url)
            return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)  # never userinfo
        except ValueError:
            return "this address"

    def ask(self, method: str, path: str, payload: dict[str, Any] | None = None) -> _Answer:
        """One question, answered within the time limit as a whole. Raises _NoAnswer."""
        # vLLM asks for the key below /v1 only; elsewhere it would be given away for nothing
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key and path.startswith("/v1") else {}
        ends_at = time.monotonic() + self.timeout
        try:
            request = _client(os.getpid()).build_request(
                method, self.base_url + path, json=payload, headers=headers, timeout=self.timeout
            )
            response = _client(os.getpid()).send(request, stream=True)
            try:
                return _Answer(response.status_code, self._read(response, ends_at))
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
            kind = _Refused if isinstance(exc, httpx.ConnectError) and "refused" in str(exc) else _NoAnswer
            raise kind(self._sentence(exc)) from exc

    def _read(self, response: httpx.Response, ends_at: float) -> bytes:
        """A server that drips one byte a second keeps within httpx's limits for ever; not within ours."""
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _NoAnswer(f"{self.label} answers with more than 8 MiB; this is not a vLLM.")
            if time.monotonic() > ends_at:
                raise _NoAnswer(self._late())
        return bytes(body)

    def _sentence(self, exc: Exception) -> str:
        if isinstance(exc, httpx.TimeoutException):
            return self._late()
        if isinstance(exc, httpx.ConnectError):
            if "refused" in str(exc):
                return f"Nothing listens at {self.label}: vLLM is still loading, or not running."
            return f"{self.label} cannot be reached; check the address and the network."
        if isinstance(exc, httpx.UnsupportedProtocol | httpx.InvalidURL | UnicodeError):
            return f"{self.label} is not an address of a server; it must look like http://192.168.1.5:8888."
        return f"{self.label} broke off its answer; vLLM may be starting or ending."

    def _late(self) -> str:
        return f"{self.label} did not answer within {self.timeout:g} s."


def _look(server: _Server, found: _Findings) -> None:
    health = server.ask("GET", "/health")
    found.health_ok, found.listens = health.status == 200, True
    found.engine_dead = health.status == 503
    if health.status == 503:
        found.error = f"{server.label} says that its engine is dead (503); look at the end of its log."
    elif health.status != 200:
        found.error = f"{server.label} answers /health with {health.status}; this may not be a vLLM."
    found.models = _models(server, found)


def _measure(server: _Server, found: _Findings) -> None:
    version = server.ask("GET", "/version")
    found.version = str(version.json().get("version") or "") or None if version.status == 200 else None
    metrics = server.ask("GET", "/metrics")
    if metrics.status == 200:
        found.metrics = parsers.vllm_metrics(metrics.body.decode("utf-8", "replace"))


def _models(server: _Server, found: _Findings) -> list[dict[str, Any]]:
    answer = server.ask("GET", "/v1/models")
    if answer.status == 401:
        found.error = found.error or f"{server.label} asks for an API key; store the one vLLM was started with."
    data = answer.json().get("data") if answer.status == 200 else None
    return [one for one in data if isinstance(one, dict) and one.get("id")] if isinstance(data, list) else []


def _complete(server: _Server, found: _Findings, model: str | None) -> None:
    """One token by chat, or by plain completion where the model has no chat template."""
    name = model or next((str(one["id"]) for one in found.models), None)
    found.completion_ok = False
    if name is None:
        found.error = found.error or f"{server.label} lists no model to ask."
        return
    tiny = {"model": name, "max_tokens": 1, "temperature": 0}
    started = time.monotonic()
    answer = server.ask("POST", "/v1/chat/completions", {**tiny, "messages": [{"role": "user", "content": "Say OK."}]})
    if answer.status in NO_CHAT:
        answer = server.ask("POST", "/v1/completions", {**tiny, "prompt": "OK"})
    found.completion_seconds = round(time.monotonic() - started, 3)
    found.completion_ok = answer.status == 200 and bool(answer.json().get("choices"))
    if not found.completion_ok:
        found.error = found.error or f"{server.label} did not complete a test prompt (answered {answer.status})."


@cache
def _client(pid: int) -> httpx.Client:
    """One client for each process: a forked child must not share its parent's connections (nor close them)."""
    # vLLM's web server drops a silent connection after 5 s; we must let go first, or meet it half closed
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=3.0)
    transport = httpx.HTTPTransport(trust_env=False, limits=limits)
    client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False)
    atexit.register(_close, client, pid)
    return client


def _close(client: httpx.Client, pid: int) -> None:
    if pid == os.getpid():
        client.close()
