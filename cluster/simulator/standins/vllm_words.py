"""What vLLM prints, by version. Facts from the start-up logs of 0.11, 0.15, 0.19 and 0.33."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cluster.simulator.standins.vllm_flags import Flags
    from cluster.simulator.standins.vllm_model import Model

VERSIONS = {"0.11": "0.11.2", "0.15": "0.15.1", "0.19": "0.19.1", "0.33": "0.33.0"}
SECRET = ("api-key", "hf-token")


class Words:
    """The wording of one vLLM version."""

    def __init__(self, version: str) -> None:
        self.version = VERSIONS.get(version, version)
        self.minor = int(self.version.split(".")[1])
        self.engine = "EngineCore" if self.minor >= 19 else "EngineCore_DP0"

    def line(self, who: str, pid: int, place: str, text: str, level: str = "INFO") -> str:
        return f"({who} pid={pid}) {level} {time.strftime('%m-%d %H:%M:%S')} [{place}] {text}\n"

    def api(self, place: str, text: str, level: str = "INFO") -> str:
        return self.line("APIServer", os.getpid(), place, text, level)

    def opening(self, model: Model, flags: Flags) -> str:
        if self.minor < 15:
            head = self.api("api_server.py:1977", f"vLLM API server version {self.version}")
        else:
            head = self.api("utils.py:293", f"vLLM server version {self.version}, serving model {model.name}")
        return head + self.api("utils.py:233", f"non-default args: {self._arguments(model, flags)}")

    def _arguments(self, model: Model, flags: Flags) -> str:
        shown: dict[str, object] = {"model_tag": model.name, "model": model.name}
        for name, values in flags.given.items():
            hidden = name in SECRET and self.minor >= 33
            value: object = "***" if hidden else True if not values else values[0] if len(values) == 1 else values
            shown[name.replace("-", "_")] = [value] if name in SECRET and not hidden else value
        return repr(shown)

    def config(self, model: Model) -> str:
        resolved = self.api("model.py:549", f"Resolved architecture: {model.architecture}")
        return resolved + self.api("model.py:1678", f"Using max model len {model.context}")

    def engine_start(self, model: Model) -> str:
        text = f"Initializing a V1 LLM engine (v{self.version}) with config: model='{model.name}', "
        return text + f"speculative_config=None, tokenizer='{model.name}', dtype=torch.bfloat16, seed=0"

    def shards(self, model: Model) -> str:
        """The bar's title, by loader."""
        if self.minor >= 19 and model.loader == "instanttensor":
            return "Loading safetensors using InstantTensor loader"
        titles = {
            "fastsafetensors": "Loading safetensors using Fastsafetensor loader",
            "runai_streamer": "Loading safetensors using Runai Model Streamer",
        }
        return titles.get(model.loader, "Loading safetensors checkpoint shards")

    def bar(self, model: Model, done: int, elapsed: float) -> str:
        share = done / model.shards
        left = elapsed / share - elapsed if done else 0.0
        rate = f"{elapsed / done:5.2f}s/it" if done else "?it/s"
        remaining = clock(left) if done else "?"
        percent = f"{round(100 * share):3d}% Completed"
        return f"{self.shards(model)}: {percent} | {done}/{model.shards} [{clock(elapsed)}<{remaining}, {rate}]\n"

    def loaded(self, model: Model, seconds: float) -> list[tuple[str, str]]:
        unit = "GiB memory" if self.minor >= 15 else "GiB"
        return [
            ("default_loader.py:385", f"Loading weights took {seconds:.2f} seconds"),
            (
                "gpu_model_runner.py:4821",
                f"Model loading took {model.weights_gib:.2f} {unit} and {seconds + 1.2:.6f} seconds",
            ),
        ]

    def compiled(self, seconds: float) -> list[tuple[str, str]]:
        took = "takes" if self.minor <= 15 else "took"
        return [
            ("backends.py:1112", f"Dynamo bytecode transform time: {seconds * 0.2:.2f} s"),
            ("backends.py:377", f"Compiling a graph for compile range (1, 8192) takes {seconds * 0.7:.2f} s"),
            ("monitor.py:48", f"torch.compile {took} {seconds:.2f} s in total"),
        ]

    def cache(self, model: Model) -> list[tuple[str, str]]:
        """Lines about the KV cache; 0.33 tells size and concurrency in one."""
        size = f"GPU KV cache size: {model.cache_tokens:,} tokens"
        ratio = model.cache_tokens / model.context
        most = f"Maximum concurrency for {model.context:,} tokens per request: {ratio:.2f}x"
        lines = [("gpu_worker.py:437", f"Available KV cache memory: {model.cache_gib:.2f} GiB")]
        if self.minor >= 33:
            return [*lines, ("kv_cache_utils.py:1319", f"{size}. {most}")]
        return [*lines, ("kv_cache_utils.py:1319", size), ("kv_cache_utils.py:1325", most)]

    def engine_done(self, seconds: float) -> str:
        text = f"init engine (profile, create kv cache, warmup model) took {seconds:.2f}"
        return f"{text} s (compilation: {seconds * 0.5:.2f} s)" if self.minor >= 33 else f"{text} seconds"

    def listening(self, host: str, port: int) -> str:
        what = "vLLM server" if self.minor >= 19 else "vLLM API server 0"
        text = self.api("api_server.py:596", f"Starting {what} on http://{host}:{port}")
        text += self.api("launcher.py:38", "Available routes are:")
        for route in ("/openapi.json", "/health", "/v1/models", "/v1/chat/completions", "/v1/completions", "/metrics"):
            text += self.api("launcher.py:46", f"Route: {route}, Methods: GET, HEAD")
        return text

    def uvicorn(self, text: str) -> str:
        return f"(APIServer pid={os.getpid()}) INFO:     {text}\n"

    def closing(self) -> str:
        head = self.api("launcher.py:110", "[shutdown] API server: shutdown triggered") if self.minor >= 33 else ""
        return head + self.uvicorn("Shutting down") + self.uvicorn("Application shutdown complete.")


def clock(seconds: float) -> str:
    """mm:ss as tqdm prints it."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
