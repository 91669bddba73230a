"""Launch plans: every catalog entry on every vintage, on slots of one and two Sparks, and each rule by itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swaps.catalog.definition import Definition
from swaps.catalog.format import load_catalog
from swaps.launcher.capabilities import Capabilities, read_capabilities
from swaps.launcher.launch import CannotLaunch, LaunchPlan, Node, Placement, build_launch, image_of, nodes_of

ROOT = Path(__file__).parents[4]
CATALOG = load_catalog((ROOT / "fixtures/models.yaml").read_text()).definitions
VINTAGES = ("2026-01", "2026-02", "2026-04", "2026-08")
GOLDEN = ROOT / "tests/corpus/launch_plans"

HEAD, WORKER = Node("spark-1", "192.168.177.11"), Node("spark-2", "192.168.177.12")
ONE = Placement("main", HEAD, (), 8888, "vllm_node", "~/spark-vllm-docker")
TWO = replace(ONE, workers=(WORKER,))
SOLO = Definition("k", "K", repo="org/m", args=("--max-model-len", "1"))
PAIR = replace(SOLO, nodes=2, args=("-tp", "2"))
JSON = '{"method": "mtp"}'
BACKEND = "--distributed-executor-backend"


def able(vintage: str) -> Capabilities:
    return read_capabilities((ROOT / "tests/corpus/launcher_help" / f"{vintage}.txt").read_text())


def plan_of(
    definition: Definition = SOLO, placement: Placement = ONE, vintage: str = "2026-08", **changes: Any
) -> LaunchPlan:
    return build_launch(replace(definition, **changes), placement, able(vintage), fence=7, swap_id=42)


def words_of(plan: LaunchPlan, step: int = -1) -> list[str]:
    """The launcher's own words, without the guard in front of them."""
    return [str(word) for word in plan.steps[step].argv[7:]]


def docker_of(plan: LaunchPlan) -> list[str]:
    ((name, value),) = plan.steps[0].env
    assert name == "VLLM_SPARK_EXTRA_DOCKER_ARGS"
    return str(value).split(" ")


def refusal(definition: Definition = SOLO, placement: Placement = ONE, vintage: str = "2026-08") -> CannotLaunch:
    with pytest.raises(CannotLaunch) as caught:
        build_launch(definition, placement, able(vintage), fence=1, swap_id=1)
    assert caught.value.sentence.endswith((".", "?"))
    assert caught.value.remedy.endswith(".")
    return caught.value


# --- the catalog -----------------------------------------------------------------------------------------------------


def rendered(vintage: str) -> str:
    """All plans of a vintage; `python -m tests.unit.swaps.launcher.test_launch` writes the golden files anew."""
    parts = []
    for definition in CATALOG:
        for placement in (ONE, TWO):
            parts.append(f"== {definition.key} on a slot of {1 + len(placement.workers)}\n")
            try:
                plan = plan_of(definition, placement, vintage)
            except CannotLaunch as no:
                parts.append(f"refused: {no.code}: {no.sentence}\n")
                continue
            lines = [
                *plan.display(),
                f"serves {', '.join(plan.expected_ids)}",
                *(f"note: {note}" for note in plan.notes),
            ]
            parts.append("".join(f"{line}\n" for line in lines))
    return "".join(parts)


@pytest.mark.parametrize("vintage", VINTAGES)
def test_the_plans_of_the_catalog_are_the_reviewed_ones(vintage: str) -> None:
    assert rendered(vintage) == (GOLDEN / f"{vintage}.txt").read_text()


def test_the_catalog_has_the_models_people_run() -> None:
    assert len(CATALOG) >= 11
    assert {definition.nodes for definition in CATALOG} == {1, 2}
    assert all(definition.expected_load_seconds and definition.label != definition.key for definition in CATALOG)


# --- one Spark -------------------------------------------------------------------------------------------------------


def test_one_spark_is_always_solo_and_detached() -> None:
    words = words_of(plan_of(placement=TWO))
    assert words == [
        *["-d", "--solo", "--name", "vllm_node", "-t", "vllm-node", "exec", "vllm", "serve", "org/m"],
        *["--max-model-len", "1", "--host", "0.0.0.0", "--port", "8888"],
    ]


def test_the_launcher_is_called_by_its_whole_path() -> None:
    assert plan_of().steps[0].argv[6] == "~/spark-vllm-docker/launch-cluster.sh"
    assert plan_of(placement=replace(ONE, launcher_dir="/opt/l/")).steps[0].argv[6] == "/opt/l/launch-cluster.sh"
    assert plan_of(placement=replace(ONE, launcher_dir="")).steps[0].argv[6] == "~/spark-vllm-docker/launch-cluster.sh"


def test_port_container_and_slot_are_threaded_through() -> None:
    plan = plan_of(placement=replace(ONE, slot="second", port=9001, container="other"))
    assert plan.vllm_argv[-4:] == ("--host", "0.0.0.0", "--port", "9001")
    assert words_of(plan)[2:4] == ["--name", "other"]
    assert plan.steps[0].argv[:6] == ("second", "7", "second", "42", "exec", "60")


def test_our_place_comes_last_so_that_it_wins() -> None:
    assert plan_of(args=("--x",)).vllm_argv == ("vllm", "serve", "org/m", "--x", "--host", "0.0.0.0", "--port", "8888")


def test_containers_carry_swap_and_fence_as_labels() -> None:
    assert docker_of(plan_of()) == ["--label=sparkcontrol.swap=42", "--label=sparkcontrol.fence=7"]


def test_a_directory_is_mounted_at_its_own_path() -> None:
    plan = plan_of(repo=None, local_path="/home/u/models/m")
    assert docker_of(plan)[2:] == ["-v", "/home/u/models/m:/home/u/models/m:ro"]
    assert plan.vllm_argv[:3] == ("vllm", "serve", "/home/u/models/m")
    assert plan.expected_ids == ("/home/u/models/m",)


def test_docker_arguments_follow_ours() -> None:
    assert docker_of(plan_of(docker_args=("--shm-size", "64g")))[2:] == ["--shm-size", "64g"]


def test_mods_and_settings_stand_before_exec() -> None:
    words = words_of(plan_of(mods=("mods/a", "mods/b"), env=(("A", "1"), ("B", "x y"))))
    assert words[: words.index("exec")][6:] == ["-e", "A=1", "--apply-mod", "mods/a", "--apply-mod", "mods/b"]
    assert words[words.index("exec") + 1 :][:5] == ["env", "B=x y", "vllm", "serve", "org/m"]


def test_an_empty_setting_is_passed_as_empty() -> None:
    words = words_of(plan_of(env=(("A", ""),)))
    assert words[6:8] == ["-e", "A="]


def test_the_expected_ids_are_the_served_names() -> None:
    assert plan_of(args=("--served-model-name", "a", "b")).expected_ids == ("a", "b")


@pytest.mark.parametrize(
    ("definition", "slot", "image"),
    [({}, "", "vllm-node"), ({}, "s", "s"), ({"image": "d"}, "s", "d"), ({"launcher_args": ("-t", "l")}, "s", "l")],
)
def test_the_image_is_the_definitions_else_the_slots_else_the_launchers(
    definition: dict[str, Any], slot: str, image: str
) -> None:
    made, place = replace(SOLO, **definition), replace(ONE, image=slot)
    plan = plan_of(made, place)
    assert image_of(made, place) == plan.image == image
    assert words_of(plan)[4:6] == ["-t", image]
    assert words_of(plan).count("-t") == 1


def test_ray_settings_in_the_arguments_are_left_out_on_one_spark_and_told() -> None:
    plan = plan_of(args=(BACKEND, "ray", "--x"))
    assert plan.vllm_argv[3:4] == ("--x",)
    assert BACKEND in plan.notes[0]


# --- two Sparks ------------------------------------------------------------------------------------------------------


def test_two_sparks_are_named_head_first_by_their_fabric_addresses() -> None:
    words = words_of(plan_of(PAIR, TWO))
    assert words[:3] == ["-d", "-n", "192.168.177.11,192.168.177.12"]
    assert not {"--solo", "--ray", "--no-ray"} & set(words)
    assert not {"--nnodes", "--node-rank", "--headless"} & set(words)


def test_only_as_many_workers_as_needed_are_used() -> None:
    three = replace(TWO, workers=(WORKER, Node("spark-3", "192.168.177.13")))
    assert [node.name for node in nodes_of(PAIR, three)] == ["spark-1", "spark-2"]
    assert plan_of(PAIR, three).nodes == (HEAD, WORKER)


def test_a_model_for_two_does_not_fit_a_slot_of_one() -> None:
    no = refusal(PAIR)
    assert no.code == "too-few-sparks"
    assert "needs 2 Sparks, but slot main has 1" in no.sentence


def test_ray_is_used_when_asked_for() -> None:
    plan = plan_of(PAIR, TWO, launcher_args=("--ray",))
    assert "--ray" in words_of(plan)
    assert plan.vllm_argv[-6:-4] == (BACKEND, "ray")
    assert plan_of(PAIR, TWO, launcher_args=("--ray",), args=("-tp", "2", BACKEND, "ray")).vllm_argv.count(BACKEND) == 1


def test_the_newest_launcher_uses_no_ray_whatever_the_arguments_say() -> None:
    plan = plan_of(PAIR, TWO, args=("-tp", "2", f"{BACKEND}=ray"))
    assert not any(BACKEND in word for word in plan.vllm_argv)
    assert plan.notes


def test_quoted_words_reach_a_worker_of_the_newest_launcher() -> None:
    assert JSON in plan_of(PAIR, TWO, args=("-tp", "2", "--x", JSON)).vllm_argv


# --- April -----------------------------------------------------------------------------------------------------------


def test_april_is_told_to_use_no_ray() -> None:
    words = words_of(plan_of(PAIR, TWO, "2026-04"))
    assert "--no-ray" in words


def test_april_goes_by_ray_when_a_word_would_break_on_the_worker() -> None:
    plan = plan_of(PAIR, TWO, "2026-04", args=("-tp", "2", "--x", JSON))
    assert "--no-ray" not in words_of(plan)
    assert plan.vllm_argv[-6:-4] == (BACKEND, "ray")
    assert "Ray is used" in plan.notes[0]


def test_april_goes_by_ray_when_the_arguments_ask_for_it() -> None:
    plan = plan_of(PAIR, TWO, "2026-04", args=("-tp", "2", BACKEND, "ray"))
    assert "--no-ray" not in words_of(plan)
    assert "--ray" not in words_of(plan)
    assert plan.vllm_argv.count(BACKEND) == 1


def test_april_refuses_a_word_it_would_break_when_ray_is_forbidden() -> None:
    asked = replace(PAIR, launcher_args=("--no-ray",), args=("-tp", "2", "--x", JSON))
    no = refusal(asked, TWO, "2026-04")
    assert no.code == "launcher-breaks-words"
    assert JSON in no.sentence
    assert "dotted options" in no.remedy


def test_april_has_no_volume_flag_so_mounts_go_to_docker_directly() -> None:
    plan = plan_of(vintage="2026-04", launcher_args=("-v", "/home/u/x:/x"))
    assert docker_of(plan)[2:] == ["-v", "/home/u/x:/x"]
    assert "-v" not in words_of(plan)


def test_a_flag_this_launcher_does_not_know_is_refused_by_name() -> None:
    no = refusal(replace(SOLO, launcher_args=("--earlyoom",)), vintage="2026-04")
    assert no.code == "launcher-too-old"
    assert "--earlyoom" in no.sentence


# --- January and February --------------------------------------------------------------------------------------------


def test_january_starts_first_and_runs_the_command_in_a_second_step() -> None:
    plan = plan_of(vintage="2026-01")
    assert words_of(plan, 0) == ["-d", "-n", "192.168.177.11", "--name", "vllm_node", "-t", "vllm-node", "start"]
    assert words_of(plan, 1)[:6] == ["-n", "192.168.177.11", "--name", "vllm_node", "-t", "vllm-node"]
    assert words_of(plan, 1)[6:10] == ["exec", "vllm", "serve", "org/m"]
    assert plan.log_file == "~/.spark-control/main/swap-42-exec.log"
    assert plan.vllm_argv[-6:-4] == ("-tp", "1")


def test_january_gets_words_that_need_quotes_as_one_quoted_line() -> None:
    line = words_of(plan_of(vintage="2026-01", args=("--x", JSON)), 1)[7:]
    assert line == [f"vllm serve org/m --x '{JSON}' -tp 1 --host 0.0.0.0 --port 8888"]


def test_january_gets_settings_through_docker() -> None:
    plan = plan_of(vintage="2026-01", env=(("A", "1"),))
    assert docker_of(plan)[2:] == ["-e", "A=1"]
    assert "-e" not in words_of(plan, 0)


def test_january_always_uses_ray_for_two() -> None:
    plan = plan_of(PAIR, TWO, "2026-01")
    assert plan.vllm_argv[-6:-4] == (BACKEND, "ray")


def test_february_is_trusted_with_plain_words_only() -> None:
    assert "--solo" in words_of(plan_of(vintage="2026-02"), 0)
    assert refusal(replace(SOLO, args=("--x", JSON)), vintage="2026-02").code == "launcher-breaks-words"


def test_a_line_too_long_for_january_is_refused() -> None:
    long = replace(SOLO, args=tuple(f"--x={n} {'y' * 1000}" for n in range(5)))
    assert refusal(long, vintage="2026-01").code == "command-too-long"


# --- what cannot be launched -----------------------------------------------------------------------------------------


def test_an_unknown_launcher_is_refused() -> None:
    with pytest.raises(CannotLaunch) as caught:
        build_launch(SOLO, ONE, read_capabilities("no such file"), fence=1, swap_id=1)
    assert caught.value.code == "launcher-unknown"


def test_an_invalid_definition_is_refused_with_its_first_problem() -> None:
    no = refusal(replace(SOLO, args=("--port", "1")))
    assert no.code == "invalid-definition"
    assert "args: --port is set by Spark Control" in no.sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"slot": "../x"},
        {"container": "-x"},
        {"port": 0},
        {"launcher_dir": "rel"},
        {"image": "-x"},
        {"head": Node("x", "-oProxyCommand=x")},
        {"workers": (Node("x", "a b"),)},
    ],
)
def test_slot_settings_are_checked_once_more(changes: dict[str, Any]) -> None:
    assert refusal(placement=replace(ONE, **changes)).code == "invalid-slot"


def test_too_much_for_docker_is_refused() -> None:
    words = tuple(word for n in range(60) for word in ("--label", f"l{n}={'y' * 100}"))
    assert refusal(replace(SOLO, docker_args=words)).code == "command-too-long"


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "placement", "vintage", "seconds"),
    [
        (SOLO, ONE, "2026-08", 60),
        (PAIR, TWO, "2026-08", 120),
        (replace(PAIR, launcher_args=("--ray",)), TWO, "2026-08", 210),
        (replace(SOLO, mods=("mods/a",)), ONE, "2026-08", 360),
        (SOLO, ONE, "2026-01", 150),
    ],
)
def test_a_step_has_a_limit_that_fits_what_the_launcher_does(
    definition: Definition, placement: Placement, vintage: str, seconds: int
) -> None:
    plan = plan_of(definition, placement, vintage)
    assert plan.step_seconds == seconds
    assert {step.argv[5] for step in plan.steps} == {str(seconds)}


def test_the_same_input_gives_the_same_plan() -> None:
    assert plan_of() == plan_of()


if __name__ == "__main__":
    for each in VINTAGES:
        (GOLDEN / f"{each}.txt").write_text(rendered(each))
