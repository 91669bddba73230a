"""What the stand-in makes of a model's name: size, context, architecture."""

from __future__ import annotations

import os
import re

from cluster.simulator.standins.memory import TOTAL_GIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cluster.simulator.standins.vllm_flags import Flags

SHARD_GIB = 4.6
UNKNOWN_GIB = 30.0
OVERHEAD_GIB = 3.5
FAMILIES = (
    ("gpt-oss", "GptOssForCausalLM"), ("glm", "Glm4MoeLiteForCausalLM"), ("nemotron", "NemotronHForCausalLM"),
    ("minimax", "MiniMaxM2ForCausalLM"), ("deepseek", "DeepseekV4ForCausalLM"), ("gemma", "Gemma4ForCausalLM"),
    ("qwen3-coder", "Qwen3NextForCausalLM"), ("qwen3", "Qwen3MoeForCausalLM"), ("qwen", "Qwen2ForCausalLM"),
    ("mistral", "MistralForCausalLM"),
)  # fmt: skip


class Model:
    """One model as this node of the launch holds it."""

    def __init__(self, flags: Flags, nodes: int) -> None:
        self.name = flags.model
        self.loader = flags.text("load-format", "auto")
        self.utilization = flags.decimal("gpu-memory-utilization", 0.9)
        self.context = context_length(flags.text("max-model-len"))
        total = weights_gib(self.name, flags.text("quantization"))
        self.weights_gib = total / nodes
        self.shards = max(1, min(48, round(total / SHARD_GIB)))
        self.budget_gib = self.utilization * TOTAL_GIB
        self.cache_gib = self.budget_gib - self.weights_gib - OVERHEAD_GIB
        self.cache_tokens = max(16, int(self.cache_gib * 29_000) // 16 * 16)
        lowered = self.name.lower()
        self.architecture = next((a for word, a in FAMILIES if word in lowered), "LlamaForCausalLM")


def context_length(text: str) -> int:
    """--max-model-len: a number, 32k, 1M, auto, -1."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", text)
    if not match:
        return 131072
    scale = {"": 1, "k": 1000, "K": 1024, "m": 1_000_000, "M": 1024 * 1024}[match.group(2)]
    return max(1, int(float(match.group(1)) * scale))


def weights_gib(name: str, quantization: str) -> float:
    """From the first number of billions in the name and the number format it tells of."""
    text = name.lower() + " " + quantization.lower()
    match = re.search(r"(?<![a-z\d])(\d+(?:\.\d+)?)b(?![a-z])", text)
    if not match:
        return UNKNOWN_GIB
    size = 2.0
    if "fp8" in text or "int8" in text or "w8a8" in text:
        size = 1.05
    if any(word in text for word in ("fp4", "awq", "gptq", "4bit", "int4", "gpt-oss", "autoround", "w4a16")):
        size = 0.56
    return float(match.group(1)) * size * 1e9 / 2**30


def is_local(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~"))


def resolves(name: str, base: str, mounts: str) -> bool:
    """Whether a local path exists inside the container: under a bind mount, or in its own file system."""
    if base and os.path.isdir(base + "/rootfs" + name):
        return True
    for entry in mounts.splitlines():
        source, _, destination = entry.partition(":")
        if name == destination or name.startswith(destination.rstrip("/") + "/"):
            return os.path.isdir(source + name[len(destination.rstrip("/")) :])
    return False


def well_formed(name: str) -> bool:
    """A Hugging Face repository id."""
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", name)) and ".." not in name
