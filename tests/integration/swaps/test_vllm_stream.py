"""One streamed question over real HTTP, to servers that differ as vLLM's versions and models do."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from swaps.vllm_stream import Asked, CannotAsk, ask, prefix_counters
from swaps.warm import _heeding, _warm
from swaps.warm_wish import PREFIX, WarmWish

METRICS = """# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{{engine="0",model_name="m"}} {queries}
vllm:prefix_cache_hits_total{{engine="0",model_name="m"}} {hits}
vllm:prefix_cache_hits_total{{engine="1",model_name="m"}} 0.0
"""
Chunks = list[dict[str, Any]]
TOKEN: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "OK"}}]}


class Vllm:
    """What it was asked, and what it answers: by path a status, or chunks to stream after a pause."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.chat: int | Chunks = [TOKEN, {"choices": [], "usage": {"prompt_tokens": 12}}]
        self.plain: int | Chunks = 404
        self.pause_seconds = 0.0
        self.hits = 0
        self.counts = True
        self.dropped = threading.Event()


@pytest.fixture
def vllm() -> Vllm:
    return Vllm()


@pytest.fixture
def url(vllm: Vllm) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            text = METRICS.format(queries=len(vllm.asked) * 100, hits=vllm.hits) if vllm.counts else ""
            self.answer(200, text.encode())

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vllm.asked.append((self.path, payload))
            answer = vllm.chat if self.path.endswith("chat/completions") else vllm.plain
            if isinstance(answer, int):
                self.answer(answer, json.dumps({"error": {"message": "no template"}}).encode())
                return
            if len(vllm.asked) > 1:
                vllm.hits += 96
            time.sleep(vllm.pause_seconds)
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in answer) + "data: [DONE]\n\n"
            try:
                self.answer(200, body.encode())
            except (BrokenPipeError, ConnectionResetError):
                vllm.dropped.set()

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as address:
        yield address


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def asked(url: str, wish: WarmWish) -> Asked:
    async def go() -> Asked:
        async with httpx.AsyncClient(base_url=url) as client:
            return await ask(client, "m", wish)

    return asyncio.run(go())


def test_it_asks_for_one_token_as_a_stream(vllm: Vllm, url: str) -> None:
    vllm.pause_seconds = 0.05
    answer = asked(url, WarmWish(system="Be brief."))

    assert 0.05 <= answer.first_token_seconds < 5 and answer.prompt_tokens == 12
    ((path, payload),) = vllm.asked
    assert path == "/v1/chat/completions"
    assert (payload["max_tokens"], payload["stream"]) == (1, True)
    assert [message["role"] for message in payload["messages"]] == ["system", "user"]


def test_a_model_without_a_chat_template_is_asked_plainly(vllm: Vllm, url: str) -> None:
    vllm.chat, vllm.plain = 400, [{"choices": [{"text": "OK"}]}]
    assert asked(url, WarmWish(prompt="Once")).prompt_tokens is None
    assert vllm.asked[1][1]["prompt"] == "Once"


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_refusal_is_told_in_its_own_words(vllm: Vllm, url: str, status: int) -> None:
    vllm.chat = status
    with pytest.raises(CannotAsk, match=f"{status}: no template"):
        asked(url, WarmWish())


def test_an_error_inside_the_stream_is_a_refusal(vllm: Vllm, url: str) -> None:
    vllm.chat = [{"error": {"message": "engine died"}}]
    with pytest.raises(CannotAsk, match="engine died"):
        asked(url, WarmWish())


def test_an_answer_without_a_token_is_told(vllm: Vllm, url: str) -> None:
    vllm.chat = []
    with pytest.raises(CannotAsk, match="without a token"):
        asked(url, WarmWish())


def test_where_nothing_listens_is_told() -> None:
    with pytest.raises(CannotAsk, match="broke off"):
        asked("http://127.0.0.1:9", WarmWish())


def test_cached_tokens_come_from_the_counters(vllm: Vllm, url: str) -> None:
    result = asyncio.run(_warm(url, "m", WarmWish(PREFIX, "Once upon a time")))
    assert (result["cached_tokens"], result["cached_tokens_from"]) == (96, "metrics")
    assert result["again_seconds"] > 0


def test_cached_tokens_of_the_request_itself_count_more(vllm: Vllm, url: str) -> None:
    vllm.chat = [TOKEN, {"choices": [], "usage": {"prompt_tokens": 12, "prompt_tokens_details": {"cached_tokens": 8}}}]
    result = asyncio.run(_warm(url, "m", WarmWish(PREFIX, "Once upon a time")))
    assert (result["cached_tokens"], result["cached_tokens_from"]) == (8, "usage")


def test_a_vllm_that_counts_nothing_leaves_it_open(vllm: Vllm, url: str) -> None:
    vllm.counts = False

    async def counters() -> object:
        async with httpx.AsyncClient(base_url=url) as client:
            return await prefix_counters(client)

    assert asyncio.run(counters()) is None
    assert asyncio.run(_warm(url, "m", WarmWish(PREFIX, "Once")))["cached_tokens"] is None


def test_a_drive_that_must_end_drops_the_request(vllm: Vllm, url: str) -> None:
    vllm.pause_seconds = 1.0

    def pulse() -> None:
        if vllm.asked:
            raise TimeoutError("cancelled")

    started = time.monotonic()
    with pytest.raises(TimeoutError, match="cancelled"):
        asyncio.run(_heeding(pulse, _warm(url, "m", WarmWish())))
    assert time.monotonic() - started < 0.9


def test_the_result_of_the_work_comes_through() -> None:
    async def work() -> int:
        return 7

    nothing: Callable[[], None] = lambda: None  # noqa: E731
    assert asyncio.run(_heeding(nothing, work())) == 7
