"""Whatever a valid definition holds arrives as it was written: any text, real bash, every vintage of launcher."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from swaps.catalog.argument_rules import is_plain_word
from swaps.catalog.definition import Definition, validate
from swaps.catalog.format import load_catalog
from swaps.launcher.launch import CannotLaunch, LaunchPlan, build_launch
from swaps.launcher.node_commands import STALE_FENCE, raise_fence
from tests.unit.swaps.launcher.launcher_recorder import VINTAGES, Recorder

CATALOG = load_catalog((Path(__file__).parents[4] / "fixtures" / "models.yaml").read_text()).definitions

# Biased to what shells care about; every other character may come too.
_TEXT = st.text(
    st.one_of(
        st.sampled_from(" '\"\\$`*?[]{}()<>|&;!#~=,:%^-"),
        st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    ),
    max_size=40,
)
_OPTIONS = st.lists(
    st.tuples(st.sampled_from(["--alpha", "--beta-x", "-O3", "--x.y", "--under_score"]), _TEXT.filter(bool)),
    max_size=12,
)
_ENV = st.dictionaries(
    st.from_regex(r"\AX[A-Z0-9_]{0,10}\Z").filter(lambda n: not n.endswith("KEY")), _TEXT, max_size=6
)


@pytest.fixture
def recorder(tmp_path: Path, request: pytest.FixtureRequest) -> Recorder:
    return Recorder(tmp_path, request.param)


def expected_vllm(definition: Definition) -> list[str]:
    return ["vllm", "serve", definition.model_argument(), *definition.args, "--host", "0.0.0.0", "--port", "8888"]


def clean(recorder: Recorder) -> None:
    shutil.rmtree(recorder.root / "out")
    (recorder.root / "out").mkdir()


@pytest.mark.parametrize("recorder", ["2026-01", "2026-08"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=_OPTIONS, env=_ENV)
def test_one_node_arguments_and_environment_arrive_unchanged(
    recorder: Recorder, options: list[tuple[str, str]], env: dict[str, str]
) -> None:
    words = tuple(word for pair in options for word in pair)
    definition = Definition("k", "K", repo="org/m", args=words, env=tuple(env.items()))
    assume(not validate(definition))
    clean(recorder)
    try:
        plan = build_launch(definition, recorder.placement(), recorder.capabilities, fence=1, swap_id=1)
    except CannotLaunch as refusal:
        assert refusal.code == "command-too-long"
        return
    (record,) = recorder.run([plan])
    trimmed = [word for word in record.vllm or [] if recorder.vintage != "2026-01" or word not in ("-tp", "1")]
    assert trimmed == [w for w in expected_vllm(definition) if recorder.vintage != "2026-01" or w not in ("-tp", "1")]
    docker = " ".join(record.docker or [])
    for name, value in env.items():
        assert record.env.get(name) == value or f"-e {name}={value}" in docker
    assert record.docker == record.worker_docker


@pytest.mark.parametrize("recorder", ["2026-08"], indirect=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=_OPTIONS, env=_ENV)
def test_two_node_arguments_arrive_unchanged_on_the_worker_too(
    recorder: Recorder, options: list[tuple[str, str]], env: dict[str, str]
) -> None:
    words = tuple(word for pair in options for word in pair)
    definition = Definition("k", "K", repo="org/m", args=("-tp", "2", *words), env=tuple(env.items()), nodes=2)
    assume(not validate(definition))
    clean(recorder)
    plan = build_launch(definition, recorder.placement(1), recorder.capabilities, fence=1, swap_id=1)
    (record,) = recorder.run([plan])
    assert record.vllm == record.worker_vllm == expected_vllm(definition)


@pytest.mark.parametrize("recorder", ["2026-04"], indirect=True)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=_OPTIONS)
def test_a_launcher_that_breaks_words_on_the_worker_never_gets_such_words_for_one(
    recorder: Recorder, options: list[tuple[str, str]]
) -> None:
    words = tuple(word for pair in options for word in pair)
    definition = Definition("k", "K", repo="org/m", args=("-tp", "2", *words), nodes=2)
    assume(not validate(definition))
    clean(recorder)
    plan = build_launch(definition, recorder.placement(1), recorder.capabilities, fence=1, swap_id=1)
    (record,) = recorder.run([plan])
    assert record.launcher is not None
    if "--no-ray" in record.launcher:
        assert record.worker_vllm == expected_vllm(definition)
    else:  # Ray: only the head gets the command
        assert not all(is_plain_word(word) for word in words)
        assert record.vllm == ["vllm", "serve", "org/m", *definition.args, *BACKEND_AND_PLACE]


BACKEND_AND_PLACE = ["--distributed-executor-backend", "ray", "--host", "0.0.0.0", "--port", "8888"]


@pytest.mark.parametrize("recorder", VINTAGES, indirect=True)
def test_every_catalog_entry_arrives_as_planned(recorder: Recorder) -> None:
    plans: list[LaunchPlan] = []
    for definition in CATALOG:
        try:
            plans.append(build_launch(definition, recorder.placement(1), recorder.capabilities, fence=1, swap_id=1))
        except CannotLaunch as refusal:
            assert (recorder.vintage, refusal.code) == ("2026-02", "launcher-breaks-words")
    for plan, record in zip(plans, recorder.run(plans), strict=True):
        assert record.vllm == list(plan.vllm_argv)
        assert record.docker == record.worker_docker
        assert (record.docker or [])[:2] == ["--label=sparkcontrol.swap=1", "--label=sparkcontrol.fence=1"]
        assert record.place == [str(recorder.launcher_dir), f"{recorder.launcher_dir}/launch-cluster.sh"]
        assert (record.start is None) == (len(plan.steps) == 1)


@pytest.mark.parametrize("recorder", ["2026-08"], indirect=True)
def test_a_stale_driver_launches_nothing(recorder: Recorder) -> None:
    definition = Definition("k", "K", repo="org/m")
    plan = build_launch(definition, recorder.placement(), recorder.capabilities, fence=4, swap_id=1)
    assert recorder.exit_of(raise_fence("main", 5)) == 0
    assert recorder.exit_of(plan.steps[0]) == STALE_FENCE
    assert recorder.run([plan])[0].launcher is None


@pytest.mark.parametrize("recorder", ["2026-08"], indirect=True)
def test_the_launcher_is_found_in_the_home_directory(recorder: Recorder) -> None:
    place = recorder.placement()
    for directory in ("", "~/spark-vllm-docker", "~/spark-vllm-docker/"):
        home = type(place)(place.slot, place.head, (), 8888, "c", directory)
        plan = build_launch(Definition("k", "K", repo="org/m"), home, recorder.capabilities, fence=1, swap_id=1)
        clean(recorder)
        assert recorder.run([plan])[0].place == [
            str(recorder.launcher_dir),
            f"{recorder.launcher_dir}/launch-cluster.sh",
        ]


@pytest.mark.parametrize("recorder", ["2026-08"], indirect=True)
def test_what_the_launcher_printed_and_its_exit_are_kept(recorder: Recorder) -> None:
    (recorder.launcher_dir / "launch-cluster.sh").write_text("#!/bin/bash\necho out; echo err >&2; exit 3\n")
    plan = build_launch(
        Definition("k", "K", repo="org/m"), recorder.placement(), recorder.capabilities, fence=1, swap_id=7
    )
    assert recorder.exit_of(plan.steps[0]) == 3
    logs = recorder.home / ".spark-control/main"
    assert (logs / "swap-7-exec.log").read_text() == "out\nerr\n"
    assert (logs / "swap-7-exec.log.exit").read_text() == "3\n"
