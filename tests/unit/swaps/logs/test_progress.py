from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.logs.progress import STAGE_STARTS, STAGES, START, LoadState, Stage, observe

LOADING = "(EngineCore pid=140) INFO 11-20 10:00:31 [gpu_model_runner.py:4736] Starting to load model org/m..."
BAR = "Loading safetensors checkpoint shards: {percent:3d}% Completed | {done}/{total} [00:21<00:21,  3.05s/it]"
LOADED = "(EngineCore pid=140) INFO 11-20 10:01:15 [default_loader.py:385] Loading weights took 42.90 seconds"
COMPILING = "INFO 11-20 10:01:30 [backends.py:1112] Dynamo bytecode transform time: 9.80 s"
KV_CACHE = "INFO 11-20 10:02:20 [gpu_worker.py:437] Available KV cache memory: 21.40 GiB"
GRAPHS = "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  40%|████      | 20/51 [00:08<00:12,  2.5it/s]"
READY = "(APIServer pid=101) INFO:     Application startup complete."


def bar(done: int, total: int) -> str:
    return BAR.format(percent=100 * done // total, done=done, total=total)


def after(*lines: str) -> LoadState:
    return reduce(observe, lines, START)


def test_a_load_starts_at_zero_and_ends_at_a_hundred() -> None:
    assert (START.stage, START.percent, START.startup_complete) == (Stage.STARTING, 0, False)
    done = after(LOADING, bar(14, 14), LOADED, READY)
    assert (done.stage, done.percent, done.startup_complete) == (Stage.SERVING, 100, True)


def test_weights_are_most_of_a_load() -> None:
    percents = [after(LOADING, bar(done, 14)).percent for done in (0, 7, 14)]
    assert percents == [8, 39, 70]


def test_the_stages_begin_in_rising_order() -> None:
    assert list(STAGE_STARTS) == list(STAGES)
    assert list(STAGE_STARTS.values()) == sorted(STAGE_STARTS.values())


def test_it_says_calmly_what_goes_on() -> None:
    assert after(LOADING).detail == "Loading org/m: opening the weights."
    assert after(LOADING, bar(7, 14)).detail == "Loading weights: 7 of 14 shards."
    assert after(LOADING, GRAPHS).detail == "Capturing CUDA graphs: 40 percent."
    assert after(READY).detail == "vLLM is serving."


@pytest.mark.parametrize(
    ("line", "detail", "percent"),
    [
        (
            "Loading safetensors using InstantTensor loader:  44% Completed | 52470/120567 [00:04<00:04, 14636.05it/s]",
            "Loading weights: 52,470 of 120,567 tensors.",
            44,
        ),
        (
            "Loading safetensors using InstantTensor loader:   2% Completed | 1.20G/60.0G [00:01<00:17, 3.33GB/s]",
            "Loading weights: 1.20 GB of 60.0 GB.",
            2,
        ),
        (
            "Loading safetensors using InstantTensor loader:   2% Completed | 1.20GiB/60.0GiB [00:01<00:17, 3.33GB/s]",
            "Loading weights: 1.20 GB of 60.0 GB.",
            2,
        ),
        (
            "Loading safetensors using Fastsafetensor loader:  50% Completed | 21/42 [01:03<01:02,  2.98s/it]",
            "Loading weights: 21 of 42 shards.",
            50,
        ),
        (
            "Loading safetensors using Runai Model Streamer:  10% Completed | 30/300 [00:01<00:09, 30.0it/s]",
            "Loading weights: 30 of 300 shards.",
            10,
        ),
        (
            "Loading safetensors checkpoint shards (eager):  50% Completed | 1/2 [00:01<00:01,  1.0s/it]",
            "Loading weights: 1 of 2 shards.",
            50,
        ),
        ("Multi-thread loading shards:  27% Completed | 3/11 [00:09<00:24]", "Loading weights: 3 of 11 shards.", 27),
        ("Loading pt checkpoint shards: 100% Completed | 1/1 [00:09<00:00]", "Loading weights: 1 of 1 shards.", 100),
        ("Loading safetensors checkpoint shards:   3% Completed | 9/? [00:09<?]", "Loading weights: 3 percent.", 3),
    ],
)
def test_it_reads_every_kind_of_weight_bar(line: str, detail: str, percent: int) -> None:
    state = after(f"(Worker_TP0 pid=191) {line}")
    assert (state.detail, state.shards_percent, state.stage) == (detail, percent, Stage.LOADING)


@pytest.mark.parametrize(
    "line",
    [
        "Prefetching safetensors checkpoint shards: 100% Completed | 14/14 [00:11<00:00,  1.25it/s]",
        "INFO 03-20 08:18:51 [weight_utils.py:668] Prefetching checkpoint files: 90% (13/14)",
        "Fetching 14 files:  50%|█████     | 7/14 [02:10<02:10, 18.6s/it]",
        "model-00001-of-00014.safetensors:  50%|█████     | 2.1G/4.2G [02:10<02:10, 18.6MB/s]",
        "Processed prompts:  50%|█████     | 7/14 [00:10<00:10]",
        "DeepGEMM warmup:  30%|███       | 3/10 [00:01<00:03]",
        "Loading tokenizer: 100%",
    ],
)
def test_other_bars_are_not_the_load(line: str) -> None:
    assert after(LOADING, line) == after(LOADING)


def test_a_draft_model_restarts_the_bar_but_not_the_percent() -> None:
    draft = "INFO 11-29 09:13:51 [gpu_model_runner.py:3281] Loading drafter model..."
    state = after(LOADING, bar(14, 14), LOADED, draft, bar(1, 2))
    assert (state.stage, state.percent, state.shards_percent) == (Stage.LOADED, 71, 50)
    assert state.detail == "Loading the draft model's weights: 1 of 2 shards."


def test_the_numbers_of_a_draft_model_do_not_replace_those_of_the_model() -> None:
    state = after(
        "Resolved architecture: Qwen3ForCausalLM",
        "Using max model len 262144",
        "Resolved architecture: Eagle3LlamaForCausalLM",
        "Using max model len 40960",
        LOADED,
        "Loading weights took 2.04 seconds",
    )
    assert (state.architecture, state.max_model_len, state.weights_seconds) == ("Qwen3ForCausalLM", 262144, 42.9)


@pytest.mark.parametrize("late", [LOADING, bar(3, 14), LOADED, COMPILING, "Resolved architecture: X"])
def test_a_late_line_moves_neither_stage_nor_percent_nor_detail(late: str) -> None:
    before = after(LOADING, bar(14, 14), LOADED, COMPILING, KV_CACHE, GRAPHS)
    later = observe(before, late)
    assert (later.stage, later.percent, later.detail) == (before.stage, before.percent, before.detail)


def test_a_late_line_still_brings_its_number() -> None:
    assert after(KV_CACHE, "Model loading took 60.81 GiB memory and 44.102331 seconds").weights_gib == 60.81


def test_a_late_bar_after_the_weights_does_not_speak_of_a_draft_model() -> None:
    assert after(LOADING, bar(14, 14), LOADED, bar(13, 14)).detail == "The weights are loaded."


def test_without_graphs_the_load_goes_from_the_cache_to_serving() -> None:
    engine = "init engine (profile, create kv cache, warmup model) took 16.90 seconds"
    server = "Starting vLLM API server 0 on http://0.0.0.0:8000"
    states = [after(KV_CACHE), after(KV_CACHE, engine), after(KV_CACHE, engine, server)]
    assert [(state.stage, state.percent) for state in states] == [
        (Stage.KV_CACHE, 88),
        (Stage.KV_CACHE, 98),
        (Stage.KV_CACHE, 99),
    ]


def test_it_reads_the_numbers_of_the_cache_from_one_line_or_two() -> None:
    size, most = "GPU KV cache size: 623,104 tokens", "Maximum concurrency for 131,072 tokens per request: 4.75x"
    for state in (after(size, most), after(f"{size}, {most}")):
        assert (state.kv_cache_tokens, state.max_concurrency) == (623_104, 4.75)


def test_it_reads_the_version_in_every_wording() -> None:
    for line in (
        "vLLM API server version 0.11.2",
        "vLLM server version 0.19.1, serving model org/m",
        " ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.17.0",
        "Initializing a V1 LLM engine (v0.33.0) with config: model='org/m'",
        "Launching vLLM (v0.24.0rc1.dev2+gabc) headless multiproc executor, with head node address",
    ):
        assert after(line).vllm_version in {"0.11.2", "0.19.1", "0.17.0", "0.33.0", "0.24.0rc1.dev2+gabc"}


def test_it_adds_up_the_time_spent_downloading() -> None:
    line = "Time spent downloading weights for org/m: 1088.5 seconds"
    assert after(line, line.replace("1088", "1")).downloaded_seconds == 1090.0


def test_a_lower_fitted_context_length_replaces_the_models_own() -> None:
    fitted = "Auto-fit max_model_len: reduced from 262144 to 240000 to fit in available GPU memory"
    assert after("Using max model len 262144", fitted).max_model_len == 240_000


def test_a_log_that_starts_in_the_middle_of_serving_is_serving() -> None:
    line = "Engine 000: Avg prompt throughput: 1.0 tokens/s, Avg generation throughput: 2.0 tokens/s, Running: 1 reqs"
    assert after(line).startup_complete


def test_timestamps_prefixes_and_colours_do_not_matter() -> None:
    wrapped = (
        f"2026-11-20T10:00:01.5Z \x1b[1;36m(EngineCore_DP0 pid=1)\x1b[0m (RayWorkerWrapper pid=2, ip=10.0.0.2) {LOADED}"
    )
    assert after(wrapped) == after(LOADED)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Waiting for application startup.",
        "ERROR 11-20 10:00:02 [x.py:61] Failed to import Triton kernels. Error: No module named 'triton_kernels'",
        "GPU KV cache size: many tokens",
        "Loading weights took forever",
        "Loading safetensors checkpoint shards: " + "9" * 5000 + "% Completed | 1/2 [",
    ],
)
def test_an_unknown_line_leaves_the_state_as_it_is(line: str) -> None:
    assert observe(START, line) == START


def test_a_senseless_number_is_not_kept() -> None:
    assert after("Using max model len " + "9" * 5000).max_model_len is None
    assert after("GPU KV cache size: " + "9" * 5000 + " tokens").kv_cache_tokens is None


KNOWN = [LOADING, bar(0, 14), bar(7, 14), bar(14, 14), bar(1, 2), LOADED, COMPILING, KV_CACHE, GRAPHS, READY]


@given(st.lists(st.one_of(st.sampled_from(KNOWN), st.text(alphabet=st.characters())), max_size=30))
def test_whatever_comes_it_never_raises_and_never_goes_back(lines: list[str]) -> None:
    state = START
    for line in lines:
        later = observe(state, line)
        assert state.percent <= later.percent <= 100
        assert STAGES.index(state.stage) <= STAGES.index(later.stage)
        assert later.shards_percent is None or 0 <= later.shards_percent <= 100
        state = later
