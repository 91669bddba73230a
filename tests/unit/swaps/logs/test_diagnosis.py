import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.logs.diagnosis import Diagnosis, diagnose, from_exit_code, unexplained
from swaps.logs.rule import Rank
from swaps.logs.rules import EXIT_CODES, RULES

STARTING = "(EngineCore pid=140) INFO 11-20 10:00:31 [gpu_model_runner.py:4736] Starting to load model org/m..."
COMPILING = "(EngineCore pid=140) INFO 11-20 10:01:30 [backends.py:1112] Dynamo bytecode transform time: 9.80 s"
READY = "(APIServer pid=101) INFO:     Application startup complete."
OOM = "(EngineCore pid=140) ERROR 11-20 10:01:00 [core.py:99] torch.OutOfMemoryError: CUDA out of memory."
DISK = "(EngineCore pid=140) OSError: [Errno 28] No space left on device"
ODD = "(EngineCore pid=140) ERROR 11-20 10:01:00 [core.py:99] AttributeError: 'X' object has no attribute 'y'"
ENGINE = (
    "(APIServer pid=101) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)


def on_head(*texts: str) -> list[tuple[str, str]]:
    return [("spark-1", text) for text in texts]


def diagnosed(*texts: str, exit_code: int | None = None) -> Diagnosis:
    found = diagnose(on_head(*texts), exit_code=exit_code)
    assert found is not None
    return found


def code_of(*texts: str) -> str:
    return diagnosed(*texts).code


def test_a_log_without_a_failure_has_no_diagnosis() -> None:
    assert diagnose([]) is None
    assert diagnose(on_head(STARTING, COMPILING, READY)) is None


def test_the_first_cause_in_time_wins() -> None:
    assert code_of(OOM, DISK, ENGINE) == "out-of-memory"
    assert code_of(DISK, OOM, ENGINE) == "disk-full"


def test_the_first_cause_wins_on_whichever_node_it_was_printed() -> None:
    found = diagnose([("spark-1", STARTING), ("spark-2", DISK), ("spark-1", OOM), ("spark-1", ENGINE)])
    assert found is not None
    assert (found.code, found.node) == ("disk-full", "spark-2")


def test_a_ray_worker_in_the_heads_log_is_told_by_its_address() -> None:
    line = (
        "(EngineCore_DP0 pid=1) (RayWorkerWrapper pid=2, ip=192.168.177.12) torch.OutOfMemoryError: CUDA out of memory."
    )
    assert diagnosed(line).node == "192.168.177.12"


def test_a_cause_that_its_own_process_survived_is_none() -> None:
    assert code_of(DISK, STARTING, ODD, ENGINE) == "engine-failed"


def test_progress_of_another_process_proves_nothing() -> None:
    worker_progress = STARTING.replace("EngineCore pid=140", "Worker_TP0 pid=191")
    assert code_of(DISK, worker_progress, ENGINE) == "disk-full"


def test_progress_of_another_node_proves_nothing() -> None:
    found = diagnose([("spark-2", DISK), ("spark-1", STARTING), ("spark-1", ENGINE)])
    assert found is not None and found.code == "disk-full"


def test_nothing_before_serving_explains_a_later_death() -> None:
    assert diagnose([("spark-2", DISK), ("spark-1", READY)]) is None


def test_a_warning_is_only_a_hint() -> None:
    warning = "(EngineCore pid=140) WARNING 11-20 10:00:23 [caching.py:77] No space left on device"
    assert code_of(warning) == "disk-full"
    assert code_of(warning, ODD, ENGINE) == "engine-failed"
    assert diagnose(on_head(warning, STARTING)) is None


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_info_and_debug_lines_are_no_causes(level: str) -> None:
    assert diagnose(on_head(f"(APIServer pid=101) {level} 11-20 10:00:23 [x.py:7] CUDA out of memory")) is None


def test_an_unknown_exception_is_quoted() -> None:
    found = diagnosed(STARTING, ODD, ENGINE)
    assert found.code == "engine-failed"
    assert "AttributeError: 'X' object has no attribute 'y'" in found.sentence
    assert "while loading the weights" in found.sentence


def test_of_a_chained_traceback_the_last_exception_is_quoted() -> None:
    last = ODD.replace("AttributeError: 'X' object has no attribute 'y'", "ValueError: layer 7 is wrong")
    assert "layer 7 is wrong" in diagnosed(ODD, last, ENGINE).sentence


def test_exceptions_of_the_clean_up_are_not_quoted() -> None:
    cancelled = "(APIServer pid=101) asyncio.exceptions.CancelledError"
    assert "'X' object" in diagnosed(ODD, ENGINE, cancelled).sentence
    assert diagnosed(cancelled).code == "engine-failed"


def test_a_request_that_failed_while_serving_is_no_death() -> None:
    assert diagnose(on_head(READY, "(APIServer pid=101) ValueError: bad request")) is None


def test_a_death_after_serving_has_its_own_code() -> None:
    dead = "ERROR 11-20 10:09:00 [async_llm.py:7] vllm.v1.EngineDeadError: EngineCore encountered an issue."
    assert code_of(READY, dead) == "crashed-after-start"
    assert code_of(READY, ODD, dead) == "crashed-after-start"
    assert code_of(dead) == "engine-failed"


def test_the_cause_of_a_death_may_be_printed_after_the_word_of_it() -> None:
    """API server and engine write their own buffers: the engine's traceback may come second."""
    dead = "(APIServer pid=101) ERROR 11-20 10:09:00 [async_llm.py:7] EngineDeadError: EngineCore encountered an issue."
    assert "'X' object" in diagnosed(READY, dead, ODD).sentence


def test_a_request_that_failed_long_before_the_death_is_not_its_cause() -> None:
    dead = "(APIServer pid=101) ERROR 11-20 10:09:00 [async_llm.py:7] EngineDeadError: EngineCore encountered an issue."
    served = ["(APIServer pid=101) INFO:     192.168.1.20:1 - GET /health"] * 200
    assert "bad request" not in diagnosed(READY, "(APIServer pid=101) ValueError: bad request", *served, dead).sentence


def test_words_in_an_echoed_command_are_no_events() -> None:
    assert diagnose(on_head("Executing command: vllm serve m --served-model-name 'Too many open files'")) is None


def test_source_lines_of_a_traceback_are_not_the_evidence() -> None:
    source = '(EngineCore pid=140)     raise ValueError("No available memory for the cache blocks. "'
    message = "(EngineCore pid=140) ValueError: No available memory for the cache blocks. Try increasing"
    assert diagnosed(source, message).evidence.startswith("ValueError: No available memory")


def test_it_names_port_and_model_from_the_lines_before() -> None:
    args = "(APIServer pid=1) INFO 11-20 10:00:01 [utils.py:233] non-default args: {'model': 'org/m', 'port': 8888}"
    assert "port 8888" in diagnosed(args, "OSError: [Errno 98] Address already in use").sentence
    launched = "Executing command: vllm serve org/m --port 8123"
    assert "port 8123" in diagnosed(launched, "OSError: [Errno 98] Address already in use").sentence
    assert "its port" in diagnosed("OSError: [Errno 98] Address already in use").sentence


def test_it_proposes_a_memory_share_only_when_it_would_help() -> None:
    line = (
        "ValueError: Free memory on device ({}/119.7 GiB) on startup is less than desired "
        "GPU memory utilization (0.9, 107.73 GiB)."
    )
    assert "0.82 or less" in diagnosed(line.format("101.0")).remedy
    assert "utilization" not in diagnosed(line.format("6.0")).remedy


def test_a_context_estimate_of_nothing_is_not_proposed() -> None:
    line = (
        "ValueError: To serve at least one request with the model's max seq len (8192), (2.0 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (0.1 GiB). Based on the available memory, the estimated "
        "maximum model length is 0."
    )
    found = diagnosed(line)
    assert found.code == "context-too-long"
    assert "2.0 GiB" in found.sentence and " 0 " not in found.remedy


def test_secrets_never_reach_a_diagnosis() -> None:
    found = diagnosed("vllm serve: error: argument --port: invalid int value: 'hf_ABCDEFGH12345678'")
    assert "ABCDEFGH12345678" not in repr(found)
    found = diagnosed("requests.HTTPError: 401 Client Error for url: https://u:pw12345@hf.co/org/m?token=abcdef")
    assert "pw12345" not in repr(found) and "abcdef" not in repr(found)


def test_evidence_stays_short() -> None:
    assert len(diagnosed("ValueError: CUDA out of memory " + "x" * 9000).evidence) <= 500


def test_an_exit_code_speaks_only_when_the_log_does_not() -> None:
    assert diagnosed(OOM, exit_code=137).code == "out-of-memory"
    assert diagnosed(ODD, ENGINE, exit_code=137).code == "engine-failed"
    assert diagnosed(ENGINE, exit_code=137).code == "killed"
    assert diagnosed(STARTING, exit_code=137).code == "killed"
    assert diagnose(on_head(STARTING), exit_code=0) is None


@pytest.mark.parametrize("exit_code", [1, 2, 3, 125, 126, 127, 134, 137, 139, 143, 255, -9])
def test_every_exit_code_has_a_sentence_that_names_it(exit_code: int) -> None:
    found = from_exit_code(exit_code)
    assert found is not None
    assert str(exit_code) in found.sentence
    assert found.remedy.endswith(".")


def test_no_failure_has_no_exit_code() -> None:
    assert from_exit_code(0) is None
    assert from_exit_code(None) is None


def test_an_unexplained_death_quotes_the_last_line_that_says_anything() -> None:
    found = unexplained([("spark-1", STARTING), ("spark-2", "it went dark"), ("spark-2", "(Worker pid=1) ")])
    assert (found.code, found.node, found.evidence) == ("unexplained", "spark-2", "it went dark")
    assert "it went dark" in found.sentence


def test_an_unexplained_death_may_have_said_nothing() -> None:
    assert unexplained([]).sentence == "vLLM ended without printing anything."
    assert unexplained(["", "  "]).node is None
    assert "hf_***" in unexplained(["token hf_ABCDEFGH12345678"]).sentence


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.code}: {rule.pattern.pattern[:40]}")
def test_every_rule_can_be_told_without_numbers(rule: object) -> None:
    from_table = next(known for known in RULES if known is rule)
    last = from_table.tellings[-1]
    assert last.facts is None
    assert all(telling.facts for telling in from_table.tellings[:-1])
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", from_table.code)
    assert from_table.code_when_serving is None or from_table.rank is not Rank.CAUSE or "nccl" in from_table.code
    for telling in from_table.tellings:
        assert telling.sentence.endswith((".", "{advice}")) and telling.remedy.endswith((".", "{advice}"))


def test_exit_codes_have_stable_codes() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code, _ in EXIT_CODES.values())


PIECES = [
    STARTING,
    READY,
    OOM,
    ODD,
    ENGINE,
    "Free memory on device ({}/{x} GiB) {0}",
    "error: unrecognized arguments: {bad} %s",
    "401 Client Error for url: https://hf.co/{a}/{b}",
    "Timed out waiting for engine Waited 999999s",
    "Not enough free disk space to download expected file size is: 1.2.3 MB x only has . MB",
    "Free memory on device (1.2.3/4.5.6 GiB) utilization (.., 3.3.3 GiB)",
    "Free memory on device (1/0 GiB) utilization (1, 1 GiB)",
    "Available KV cache memory: -... GiB",
    "No available memory for the cache blocks.",
]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.one_of(st.sampled_from(PIECES), st.text(alphabet=st.characters())))
    ),
    st.none() | st.integers(-300, 300),
)
def test_whatever_is_in_a_log_it_never_raises(lines: list[tuple[str, str]], exit_code: int | None) -> None:
    found = diagnose(lines, exit_code=exit_code)
    assert found is None or (found.sentence and found.remedy and found.code)
    assert unexplained(lines).sentence
