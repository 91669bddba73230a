"""Plans of the docker_run launcher: each image, each rule, and every hostile word, by real bash to docker's argv."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swaps.catalog.definition import Definition, validate
from swaps.launcher.docker_run import build_docker_run, unsupported, words_for
from swaps.launcher.launch import CannotLaunch, LaunchPlan, Node, Placement
from tests.corpus.hostile_strings import HOSTILE

HEAD = Node("spark-2", "192.168.177.12")
PLACE = Placement("lab", HEAD, (), 8000, "vllm-lab", "", image="vllm/vllm-openai:latest")
PLAIN = Definition("k", "K", repo="org/m", args=("--max-model-len", "1"))
SERVE = ("vllm", "serve")
VLLM = ("vllm", "serve", "org/m", "--max-model-len", "1", "--host", "0.0.0.0", "--port", "8000")

DOCKER = r"""#!/bin/bash
printf '%s\0' "$@" >"$RECORD"
"""


def plan_of(definition: Definition = PLAIN, entrypoint: tuple[str, ...] = SERVE, **changes: Any) -> LaunchPlan:
    return build_docker_run(replace(definition, **changes), PLACE, entrypoint, fence=7, swap_id=42)


def words_of(plan: LaunchPlan) -> list[str]:
    return [str(word) for word in plan.steps[0].argv[6:]]


@pytest.mark.parametrize(
    ("entrypoint", "words"),
    [
        (("vllm", "serve"), VLLM[2:]),
        (("/usr/bin/vllm",), VLLM[1:]),
        (("python3", "-m", "vllm.entrypoints.openai.api_server"), ("--model", *VLLM[2:])),
        (("/opt/nvidia/nvidia_entrypoint.sh",), VLLM),
        ((), VLLM),
        (("/bin/bash", "-c"), ("exec " + " ".join(VLLM),)),
    ],
)
def test_vllm_is_started_whatever_the_image_begins_with(entrypoint: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert words_for(entrypoint, VLLM) == words


def test_it_is_detached_labelled_fenced_and_never_started_by_docker_again() -> None:
    plan = plan_of()
    words = words_of(plan)
    joined = " ".join(words)

    assert words[:2] == ["docker", "run"] and words[words.index("-d") :][:4] == [
        "-d",
        "--pull=never",
        "--name",
        "vllm-lab",
    ]
    assert "--label sparkcontrol.swap=42 --label sparkcontrol.fence=7 --restart=no --gpus all --network host" in joined
    assert "--ipc=host" in words and "--rm" not in words and "--privileged" not in words
    assert plan.steps[0].argv[:2] == ("lab", "7")
    assert plan.main_process and plan.log_file is None
    assert plan.display()[0].startswith("docker run -v ~/.cache/huggingface:/root/.cache/huggingface -v ~/.cache/vllm:")
    assert words[-len(VLLM) + 1 :] == ["vllm/vllm-openai:latest", *VLLM[2:]]


def test_what_a_definition_asks_for_reaches_docker() -> None:
    words = words_of(
        plan_of(
            repo=None,
            local_path="/srv/models/m",
            env=(("VLLM_USE_V1", "a b"),),
            docker_args=("--shm-size", "16g"),
            launcher_args=("-v", "/srv/x:/x", "--no-cache-dirs", "-j", "4"),
            image="nvcr.io/nvidia/vllm:26.03-py3",
        )
    )
    joined = " ".join(words)

    assert "-v /srv/models/m:/srv/models/m:ro" in joined and "-v /srv/x:/x -e MAX_JOBS=4" in joined
    assert words[words.index("-e", words.index("--shm-size")) + 1] == "VLLM_USE_V1=a b"
    assert "--ipc=host" not in words and "~/.triton" not in joined
    assert "nvcr.io/nvidia/vllm:26.03-py3 /srv/models/m" in joined


def test_flags_that_belong_to_the_other_launcher_are_left_out_and_said() -> None:
    plan = plan_of(launcher_args=("--earlyoom", "--eth-if", "enp1s0"), args=("--distributed-executor-backend", "mp"))

    assert [note.split()[0] for note in plan.notes] == ["--earlyoom", "--eth-if", "--distributed-executor-backend"]
    assert not {"--earlyoom", "--eth-if", "mp"} & set(words_of(plan))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nodes": 2, "args": ("-tp", "2")}, "docker-run-one-spark"),
        ({"mods": ("mods/fix",)}, "docker-run-no-mods"),
        ({"repo": "no"}, "invalid-definition"),
    ],
)
def test_what_it_cannot_do_it_refuses_with_a_remedy(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(CannotLaunch) as caught:
        plan_of(**changes)

    assert caught.value.code == code and caught.value.sentence and caught.value.remedy
    assert [no.code for no in unsupported(replace(PLAIN, **changes))] == ([code] if code.startswith("docker") else [])


def run(tmp_path: Path, plan: LaunchPlan, **env: str) -> list[str]:
    """What docker was called with, by real bash in a home of its own."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    home = {"HOME": str(tmp_path), "RECORD": str(tmp_path / "argv"), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", plan.steps[0].wire()], env=home | env, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return (tmp_path / "argv").read_bytes().decode().split("\0")[:-1]


def test_every_hostile_word_arrives_as_it_was_written(tmp_path: Path) -> None:
    allowed = [text for text in HOSTILE if not validate(replace(PLAIN, args=(f"--x={text}",)))]
    for start in range(0, len(allowed), 60):
        args = tuple(f"--x={text}" for text in allowed[start : start + 60])
        if validate(replace(PLAIN, args=args)):
            continue
        plan = plan_of(args=args)
        argv = run(tmp_path, plan)
        assert argv[argv.index("vllm/vllm-openai:latest") + 1 :] == list(plan.vllm_argv[2:])
    assert not list(tmp_path.rglob("pwned*"))


def test_mounts_are_those_of_the_login_user_and_secrets_come_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / ".spark-control").mkdir()
    (tmp_path / ".spark-control/env").write_text("HF_TOKEN=hf_CanaryThatNobodyMaySee42\n")

    argv = run(tmp_path, plan_of(), HF_HOME=str(tmp_path / "hf"))

    assert f"{tmp_path}/hf:/root/.cache/huggingface" in argv and f"{tmp_path}/.cache/vllm:/root/.cache/vllm" in argv
    assert argv[argv.index("--env-file") + 1] == f"{tmp_path}/.spark-control/env"
    assert (tmp_path / "hf").is_dir() and (tmp_path / ".triton").is_dir()
    assert "Canary" not in " ".join(argv)
