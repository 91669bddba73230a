import json

from cluster.probes import COMMAND, read_host
from cluster.readings import Container, GpuProcess, HostReading

ID = "4f1c" * 16
ROW = {"ID": ID, "Names": "vllm_node", "Image": "vllm-node", "Command": '"sleep infinity"', "Status": "Up 1 hour"}
OUTPUT = f"""\
Last login: never
@@spark-control boot_id
8c7f5c1e-0000-4000-8000-000000000000

@@spark-control status 0
@@spark-control uptime
3601.25 70000.10

@@spark-control status 0
@@spark-control meminfo
MemTotal:       125491516 kB
MemAvailable:    9003120 kB

@@spark-control status 0
@@spark-control docker
{json.dumps(ROW)}

@@spark-control status 0
@@spark-control gpu
NVIDIA GB10, 580.95.05, 96, 71, 88.4, 2405

@@spark-control status 0
@@spark-control apps
4242, VLLM::EngineCore, 98304
77, python3, 512

@@spark-control status 0
@@spark-control groups
4242 0::/system.slice/docker-{ID}.scope
77 0::/user.slice

@@spark-control status 0
"""


def test_the_parts_become_one_reading() -> None:
    reading = read_host(OUTPUT.split("\n"), 12.5)
    assert (reading.reachable_ms, reading.uptime_seconds) == (12.5, 3601.25)
    assert reading.boot_id == "8c7f5c1e-0000-4000-8000-000000000000"
    assert (reading.gpu_name, reading.gpu_busy_percent, reading.gpu_clock_mhz) == ("NVIDIA GB10", 96, 2405)
    assert reading.gpu_processes == (
        GpuProcess(4242, "VLLM::EngineCore", 98304, "vllm_node"),
        GpuProcess(77, "python3", 512),
    )
    assert reading.gpu_memory_mib == 98816
    assert reading.docker_ok and not reading.docker_problem and not reading.gpu_problem
    assert reading.containers[0].on_gpu and reading.containers[0].kind == "launcher"
    assert reading.hostname is None and reading.disk_free_bytes is None


def test_a_probe_cut_short_keeps_what_came() -> None:
    cut = OUTPUT[: OUTPUT.index("NVIDIA GB10")]
    reading = read_host(cut.split("\n"))
    assert reading.mem_available_bytes == 9003120 * 1024 and reading.docker_ok
    assert reading.gpu_name is None and "driver may be stuck" in reading.gpu_problem


def test_every_prefix_of_a_probe_is_a_reading() -> None:
    for end in range(0, len(OUTPUT), 7):
        assert isinstance(read_host(OUTPUT[:end].split("\n")), HostReading)


def test_nothing_is_an_empty_reading() -> None:
    assert read_host([]) == HostReading()


def test_a_reading_survives_being_stored_as_json() -> None:
    reading = read_host(OUTPUT.split("\n"), 3.0)
    assert HostReading.from_dict(json.loads(json.dumps(reading.as_dict()))) == reading


def test_a_reading_of_another_version_is_read_as_far_as_it_goes() -> None:
    stored = {"mem_total_bytes": 5, "gone": 1, "containers": [{"name": "a", "image": "b", "new": 2}]}
    assert HostReading.from_dict(stored) == HostReading(mem_total_bytes=5, containers=(Container("a", "b"),))
    assert HostReading.from_dict({}) == HostReading()


def test_the_question_fits_into_one_command() -> None:
    assert len(COMMAND.wire()) < 8000
