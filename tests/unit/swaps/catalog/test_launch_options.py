"""Arguments for the launcher, for docker and for vLLM: the lists of what may pass, and reading them."""

from dataclasses import replace
from typing import Any

import pytest

from swaps.catalog.definition import Definition, validate
from swaps.catalog.vllm_options import option_values, parallel_size, without_option

SOUND = Definition("qwen", "Qwen", repo="Qwen/Qwen3-32B")
LOCAL = replace(SOUND, repo=None, local_path="/home/u/models/m")


def problems(base: Definition = SOUND, **changes: Any) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in validate(replace(base, **changes))]


@pytest.mark.parametrize(
    "words",
    [
        *[
            ("-n", "1.2.3.4"),
            ("--nodes", "x"),
            ("--name", "x"),
            ("-d",),
            ("--solo",),
            ("-e", "A=1"),
            ("--apply-mod", "x"),
        ],
        *[
            ("--launch-script", "x"),
            ("--check-config",),
            ("--config", "/x"),
            ("--setup",),
            ("-p", "1:1"),
            ("exec", "sh"),
        ],
        *[
            ("--apply-vllm-pr", "1"),
            ("start",),
            ("stop",),
            ("x",),
            ("--unknown",),
            ("-t",),
            ("-t", "-x"),
            ("-v", "/:/x"),
        ],
        *[
            ("-v", "/etc/x:/x"),
            ("-v", "x:/x"),
            ("-v", "/home/u/../x:/x"),
            ("-v", "/home/u/x:/x:exec"),
            ("-v", "/home/u/x"),
        ],
        *[("--eth-if", "a b"), ("--eth-if", "-x"), ("--nccl-debug", "ALL"), ("--nccl-debug",), ("--master-port", "0")],
        *[("--earlyoom-args", "$(x)"), ("-j", "0"), ("--pids-limit", "1"), ("--non-privileged", "--mem-limit-gb", "x")],
        *[
            ("--ray",),
            ("--no-ray",),
            ("--keep-entrypoint", "--earlyoom"),
            ("--earlyoom", "--earlyoom"),
            ("-v=/home/u/x:/x",),
        ],
        *[("-v", "/home/u/.ssh:/x"), ("-v", "/var/run/docker.sock:/x"), ("--eth-if=x",)],
    ],
)
def test_launcher_arguments_beyond_the_list_are_refused(words: tuple[str, ...]) -> None:
    found = problems(launcher_args=words)
    assert {field for field, _ in found} == {"launcher_args"}


@pytest.mark.parametrize(
    "words",
    [
        *[
            ("--earlyoom",),
            ("--earlyoom-args", "-M 524288,102400 -s 100 -r 60"),
            ("-j", "16"),
            ("--nccl-debug", "INFO"),
        ],
        *[
            ("--non-privileged", "--mem-limit-gb", "110", "--shm-size-gb", "64"),
            ("-v", "/home/u/x:/x", "-v", "/data/y:/y:ro"),
        ],
        *[
            ("--eth-if", "enp1s0f0np0,enp1s0f1np1"),
            ("--ib-if", "rocep1s0f1"),
            ("--master-port", "29600"),
            ("-t", "x/y:z"),
        ],
    ],
)
def test_launcher_arguments_on_the_list_are_taken(words: tuple[str, ...]) -> None:
    assert problems(launcher_args=words) == []


def test_ray_is_a_choice_only_for_several_sparks() -> None:
    two = replace(SOUND, nodes=2, args=("-tp", "2"))
    assert problems(two, launcher_args=("--ray",)) == []
    assert problems(two, launcher_args=("--ray", "--no-ray")) != []


@pytest.mark.parametrize(
    "words",
    [
        *[
            ("--privileged",),
            ("--pid=host",),
            ("--pid", "host"),
            ("--cap-add=ALL",),
            ("--device", "/dev/sda"),
            ("-u", "0"),
        ],
        *[
            ("--security-opt", "x"),
            ("--entrypoint", "sh"),
            ("--user=0",),
            ("--ipc=host",),
            ("--mount", "type=bind"),
            ("x",),
        ],
        *[
            ("--env-file=/x",),
            ("--name", "x"),
            ("--network=none",),
            ("-p", "1:1"),
            ("--gpus", "all"),
            ("--rm",),
            ("-d",),
        ],
        *[
            ("--restart=always",),
            ("-e", "A=1"),
            ("--env", "A=1"),
            ("--log-driver=none",),
            ("--unknown",),
            ("--",),
            ("-",),
        ],
        *[("--label",), ("--label", "-x"), ("--label", "sparkcontrol.swap=9"), ("--label=sparkcontrol.fence=9",)],
        *[
            ("-v", "/:/host"),
            ("-v=/home/u/x:/x",),
            ("-v/home/u/x:/x",),
            ("--init=true",),
            ("--init", "image"),
            ("--shm-size",),
        ],
        *[
            ("--shm-size", "1 g"),
            ("--memory", "lots"),
            ("--label", "a b"),
            ("--label", "a*"),
            ("--label", "$(x)"),
            ("",),
        ],
        *[
            ("-v", "/home/u/a:/b", "/home/u/c:/d"),
            ("--volume=/proc/1/root/x:/x",),
            ("--add-host", "-x"),
            ("--dns", "x;y"),
        ],
        *[
            ("--userns=host",),
            ("--volumes-from", "x"),
            ("--runtime=x",),
            ("-itv", "/home/u/x:/x"),
            ("--workdir", "../x"),
        ],
    ],
)
def test_docker_arguments_beyond_the_list_are_refused(words: tuple[str, ...]) -> None:
    found = problems(docker_args=words)
    assert {field for field, _ in found} == {"docker_args"}


def test_a_root_equivalent_flag_is_refused_with_a_sentence() -> None:
    ((_, message),) = problems(docker_args=("--privileged",))
    assert message.startswith("--privileged can hand over the whole Spark.")


# --- reading options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ((), ("Qwen/Qwen3-32B",)),
        (("--served-model-name", "a"), ("a",)),
        (("--served-model-name", "a", "b", "--x"), ("a", "b")),
        (("--served-model-name=a",), ("a",)),
        (("--served_model_name", "a"), ("a",)),
        (("--served-model-name", "a", "--served-model-name=b"), ("b",)),
        (("--served-model-name",), ("Qwen/Qwen3-32B",)),
    ],
)
def test_served_names(args: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert replace(SOUND, args=args).served_names() == names


def test_the_model_argument_is_the_repo_or_the_directory() -> None:
    assert SOUND.model_argument() == "Qwen/Qwen3-32B"
    assert LOCAL.model_argument() == "/home/u/models/m"
    assert LOCAL.served_names() == ("/home/u/models/m",)


def test_options_are_read_and_left_out_in_either_form() -> None:
    args = ("--a", "1", "--b=2", "-c", "--a_x", "3")
    assert option_values(args, "--a") == ("1",)
    assert option_values(args, "--b") == ("2",)
    assert option_values(args, "--c") == ()
    assert without_option(args, "--a") == ("--b=2", "-c", "--a_x", "3")
    assert without_option(args, "--b") == ("--a", "1", "-c", "--a_x", "3")
    assert without_option(args, "--a-x") == ("--a", "1", "--b=2", "-c")


def test_a_negative_number_is_a_value() -> None:
    assert option_values(("--seed", "-1"), "--seed") == ("-1",)


def test_no_parallel_option_is_not_the_same_as_one() -> None:
    assert parallel_size(()) is None
    assert parallel_size(("-tp", "1")) == 1
