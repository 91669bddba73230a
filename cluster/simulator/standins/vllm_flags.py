"""The command line of `vllm serve`: which flags exist, which take a value, and argparse's complaints."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Number = TypeVar("Number", int, float)

SWITCHES = frozenset(
    [
        "trust-remote-code",
        "enable-prefix-caching",
        "no-enable-prefix-caching",
        "enforce-eager",
        "no-enforce-eager",
        "headless",
        "enable-auto-tool-choice",
        "enable-chunked-prefill",
        "no-enable-chunked-prefill",
        "enable-expert-parallel",
        "enable-lora",
        "enable-sleep-mode",
        "async-scheduling",
        "no-async-scheduling",
        "disable-log-requests",
        "disable-log-stats",
        "enable-log-requests",
        "no-enable-log-requests",
        "enable-server-load-tracking",
        "disable-custom-all-reduce",
        "enable-reasoning",
        "allow-credentials",
        "disable-fastapi-docs",
        "enable-prompt-tokens-details",
        "enable-force-include-usage",
        "enable-request-id-headers",
        "return-tokens-as-token-ids",
        "disable-frontend-multiprocessing",
        "disable-uvicorn-access-log",
        "skip-tokenizer-init",
        "enable-eplb",
        "enable-dbo",
        "calculate-kv-scales",
        "disable-sliding-window",
        "disable-cascade-attn",
        "language-model-only",
        "enable-mm-embeds",
        "use-tqdm-on-load",
        "no-use-tqdm-on-load",
        "generate-outputs",
        "trust-request-chat-template",
        "enable-log-outputs",
        "enable-tokenizer-info-endpoint",
        "skip-mm-profiling",
        "mm-encoder-only",
        "disable-hybrid-kv-cache-manager",
        "enable-flashinfer-autotune",
        "data-parallel-hybrid-lb",
        "data-parallel-external-lb",
        "enable-return-routed-experts",
        "exclude-tools-when-tool-choice-none",
        "log-config-file-no",
        "api-server",
        "enable-ssl-refresh",
    ]
)
VALUES = frozenset(
    [
        "model",
        "host",
        "port",
        "uds",
        "served-model-name",
        "api-key",
        "tensor-parallel-size",
        "pipeline-parallel-size",
        "data-parallel-size",
        "gpu-memory-utilization",
        "gpu-memory-utilization-gb",
        "kv-cache-memory-bytes",
        "max-model-len",
        "max-num-seqs",
        "max-num-batched-tokens",
        "kv-cache-dtype",
        "dtype",
        "quantization",
        "load-format",
        "download-dir",
        "revision",
        "code-revision",
        "tokenizer",
        "tokenizer-mode",
        "tokenizer-revision",
        "tool-call-parser",
        "tool-parser-plugin",
        "reasoning-parser",
        "reasoning-parser-plugin",
        "chat-template",
        "chat-template-content-format",
        "default-chat-template-kwargs",
        "speculative-config",
        "compilation-config",
        "attention-config",
        "attention-backend",
        "moe-backend",
        "mxfp4-backend",
        "mxfp4-layers",
        "mamba-ssm-cache-dtype",
        "mamba-cache-dtype",
        "mamba-block-size",
        "mamba-cache-mode",
        "hf-overrides",
        "hf-config-path",
        "hf-token",
        "kv-transfer-config",
        "kv-events-config",
        "distributed-executor-backend",
        "nnodes",
        "node-rank",
        "master-addr",
        "master-port",
        "block-size",
        "swap-space",
        "cpu-offload-gb",
        "seed",
        "limit-mm-per-prompt",
        "mm-processor-kwargs",
        "mm-encoder-tp-mode",
        "mm-encoder-attn-backend",
        "mm-processor-cache-gb",
        "mm-processor-cache-type",
        "media-io-kwargs",
        "allowed-local-media-path",
        "allowed-media-domains",
        "runner",
        "convert",
        "task",
        "lora-modules",
        "max-lora-rank",
        "max-loras",
        "max-cpu-loras",
        "rope-scaling",
        "rope-theta",
        "override-generation-config",
        "generation-config",
        "scheduling-policy",
        "optimization-level",
        "performance-mode",
        "cudagraph-capture-sizes",
        "max-cudagraph-capture-size",
        "cuda-graph-sizes",
        "max-logprobs",
        "logprobs-mode",
        "uvicorn-log-level",
        "allowed-origins",
        "allowed-methods",
        "allowed-headers",
        "root-path",
        "middleware",
        "ssl-keyfile",
        "ssl-certfile",
        "ssl-ca-certs",
        "log-config-file",
        "max-log-len",
        "response-role",
        "data-parallel-size-local",
        "data-parallel-address",
        "data-parallel-rpc-port",
        "data-parallel-rank",
        "data-parallel-start-rank",
        "data-parallel-backend",
        "api-server-count",
        "config",
        "model-loader-extra-config",
        "ignore-patterns",
        "safetensors-load-strategy",
        "pooler-config",
        "structured-outputs-config",
        "guided-decoding-backend",
        "numa-bind-nodes",
        "prefix-caching-hash-algo",
        "num-gpu-blocks-override",
        "video-pruning-rate",
        "all2all-backend",
        "expert-placement-strategy",
        "eplb-config",
        "decode-context-parallel-size",
        "prefill-context-parallel-size",
        "stream-interval",
        "shutdown-timeout",
        "tokens-only",
        "logits-processors",
        "additional-config",
        "worker-cls",
        "weight-transfer-config",
        "kernel-config",
        "linear-backend",
        "otlp-traces-endpoint",
        "io-processor-plugin",
        "model-impl",
        "config-format",
        "kv-offloading-size",
        "kv-offloading-backend",
        "renderer-num-workers",
        "offload-backend",
        "collect-detailed-traces",
        "kv-sharing-fast-prefill",
        "profiler-config",
        "quantization-config",
        "mm-shm-cache-max-object-size-mb",
        "interleave-mm-strings",
        "fd",
        "limit-concurrency",
        "h11-max-incomplete-event-size",
        "h11-max-header-count",
        "tool-server",
        "thinking-token-budget",
    ]
)
SHORT = {
    "-tp": "tensor-parallel-size", "-pp": "pipeline-parallel-size", "-dp": "data-parallel-size",
    "-q": "quantization", "-n": "nnodes", "-r": "node-rank", "-cc": "compilation-config", "-ac": "attention-config",
    "-sc": "speculative-config", "-dcp": "decode-context-parallel-size", "-pcp": "prefill-context-parallel-size",
    "-asc": "api-server-count", "-dpn": "data-parallel-rank", "-dpl": "data-parallel-size-local",
    "-dpa": "data-parallel-address", "-ep": "enable-expert-parallel", "-O": "optimization-level",
}  # fmt: skip
SEVERAL = frozenset(
    ["served-model-name", "api-key", "lora-modules", "allowed-origins", "middleware", "cuda-graph-sizes"]
)
USAGE = "usage: vllm serve [model_tag] [options]\n"


class FlagError(Exception):
    """argparse's last line; the exit code is 2."""


class Flags:
    """Parsed flags by their long name with dashes; switches hold an empty list."""

    def __init__(self) -> None:
        self.model = ""
        self.given: dict[str, list[str]] = {}

    def has(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        values = self.given.get(name)
        return values[-1] if values else default

    def integer(self, name: str, default: int) -> int:
        return _number(name, self.text(name), int, default)

    def decimal(self, name: str, default: float) -> float:
        return _number(name, self.text(name), float, default)

    def names(self) -> list[str]:
        """What the API calls the model."""
        return self.given.get("served-model-name") or [self.model]


def _number(name: str, text: str, kind: Callable[[str], Number], default: Number) -> Number:
    if not text:
        return default
    try:
        return kind(text)
    except ValueError as error:
        word = "int" if kind is int else "float"
        raise FlagError(f"vllm serve: error: argument --{name}: invalid {word} value: {text!r}") from error


def parse(argv: list[str], unknown: str | None) -> Flags:
    """argv after `serve`. `unknown`: a flag this vLLM is made not to know ("" for the last one). FlagError."""
    flags, strange, rest, last = Flags(), [], list(argv), ""
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            if flags.model:
                strange.append(word)
            flags.model = flags.model or word
            continue
        name, glued = _name(word)
        base = name.partition(".")[0]
        last = word.partition("=")[0]
        hidden = bool(unknown) and name == _name(str(unknown))[0]
        if (base not in SWITCHES and base not in VALUES) or hidden:
            strange.append(word)
        elif base in SWITCHES and "." not in name:
            flags.given[name] = []
        else:
            flags.given[name] = _values(name, word, glued, rest)
    flags.model = flags.model or flags.text("model")
    if unknown == "" and last and not strange:
        strange.append(last)
    if strange:
        raise FlagError(f"vllm: error: unrecognized arguments: {' '.join(strange)}")
    return flags


def _name(word: str) -> tuple[str, str | None]:
    """The flag's long name (underscores count as dashes) and the value after =, if any."""
    flag, equals, value = word.partition("=")
    if flag in SHORT:
        return SHORT[flag], value if equals else None
    head, dot, tail = flag.partition(".")
    if head in SHORT:
        return SHORT[head] + dot + tail, value if equals else None
    if flag.startswith("-O") and flag[2:]:
        return "optimization-level", flag[2:]
    head = head.lstrip("-").replace("_", "-") if head.startswith("--") else head
    return head + dot + tail, value if equals else None


def _values(name: str, word: str, glued: str | None, rest: list[str]) -> list[str]:
    if glued is not None:
        return [glued]
    if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
        raise FlagError(f"vllm serve: error: argument {word}: expected one argument")
    values = [rest.pop(0)]
    while name in SEVERAL and rest and not rest[0].startswith("-"):
        values.append(rest.pop(0))
    return values
