"""Memory, context length and time limits (spark-facts 3.3 and 5.3).

A Spark has one memory for processor and GPU, so "GPU memory" is whatever the machine has left.
"""

from collections.abc import Mapping

from swaps.logs.rule import Rank, Rule, rule, tell

_LESS = (
    "Lower --max-num-seqs or --max-model-len, stop other programs that use this Spark's memory,"
    " or choose a smaller or more strongly quantized model."
)
_SMALLER = (
    "Stop other programs that use this Spark's memory, choose a smaller or more strongly quantized"
    " model, or run it on two Sparks."
)
_FREE_FIRST = "Stop what else uses this Spark's memory (an earlier model may still hold some), then start again."


def _advice(values: Mapping[str, str]) -> dict[str, str]:
    """While weights load, shorter contexts and fewer requests would not have helped."""
    return {"advice": _SMALLER if values["stage"] in ("loading", "loaded") else _LESS}


def _fitting_share(values: Mapping[str, str]) -> dict[str, str]:
    """The largest --gpu-memory-utilization that fits what was free, two percent kept back."""
    free, total = float(values["free"]), float(values["total"])
    percent = int(100 * free / total) - 2 if total > 0 else 0
    if percent < 10:
        return {"or_share": ""}
    return {"or_share": f", or set --gpu-memory-utilization to 0.{percent:02d} or less"}


def _kept_back(values: Mapping[str, str]) -> dict[str, str]:
    missing = values["kv_gib"].removeprefix("-")
    short = values["kv_gib"].startswith("-") and missing.strip("0.")
    return {"short": f"; the budget was {missing} GiB too small" if short else ""}


def _seconds(values: Mapping[str, str]) -> dict[str, str]:
    return {"limit": str(max(1800, 3 * int(values["waited"])))}


MEMORY_RULES: tuple[Rule, ...] = (
    rule(
        "not-enough-free-memory",
        r"Free memory on device",
        tell(
            "vLLM wanted {need} GiB of memory (--gpu-memory-utilization {wanted}), but only {free}"
            " of {total} GiB were free when it started.",
            "Stop what else uses this Spark's memory (an earlier model may still hold some){or_share}.",
            facts=r"Free memory on device\s*\S*\s*"
            r"\((?P<free>\d{1,9}(?:\.\d{1,6})?)/(?P<total>\d{1,9}(?:\.\d{1,6})?) GiB\)"
            r".{0,200}?utilization \((?P<wanted>[\d.]+), (?P<need>\d{1,9}(?:\.\d{1,6})?) GiB\)",
            derive=_fitting_share,
        ),
        tell(
            "Less memory was free on this Spark than --gpu-memory-utilization asks for.",
            _FREE_FIRST,
        ),
    ),
    rule(
        "context-too-long",
        r"To serve at least one request with the model"
        r"|larger than the maximum number of tokens that can be stored in KV cache",
        tell(
            "One request of {len} tokens needs {need} GiB of KV cache, but only {have} GiB is left"
            " for it; about {fits} tokens would fit.",
            "Set --max-model-len to {fits} or less, or raise --gpu-memory-utilization if the"
            " Spark has memory to spare.",
            facts=r"max seq len \((?P<len>[\d,]+)\),?\s*\(?(?P<need>\d{1,9}(?:\.\d{1,6})?) GiB KV cache is needed"
            r"(?s:.{0,120}?)memory \((?P<have>\d{1,9}(?:\.\d{1,6})?) GiB\)"
            r"(?s:.{0,120}?)estimated maximum model length is (?P<fits>[1-9][\d,]*)",
        ),
        tell(
            "One request of {len} tokens needs {need} GiB of KV cache, but only {have} GiB is left for it.",
            "Lower --max-model-len, or raise --gpu-memory-utilization if the Spark has memory to spare.",
            facts=r"max seq len \((?P<len>[\d,]+)\),?\s*\(?(?P<need>\d{1,9}(?:\.\d{1,6})?) GiB KV cache is needed"
            r"(?s:.{0,120}?)memory \((?P<have>\d{1,9}(?:\.\d{1,6})?) GiB\)",
        ),
        tell(
            "The context length of {len} tokens is too long: the KV cache holds only {fits}.",
            "Set --max-model-len to {fits} or less.",
            facts=r"max seq len \((?P<len>[\d,]+)\).{0,120}?KV cache \((?P<fits>[1-9][\d,]*)\)",
        ),
        tell(
            "The context length is too long for the memory that is left for the KV cache.",
            "Lower --max-model-len.",
        ),
    ),
    rule(
        "context-beyond-model",
        r"is greater than the derived max_model_len",
        tell(
            "The model was made for at most {limit} tokens, but --max-model-len asks for {asked}.",
            "Set --max-model-len to {limit} or less.",
            facts=r"max_model_len \((?P<asked>\d+)\) is greater than the derived max_model_len"
            r" \([^)]*?[=:](?P<limit>\d+)",
        ),
        tell(
            "--max-model-len asks for more tokens than the model was made for.",
            "Lower --max-model-len.",
        ),
    ),
    rule(
        "no-kv-cache-room",
        r"No available memory for the cache blocks|Cannot auto-fit max_model_len",
        tell(
            "Loading {the_model} used up the memory budget{budget}, so nothing was left for the KV cache{short}.",
            "Raise --gpu-memory-utilization if the Spark has memory to spare, or choose a smaller"
            " or more strongly quantized model.",
            derive=_kept_back,
        ),
    ),
    rule(
        "no-kv-cache-room",
        r"exceeds available Mamba cache blocks",
        tell(
            "The model's cache holds {have} requests at once, but --max-num-seqs asks for {asked}.",
            "Set --max-num-seqs to {have} or less.",
            facts=r"max_num_seqs \((?P<asked>\d+)\) exceeds available Mamba cache blocks"
            r" \((?P<have>\d+)\)",
        ),
        tell("The model's cache holds fewer requests than --max-num-seqs asks for.", _LESS),
    ),
    rule(
        "out-of-memory",
        r"CUDA out of memory occurred when warming up",
        tell(
            "Memory ran out while vLLM rehearsed {count} requests at once.",
            "Lower --max-num-seqs below {count}, or lower --gpu-memory-utilization.",
            facts=r"with (?P<count>\d+) dummy requests",
        ),
        tell(
            "Memory ran out while vLLM rehearsed the largest number of requests at once.",
            "Lower --max-num-seqs, or lower --gpu-memory-utilization.",
        ),
        refines=("out-of-memory",),
    ),
    rule(
        "unified-memory-exhausted",
        r"NV_ERR_NO_MEMORY",
        tell(
            "The NVIDIA driver found no memory left on this Spark {during}; the Spark may become unresponsive.",
            "Stop the model at once, reboot the Spark if it no longer answers, and start with a"
            " lower --gpu-memory-utilization.",
        ),
    ),
    rule(
        "memory-profiling-race",
        r"Error in memory profiling\.",
        tell(
            "Other programs freed memory while vLLM was measuring it ({before} GiB free before,"
            " {after} GiB after), so vLLM gave up.",
            "Start again once nothing else starts or stops on this Spark.",
            facts=r"Initial free memory (?P<before>\d{1,9}(?:\.\d{1,6})?) GiB, current free memory"
            r" (?P<after>\d{1,9}(?:\.\d{1,6})?) GiB",
        ),
        tell(
            "Other programs changed the Spark's free memory while vLLM was measuring it.",
            "Start again once nothing else starts or stops on this Spark.",
        ),
    ),
    rule(
        "out-of-memory",
        r"CUDA out of memory|OutOfMemoryError|not enough GPU memory|CUDA (?:driver )?error: out of memory"
        r"|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY",
        tell(
            "Memory ran out {during}: vLLM asked for {asked} more, and only {left} was free.",
            "{advice}",
            facts=r"Tried to allocate (?P<asked>\d{1,9}(?:\.\d{1,6})? [KMG]iB).{0,200}?of which"
            r" (?P<left>\d{1,9}(?:\.\d{1,6})? (?:[KMG]iB|bytes)) is free",
            derive=_advice,
        ),
        tell(
            "Memory ran out {during}: vLLM asked for {asked} more than there was.",
            "{advice}",
            facts=r"Tried to allocate (?P<asked>\d{1,9}(?:\.\d{1,6})? [KMG]iB)",
            derive=_advice,
        ),
        tell("Memory ran out {during}.", "{advice}", derive=_advice),
    ),
    rule(
        "out-of-memory",
        r"DefaultCPUAllocator: can't allocate memory|\[Errno 12\] Cannot allocate memory"
        r"|^MemoryError\b",
        tell("The Spark had no memory left for vLLM's own work {during}.", _LESS),
    ),
    rule(
        "killed",
        r"earlyoom: .*sending SIG|sending SIG(?:TERM|KILL) to process \d+.*(?:vllm|python)"
        r"|Out of memory: Killed process",
        tell(
            "The Spark ran short of memory {during}, and vLLM was killed to protect it.",
            "Lower --gpu-memory-utilization, or stop other programs that use this Spark's memory.",
        ),
    ),
    rule(
        "killed",
        r"^\S+: line \d+: +\d+ Killed\b|exit ?code: -9\b|^Killed$",
        tell(
            "vLLM was killed {during}; if nobody stopped it, the Spark ran out of memory.",
            "Lower --gpu-memory-utilization, or stop other programs that use this Spark's memory.",
        ),
    ),
    rule(
        "engine-timeout",
        r"Timed out waiting for engine",
        tell(
            "vLLM's engine was not ready within its own limit of {waited} seconds.",
            "Set VLLM_ENGINE_READY_TIMEOUT_S={limit} in the model's environment; on two Sparks"
            " first check that the worker has the complete weights.",
            facts=r"Waited (?P<waited>\d{1,6})\s?s",
            derive=_seconds,
        ),
        tell(
            "vLLM's engine was not ready within its own time limit, which is 600 seconds unless set.",
            "Set VLLM_ENGINE_READY_TIMEOUT_S=1800 in the model's environment (vLLM 0.15 or newer);"
            " on two Sparks first check that the worker has the complete weights.",
        ),
        rank=Rank.TIMEOUT,
    ),
)
