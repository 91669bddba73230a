"""How far a vLLM start is, read from its log: phases, percent and the numbers worth keeping.

Wording of vLLM 0.10 to 0.33 (spark-facts section 3.2). Every search is unanchored, because lines
may carry timestamps, process prefixes and colours. A line that is not known changes nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from swaps.logs.splitting import clean_line


class Stage(StrEnum):
    """Phases of a start, in the order they normally come."""

    STARTING = "starting"
    CONFIG = "config"
    ENGINE = "engine"
    LOADING = "loading"
    LOADED = "loaded"
    COMPILING = "compiling"
    KV_CACHE = "kv_cache"
    GRAPHS = "graphs"
    SERVING = "serving"


STAGES = tuple(Stage)

# Share of the whole load at which each stage begins. Reading the weights is most of a warm load
# on a Spark (two to six minutes from disk), hence 8 to 70; compiling, profiling and graph capture
# share nearly all the rest. The last percents are the API server, a matter of seconds. Steps
# inside a stage print no progress of their own, so they only nudge the number.
STAGE_STARTS: dict[Stage, int] = {
    Stage.STARTING: 0,
    Stage.CONFIG: 3,
    Stage.ENGINE: 5,
    Stage.LOADING: 8,
    Stage.LOADED: 70,
    Stage.COMPILING: 74,
    Stage.KV_CACHE: 88,
    Stage.GRAPHS: 90,
    Stage.SERVING: 100,
}
_WEIGHTS_END = 70
_GRAPHS_END = 97


@dataclass(frozen=True)
class LoadState:
    """What the log has told so far. `percent` is of the whole load and never decreases."""

    stage: Stage = Stage.STARTING
    percent: int = 0
    shards_percent: int | None = None
    detail: str = "Waiting for vLLM's first words."
    vllm_version: str | None = None
    architecture: str | None = None
    max_model_len: int | None = None
    weights_gib: float | None = None
    weights_seconds: float | None = None
    kv_cache_tokens: int | None = None
    max_concurrency: float | None = None
    downloaded_seconds: float | None = None
    startup_complete: bool = False


START = LoadState()
_DRAFT = "Loading the draft model's weights"

_Reader = Callable[[LoadState, re.Match[str]], LoadState]


def observe(state: LoadState, line: str) -> LoadState:
    """The state after one more line of the rank-0 log. Never raises, never goes backwards."""
    text = clean_line(line)
    for pattern, read in _FACTS:
        if match := pattern.search(text):
            state = read(state, match)
    for pattern, read in _STEPS:
        if match := pattern.search(text):
            return read(state, match)
    return state


def _reach(state: LoadState, stage: Stage, percent: int, detail: str) -> LoadState:
    older = STAGES.index(stage) < STAGES.index(state.stage)
    if older or (stage is state.stage and percent < state.percent):
        # A late line: written earlier by another process, flushed only now.
        return state
    return replace(state, stage=stage, percent=max(percent, state.percent), detail=detail)


def _step(stage: Stage, percent: int, detail: str) -> _Reader:
    def read(state: LoadState, match: re.Match[str]) -> LoadState:
        return _reach(state, stage, percent, detail.format(*match.groups()))

    return read


def _engine_ready(percent: int) -> _Reader:
    def read(state: LoadState, _match: re.Match[str]) -> LoadState:
        # With --enforce-eager no graphs are captured, so the stage before it may be kv_cache.
        stage = max(state.stage, Stage.KV_CACHE, key=STAGES.index)
        return _reach(state, stage, percent, "The engine is ready; starting the API server.")

    return read


def _read_bar(state: LoadState, match: re.Match[str]) -> LoadState:
    shards = min(100, int(match["percent"]))
    if STAGES.index(state.stage) > STAGES.index(Stage.LOADED):
        return state
    state = replace(state, shards_percent=shards)
    amount = _amount(match)
    if state.stage is Stage.LOADED:
        # vLLM reads a draft model's weights after the model's own; any other bar here is late.
        drafting = state.detail.startswith(_DRAFT)
        return replace(state, detail=f"{_DRAFT}: {amount}." if drafting else state.detail)
    span = _WEIGHTS_END - STAGE_STARTS[Stage.LOADING]
    percent = max(state.percent, STAGE_STARTS[Stage.LOADING] + span * shards // 100)
    return replace(state, stage=Stage.LOADING, percent=percent, detail=f"Loading weights: {amount}.")


def _amount(match: re.Match[str]) -> str:
    done, total = match["done"], match["total"]
    if total == "?":
        return f"{match['percent']} percent"
    if not total.isdigit():
        return f"{_bytes(done)} of {_bytes(total)}"
    unit = "tensors" if "InstantTensor" in match["kind"] else "shards"
    return f"{_grouped(done)} of {_grouped(total)} {unit}"


def _bytes(amount: str) -> str:
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", amount).groups()  # type: ignore[union-attr]
    return f"{number} {unit.rstrip('iB')}B" if unit else number


def _grouped(number: str) -> str:
    return f"{int(number):,}" if number.isdigit() else number


def _read_graph_bar(state: LoadState, match: re.Match[str]) -> LoadState:
    done = min(100, int(match["percent"]))
    begin = STAGE_STARTS[Stage.GRAPHS]
    percent = begin + (_GRAPHS_END - begin) * done // 100
    return _reach(state, Stage.GRAPHS, percent, f"Capturing CUDA graphs: {done} percent.")


def _read_startup_complete(state: LoadState, _match: re.Match[str]) -> LoadState:
    return replace(state, stage=Stage.SERVING, percent=100, detail="vLLM is serving.", startup_complete=True)


def _read_version(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, vllm_version=state.vllm_version or match[1].lstrip("v").rstrip(",."))


def _read_architecture(state: LoadState, match: re.Match[str]) -> LoadState:
    # A draft model resolves a second one; the first is the model's own.
    return replace(state, architecture=state.architecture or match[1])


def _read_max_model_len(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, max_model_len=state.max_model_len or int(match[1]))


def _read_fitted_len(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, max_model_len=int(match[1]))


def _read_weights_seconds(state: LoadState, match: re.Match[str]) -> LoadState:
    # Printed again for a draft model, which is always the quicker one.
    return replace(state, weights_seconds=max(state.weights_seconds or 0.0, float(match[1])))


def _read_weights_gib(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, weights_gib=max(state.weights_gib or 0.0, float(match[1])))


def _read_kv_tokens(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, kv_cache_tokens=int(match[1].replace(",", "")))


def _read_concurrency(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, max_concurrency=float(match[1]))


def _read_download(state: LoadState, match: re.Match[str]) -> LoadState:
    return replace(state, downloaded_seconds=(state.downloaded_seconds or 0.0) + float(match[1]))


_INT = r"(\d{1,12})"
_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"
_GROUPED = r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,12})"

_FACTS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (re.compile(r"vLLM(?: API)? server version (\S{1,60})"), _read_version),
    (re.compile(r"[█▄▀]\s+version (\S{1,60})"), _read_version),
    (re.compile(r"Initializing a V1 LLM engine \(v([^)\s]{1,60})\)"), _read_version),
    (re.compile(r"Launching vLLM \(v([^)\s]{1,60})\) headless"), _read_version),
    (re.compile(r"Resolved architecture: (\w{1,120})"), _read_architecture),
    (re.compile(rf"Using max model len {_INT}\b"), _read_max_model_len),
    (
        re.compile(rf"Auto-fit max_model_len: reduced from \d{{1,12}} to {_INT}\b"),
        _read_fitted_len,
    ),
    (
        re.compile(rf"Time spent downloading weights for .{{1,300}}?: {_NUMBER} seconds"),
        _read_download,
    ),
    (re.compile(rf"Loading weights took {_NUMBER} seconds"), _read_weights_seconds),
    (
        re.compile(rf"Model loading took {_NUMBER} GiB(?: memory)? and \d[\d.]* seconds"),
        _read_weights_gib,
    ),
    (re.compile(rf"GPU KV cache size: {_GROUPED} tokens"), _read_kv_tokens),
    (
        re.compile(rf"Maximum concurrency for [\d,]+ tokens per request: {_NUMBER}x"),
        _read_concurrency,
    ),
)

_BAR = re.compile(
    # The shape of vLLM's weight bars. Prefetch and download bars lack "loading" or "Completed".
    r"(?P<kind>\b(?:Multi-thread loading shards|Loading [^:%|]{0,80}?"
    r"(?:checkpoint shards|loader|Streamer)[^:%|]{0,30}))"
    r":\s*(?P<percent>\d{1,3})% Completed \|"
    r"\s*(?P<done>[\d.]{1,12}[kKMGTP]?i?B?)/(?P<total>[\d.]{1,12}[kKMGTP]?i?B?|\?)\s*\["
)

_STEPS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (_BAR, _read_bar),
    (re.compile(r"Application startup complete\.?\s*$"), _read_startup_complete),
    (
        re.compile(r"Avg prompt throughput: [\d.]+ tokens/s, Avg generation throughput:"),
        _read_startup_complete,
    ),
    (re.compile(r"Capturing CUDA graphs?[^:]{0,80}:\s*(?P<percent>\d{1,3})%"), _read_graph_bar),
    (
        re.compile(r"Starting vLLM (?:API )?server (?:\d+ )?on \S+"),
        _engine_ready(99),
    ),
    (
        re.compile(r"init engine \(profile, create kv cache, warmup model\) took"),
        _engine_ready(98),
    ),
    (
        re.compile(r"Graph capturing finished in"),
        _step(Stage.GRAPHS, 97, "CUDA graphs are captured."),
    ),
    (
        re.compile(r"GPU KV cache size: [\d,]+ tokens"),
        _step(Stage.KV_CACHE, 89, "The KV cache is set up."),
    ),
    (
        re.compile(r"Available KV cache memory: -?[\d.]+ GiB"),
        _step(Stage.KV_CACHE, 88, "Setting up the KV cache."),
    ),
    (
        re.compile(r"Initial profiling/warmup run took"),
        _step(Stage.COMPILING, 87, "Measuring how much memory the model needs."),
    ),
    (
        re.compile(r"torch\.compile (?:took|takes) [\d.]+ s in total"),
        _step(Stage.COMPILING, 86, "The model is compiled; warming up."),
    ),
    (
        re.compile(r"Directly load the compiled graph"),
        _step(Stage.COMPILING, 82, "Using the compiled model from the cache."),
    ),
    (
        re.compile(r"Compiling a graph for "),
        _step(Stage.COMPILING, 80, "Compiling the model."),
    ),
    (
        re.compile(r"Dynamo bytecode transform time"),
        _step(Stage.COMPILING, 77, "Compiling the model."),
    ),
    (
        re.compile(r"Using cache directory: .{1,400} for vLLM's torch\.compile|Starting torch\.compile"),
        _step(Stage.COMPILING, 74, "Compiling the model."),
    ),
    (
        re.compile(r"Model loading took \d[\d.]* GiB"),
        _step(Stage.LOADED, 72, "The weights are loaded."),
    ),
    (re.compile(r"Loading draft(?:er)? model"), _step(Stage.LOADED, 71, f"{_DRAFT}.")),
    (
        re.compile(r"Loading weights took \d[\d.]* seconds"),
        _step(Stage.LOADED, 70, "The weights are loaded."),
    ),
    (
        re.compile(r"Time spent downloading weights for "),
        _step(Stage.LOADING, 9, "The weights are downloaded; loading them."),
    ),
    (
        re.compile(r"Starting to load model (\S{1,300}?)\.\.\."),
        _step(Stage.LOADING, 8, "Loading {0}: opening the weights."),
    ),
    (
        re.compile(r"Initializing a V1 LLM engine \(v|Launching vLLM \(v\S+\) headless"),
        _step(Stage.ENGINE, 5, "Starting the engine."),
    ),
    (
        re.compile(r"Resolved architecture: |Using max model len \d"),
        _step(Stage.CONFIG, 4, "Reading the model's configuration."),
    ),
    (
        re.compile(r"non-default args: \{|vLLM(?: API)? server version |[█▄▀]\s+version \d"),
        _step(Stage.CONFIG, 3, "vLLM is starting."),
    ),
)
