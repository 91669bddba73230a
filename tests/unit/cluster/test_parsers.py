import json

import pytest

from cluster import parsers
from cluster.parsers import Section
from cluster.readings import Gpu, GpuProcess

MEMINFO = """\
MemTotal:       125491516 kB
MemFree:          812340 kB
MemAvailable:   119003120 kB
SwapTotal:      16777212 kB
SwapFree:       16777212 kB
HugePages_Total:       0
Active(anon):       1024 kB
"""
ID = "4f1c" * 16


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61", 61.0),
        (" 16.12 ", 16.12),
        ("61 C", 61.0),
        ("-3", -3.0),
        *(
            (nothing, None)
            for nothing in ("[N/A]", "[Not Supported]", "[Unknown Error]", "", None, "nan", "inf", "abc")
        ),
    ],
)
def test_a_number_is_a_number_or_unknown(text: str | None, value: float | None) -> None:
    assert parsers.number(text) == value


def test_memory_is_read_in_bytes() -> None:
    memory = parsers.meminfo(MEMINFO)
    assert memory["MemTotal"] == 125491516 * 1024
    assert memory["MemAvailable"] == 119003120 * 1024
    assert memory["HugePages_Total"] == 0 and memory["Active(anon)"] == 1024 * 1024
    assert parsers.meminfo("") == parsers.meminfo("MemTotal: lots kB") == {}


def test_memory_pressure_is_the_ten_second_average_of_some() -> None:
    text = "some avg10=1.25 avg60=0.10 avg300=0.00 total=100\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=0\n"
    assert parsers.pressure_some_avg10(text) == 1.25
    assert parsers.pressure_some_avg10("") is None


def test_the_hottest_sane_zone_counts() -> None:
    assert parsers.hottest("45800\n61300\n-274000\n0\n999999\ngarbage\n") == 61.3
    assert parsers.hottest("") is None


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/nvme0n1p2 3936 1000 2936 26% /", (3936, 2936)),
        ("Filesystem 1-blocks Used Available Capacity Mounted on\n//nas/my share 10 1 9 10% /mnt/my share", (10, 9)),
        ("df: /x: No such file or directory", (None, None)),
        ("", (None, None)),
    ],
)
def test_disk_room_comes_from_df(text: str, room: tuple[int | None, int | None]) -> None:
    assert parsers.disk(text) == room


def test_the_gpu_of_a_spark_is_read_with_its_gaps() -> None:
    assert parsers.gpu("NVIDIA GB10, 580.95.05, 0, 67, 16.12, [N/A]\n") == Gpu(
        "NVIDIA GB10", "580.95.05", 0.0, 67.0, 16.12, None
    )
    assert parsers.gpu("NVIDIA GB10, 580.95.05, [N/A], [Not Supported], [N/A], 2405").clock_mhz == 2405
    assert parsers.gpu("") == parsers.gpu("No devices were found") == Gpu()


def test_gpu_processes_are_read_with_commas_in_names_and_unknown_memory() -> None:
    text = "4242, VLLM::EngineCore, 98304\n 77, /opt/my, odd name, [N/A]\nNo running processes found\n"
    assert parsers.gpu_processes(text, {4242: "vllm_node"}) == (
        GpuProcess(4242, "VLLM::EngineCore", 98304, "vllm_node"),
        GpuProcess(77, "/opt/my, odd name", None),
    )


def test_processes_are_placed_in_their_container_by_cgroup() -> None:
    text = (
        f"4242 0::/system.slice/docker-{ID}.scope\n"
        f"43 12:memory:/docker/{'ab' * 32}\n43 11:cpu:/docker/{'ab' * 32}\n"
        "77 0::/user.slice/user-1000.slice/session-3.scope\n"
    )
    assert parsers.cgroup_containers(text) == {4242: ID, 43: "ab" * 32}


def _row(**words: str) -> str:
    plain = {"ID": ID, "Names": "vllm_node", "Image": "vllm-node", "Command": '"sleep infinity"', "Labels": ""}
    return json.dumps({**plain, "State": "running", "Status": "Up 2 hours", **words})


def test_a_container_is_read_with_kind_and_kept_labels() -> None:
    row = _row(Labels="maintainer=NVIDIA, Inc. <a@b>,sparkctl.swap=17,sparkctl.fence=3,desc=a,b=c,odd")
    (one,) = parsers.containers(row, on_gpu=[ID])
    assert (one.name, one.image, one.status, one.running, one.command, one.kind, one.on_gpu) == (
        "vllm_node",
        "vllm-node",
        "Up 2 hours",
        True,
        "sleep infinity",
        "launcher",
        True,
    )
    assert one.labels == {"sparkctl.swap": "17", "sparkctl.fence": "3"}


def test_only_containers_that_use_the_gpu_are_listed() -> None:
    rows = [
        _row(ID="aa" * 32, Names="qdrant", Image="qdrant/qdrant", Command="./entrypoint.sh"),
        _row(ID="bb" * 32, Names="kokoro", Image="ghcr.io/remsky/kokoro-fastapi-gpu", Command="./run.sh"),
        _row(
            ID="cc" * 32,
            Names="vllm-old",
            Image="vllm/vllm-openai:v0.19.1",
            Command="vllm",
            State="exited",
            Status="Exited (1)",
        ),
    ]
    found = parsers.containers("\n".join(["WARNING: something", *rows, "{broken", "[1]"]), on_gpu=["bb" * 32])
    assert [(one.name, one.kind, one.on_gpu, one.running) for one in found] == [
        ("kokoro", "other", True, True),
        ("vllm-old", "vllm", False, False),
    ]


def test_a_docker_without_the_state_column_still_tells_what_runs() -> None:
    row = json.dumps({"ID": ID, "Names": "vllm-x", "Image": "vllm-node", "Status": "Up 3 minutes"})
    assert parsers.containers(row)[0].running


@pytest.mark.parametrize(
    ("command", "masked"),
    [
        ("vllm serve m --api-key abc --port 8000", "vllm serve m --api-key *** --port 8000"),
        ("vllm serve m --api-key=abc", "vllm serve m --api-key=***"),
        ("env HF_TOKEN=abc NGC_API_KEY=def run", "env HF_TOKEN=*** NGC_API_KEY=*** run"),
        ("x hf_abcdefghij y nvapi-abcdefghijkl", "x *** y ***"),
        ("vllm serve org/model --max-num-batched-tokens 4096", "vllm serve org/model --max-num-batched-tokens 4096"),
        ("vllm serve hf_model --tokenizer org/tok", "vllm serve hf_model --tokenizer org/tok"),
    ],
)
def test_a_command_is_shown_without_its_keys(command: str, masked: str) -> None:
    assert parsers.mask(command) == masked


@pytest.mark.parametrize(
    ("status", "text", "word"),
    [
        (0, "", ""),
        (127, "timeout: failed to run command 'docker'", "not installed"),
        (124, "", "did not answer within 3 s"),
        (137, "", "did not answer within 3 s"),
        (None, "", "did not answer within 3 s"),
        (1, "permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
        (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?", "systemctl start"),
        (1, "\nunknown flag: --no-trunc\nusage", "unknown flag: --no-trunc"),
        (1, "", "no message"),
    ],
)
def test_a_docker_that_does_not_work_is_told_with_a_remedy(status: int | None, text: str, word: str) -> None:
    assert word in parsers.docker_problem(Section(text, status))
    assert bool(parsers.docker_problem(Section(text, status))) == bool(word)


@pytest.mark.parametrize(
    ("status", "text", "word"),
    [
        (0, "", ""),
        (127, "", "not installed"),
        (124, "", "driver may be stuck"),
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "couldn't communicate"),
    ],
)
def test_an_nvidia_smi_that_does_not_work_is_told(status: int | None, text: str, word: str) -> None:
    assert word in parsers.gpu_problem(Section(text, status))


def test_sections_survive_noise_before_gaps_between_and_a_cut_at_the_end() -> None:
    lines = "Welcome!\n@@spark-control a\none\ntwo\n\n@@spark-control status 0\n\n@@spark-control b\n\n"
    lines += "@@spark-control status 127\n\n@@spark-control c\nhalf"
    assert parsers.sections(lines.split("\n")) == {
        "a": Section("one\ntwo\n", 0),
        "b": Section("", 127),
        "c": Section("half", None),
    }
    assert parsers.sections([]) == parsers.sections(["noise", "@@spark-control status 0"]) == {}


NEW = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-8B"} 2.0
vllm:num_requests_running{engine="1",model_name="Qwen/Qwen3-8B"} 1.0
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-8B"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.5
vllm:prompt_tokens_total{engine="0",model_name="a"} 1.234e+06
vllm:generation_tokens_total{engine="0",model_name="odd \\"name\\" {x} = 3"} 98765.0 1700000000000
vllm:generation_tokens_created{engine="0",model_name="a"} 1.7e+09
python_gc_objects_collected_total{generation="0"} 1.0
"""
OLD = """\
vllm:num_requests_running{engine="0",model_name="a"} 0.0
vllm:gpu_cache_usage_perc{engine="0",model_name="a"} NaN
vllm:gpu_cache_usage_perc{engine="1",model_name="a"} 0.75
"""


def test_metrics_of_new_and_old_vllm_are_read_and_summed_over_engines() -> None:
    new = parsers.vllm_metrics(NEW)
    assert (new.running, new.waiting, new.kv_cache_used) == (3, 4, 0.5)
    assert (new.prompt_tokens_total, new.generation_tokens_total) == (1_234_000, 98765)
    old = parsers.vllm_metrics(OLD)
    assert (old.running, old.waiting, old.kv_cache_used, old.generation_tokens_total) == (0, None, 0.75, None)
    assert parsers.vllm_metrics("<html>not metrics</html>") == parsers.VllmMetrics()


def test_labels_of_a_sample_are_unescaped() -> None:
    (sample,) = parsers.prometheus('a:b{x="1\\n2",y="q\\"\\\\",} +Inf\na:b{x="}"} 5', "a:")
    assert (sample.name, sample.labels, sample.value) == ("a:b", {"x": "}"}, 5.0)
    (sample,) = parsers.prometheus('m{x="1\\n2",y="q\\"\\\\"} 1')
    assert sample.labels == {"x": "1\n2", "y": 'q"\\'}


def test_a_gpu_process_is_told_with_who_started_it() -> None:
    (process,) = parsers.gpu_processes("4711, python3, 2048", {}, parsers.owners("4711 ana\n\n12 \n"))
    assert (process.pid, process.user, process.memory_mib) == (4711, "ana", 2048)
