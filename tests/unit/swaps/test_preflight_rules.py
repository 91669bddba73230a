"""From facts to checks: what blocks a swap, what only warns, and in which words."""

from dataclasses import replace
from typing import Any

import pytest

from swaps.catalog.definition import Definition
from swaps.checks import Check, CheckState
from swaps.launcher.gpu_users import GpuUser
from swaps.launcher.node_reports import ContainerState, PreflightFacts
from swaps.launcher.outsiders import Box
from swaps.preflight_rules import Terms, judge

GOOD = {
    "launcher": "present",
    "docker": "ok",
    "image_id": "sha256:aa",
    "port_free": True,
    "disk_free": 900 * 1024**3,
    "weights": "complete",
}
MODEL = Definition(key="m", label="M", repo="org/m")
USUAL = Terms()
LOCAL = Definition(key="m", label="M", local_path="/srv/models/m")


def checks(
    definition: Definition = MODEL, silent: dict[str, str] | None = None, terms: Terms = USUAL, **facts: Any
) -> list[Check]:
    fact = PreflightFacts(**{**GOOD, **facts})
    return judge({"spark-1": fact}, silent or {}, definition, "vllm_node", "vllm-node", terms)


def states(found: list[Check]) -> dict[str, CheckState]:
    return {check.code: check.state for check in found if check.state is not CheckState.OK}


def test_a_good_node_passes_with_a_sentence_for_each_look() -> None:
    found = checks()

    assert not states(found)
    assert {"launcher", "docker", "image", "weights"} <= {check.code for check in found}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"launcher": "absent"}, "launcher-missing"),
        ({"launcher": "not-executable"}, "launcher-missing"),
        ({"docker": "failed", "docker_problem": "permission denied"}, "docker-unavailable"),
        ({"docker": "absent"}, "docker-unavailable"),
        ({"image_id": ""}, "image-missing"),
        ({"mods_absent": ("mods/x",)}, "mod-missing"),
        ({"port_free": False, "port_holder": "python3"}, "port-in-use"),
        ({"disk_free": 1024**3}, "disk-full"),
        ({"env_container": "my_vllm"}, "container-name-differs"),
        ({"weights": "incomplete", "weights_downloading": True}, "weights-downloading"),
    ],
)
def test_it_blocks_what_cannot_work(facts: dict[str, Any], code: str) -> None:
    found = checks(**facts)

    assert states(found)[code] is CheckState.BLOCKS
    blocking = next(check for check in found if check.code == code)
    assert blocking.remedy and blocking.node == "spark-1"


def test_a_silent_node_blocks_with_its_reason() -> None:
    found = checks(silent={"spark-2": "spark-2 did not answer within 10 s."})

    assert (found[0].code, found[0].node, found[0].state) == ("spark-unreachable", "spark-2", CheckState.BLOCKS)
    assert "within 10 s" in found[0].sentence


def test_the_port_may_be_held_by_the_model_that_is_about_to_stop() -> None:
    ours = ContainerState(exists=True, running=True, labels=(("sparkcontrol.swap", "3"),))

    assert not states(checks(port_free=False, port_holder="python3", container=ours))


BOX = Box("id", "vllm_node", "vllm-node", True, False, False, frozenset(), "no", False)
ELSEWHERE = replace(BOX, name="vllm-gemma4", ports=frozenset({8888}))


@pytest.mark.parametrize("box", [BOX, replace(BOX, running=False), ELSEWHERE])
def test_a_container_somebody_else_started_blocks_until_they_agree(box: Box) -> None:
    taken: dict[str, Any] = {"boxes": (box,), "port_free": not box.running}

    assert states(checks(terms=Terms(port=8888), **taken)) == {"container-not-ours": CheckState.BLOCKS}
    agreed = Terms(port=8888, stop_foreign=True)
    assert states(checks(terms=agreed, **taken)) == {"container-not-ours": CheckState.WARNING}


def test_the_community_launchers_container_under_the_slots_name_is_the_slots_own() -> None:
    assert states(checks(boxes=(replace(BOX, by_launcher=True),))) == {"container-of-launcher": CheckState.WARNING}


def test_docker_run_needs_no_launcher_but_a_docker_that_gives_the_gpu() -> None:
    assert not states(checks(launcher="absent", gpu_runtime="yes", terms=Terms(docker_run=True)))
    found = checks(launcher="absent", gpu_runtime="no", terms=Terms(docker_run=True))
    assert states(found) == {"gpu-runtime-missing": CheckState.BLOCKS}


def test_missing_weights_warn_for_a_repo_and_block_for_a_local_path() -> None:
    assert states(checks(weights="absent")) == {"weights-missing": CheckState.WARNING}
    assert states(checks(LOCAL, weights="absent")) == {"weights-missing": CheckState.BLOCKS}


def test_others_on_the_gpu_are_named_and_refused_when_the_slot_says_so() -> None:
    others = (
        GpuUser("ollama", "ollama/ollama:latest", "ollama", memory_mib=11_264),
        GpuUser("python3", pid=4711, user="ana"),
    )

    found = [check for check in checks(gpu_users=others) if check.code == "gpu-shared"]
    assert [check.state for check in found] == [CheckState.WARNING] * 2
    assert "Ollama (container ollama, ollama/ollama:latest)" in found[0].sentence and "11.0 GiB" in found[0].sentence
    assert "python3 (process 4711 of ana)" in found[1].sentence

    refused = checks(gpu_users=others, terms=Terms(refuse_foreign=True))
    assert states(refused) == {"gpu-shared": CheckState.BLOCKS}
    assert all(check.remedy for check in refused if check.code == "gpu-shared")


def test_our_own_are_no_strangers_on_the_gpu() -> None:
    own = (GpuUser("vllm_node", "vllm-node", "launcher"), GpuUser("VLLM::EngineCore", pid=12))
    assert not states(checks(gpu_users=own, terms=Terms(refuse_foreign=True)))

    neighbour = (GpuUser("vllm_b", "vllm-node", "launcher", ours=True),)
    assert states(checks(gpu_users=neighbour, terms=Terms(refuse_foreign=True))) == {"gpu-shared": CheckState.WARNING}


def test_images_that_differ_between_nodes_block() -> None:
    one, two = PreflightFacts(**GOOD), PreflightFacts(**{**GOOD, "image_id": "sha256:bb"})  # type: ignore[arg-type]

    found = judge({"spark-1": one, "spark-2": two}, {}, MODEL, "vllm_node", "vllm-node")

    assert states(found) == {"image-mismatch": CheckState.BLOCKS}


def test_what_a_node_could_not_say_is_no_failure() -> None:
    unknown = PreflightFacts(launcher="present", docker="ok")

    assert not states(judge({"spark-1": unknown}, {}, MODEL, "vllm_node", "vllm-node"))
