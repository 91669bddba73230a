"""/metrics in the Prometheus text form, with vLLM's names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cluster.simulator.standins.vllm_model import Model

HISTOGRAMS = {
    "vllm:time_to_first_token_seconds": 0.01,
    "vllm:inter_token_latency_seconds": 0.01,
    "vllm:request_time_per_output_token_seconds": 0.01,
    "vllm:e2e_request_latency_seconds": 0.2,
    "vllm:request_queue_time_seconds": 0.0,
    "vllm:request_prefill_time_seconds": 0.01,
    "vllm:request_decode_time_seconds": 0.19,
}
BUCKETS = ("0.01", "0.1", "1.0", "10.0", "+Inf")


class Counters:
    """What has been served since the start."""

    def __init__(self) -> None:
        self.running = 0
        self.prompt_tokens = 0
        self.looked_up_tokens = 0  # in the prefix cache, when a request begins
        self.cached_tokens = 0  # of them were there
        self.generated_tokens = 0
        self.recent_tokens = 0
        self.finished: dict[str, int] = {"stop": 0, "length": 0, "abort": 0}

    def finish(self, prompt: int, generated: int, reason: str) -> None:
        self.running -= 1
        self.prompt_tokens += prompt
        self.generated_tokens += generated
        self.recent_tokens += generated
        self.finished[reason] += 1

    def look_up(self, prompt: int, cached: int) -> None:
        self.looked_up_tokens += prompt
        self.cached_tokens += cached

    def hit_rate(self) -> float:
        return 100 * self.cached_tokens / self.looked_up_tokens if self.looked_up_tokens else 0.0

    def cache_use(self) -> float:
        return min(100.0, 0.4 * self.running)


def metrics_text(name: str, counters: Counters, model: Model, running: int) -> str:
    """Gauges, counters and histograms under the labels vLLM gives them."""
    labels = f'engine="0",model_name="{name}"'
    done = sum(counters.finished.values())
    lines = [
        *_one("vllm:num_requests_running", "gauge", labels, running),
        *_one("vllm:num_requests_waiting", "gauge", labels, 0),
        *_one("vllm:kv_cache_usage_perc", "gauge", labels, counters.cache_use() / 100),
        *_one("vllm:engine_sleep_state", "gauge", f'{labels},sleep_state="awake"', 1),
        *_one("vllm:cache_config_info", "gauge",
              f'block_size="16",num_gpu_blocks="{model.cache_tokens // 16}",engine="0"', 1),
        *_one("vllm:num_preemptions_total", "counter", labels, 0),
        *_one("vllm:prefix_cache_queries_total", "counter", labels, counters.looked_up_tokens),
        *_one("vllm:prefix_cache_hits_total", "counter", labels, counters.cached_tokens),
        *_one("vllm:prompt_tokens_total", "counter", labels, counters.prompt_tokens),
        *_one("vllm:generation_tokens_total", "counter", labels, counters.generated_tokens),
        "# TYPE vllm:request_success_total counter",
    ]  # fmt: skip
    lines += [
        f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {float(count)}'
        for reason, count in counters.finished.items()
    ]
    for histogram, typical in HISTOGRAMS.items():
        lines.append(f"# TYPE {histogram} histogram")
        for bucket in BUCKETS:
            inside = done if bucket == "+Inf" or float(bucket) >= typical else 0
            lines.append(f'{histogram}_bucket{{{labels},le="{bucket}"}} {float(inside)}')
        lines += [f"{histogram}_sum{{{labels}}} {done * typical}", f"{histogram}_count{{{labels}}} {float(done)}"]
    return "\n".join(lines) + "\n"


def _one(name: str, kind: str, labels: str, value: float) -> list[str]:
    return [f"# TYPE {name} {kind}", f"{name}{{{labels}}} {float(value)}"]
