"""More than 500 hostile strings through every value that could reach a shell on a Spark.

Each ends in one of two ways: a problem that names the field, or exactly the expected words when real bash runs the
command through a launcher that expands, joins and quotes as the real ones do. Nothing in between, and no payload runs.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.ssh.command import Command
from swaps.catalog.definition import Definition, Problem, validate
from swaps.catalog.format import CatalogError, load_catalog
from swaps.launcher import node_commands
from swaps.launcher.launch import CannotLaunch, LaunchPlan, Node, build_launch
from tests.corpus.hostile_strings import HOSTILE
from tests.unit.swaps.launcher.launcher_recorder import Recorder, Recording

PLAIN = Definition("key", "Label", repo="org/m")
PLACE = ["--host", "0.0.0.0", "--port", "8888"]
LABELS = ["--label=sparkcontrol.swap=1", "--label=sparkcontrol.fence=1"]


def _with_path(path: str) -> Definition:
    return replace(PLAIN, repo=None, local_path=path)


# field -> definitions with the string there: alone, and where a careless check would let it pass
FIELDS: dict[str, Sequence[Callable[[str], Definition]]] = {
    "repo": (lambda s: replace(PLAIN, repo=s), lambda s: replace(PLAIN, repo=f"org/{s}")),
    "local_path": (_with_path, lambda s: _with_path(f"/home/u/{s}")),
    "args": (
        lambda s: replace(PLAIN, args=(s,)),
        lambda s: replace(PLAIN, args=("--x", s)),
        lambda s: replace(PLAIN, args=(f"--x={s}",)),
        lambda s: replace(PLAIN, args=("--served-model-name", s)),
        lambda s: replace(PLAIN, args=("--chat-template", s)),
    ),
    "env": (lambda s: replace(PLAIN, env=(("X", s),)), lambda s: replace(PLAIN, env=((s, "1"),))),
    "launcher_args": (
        lambda s: replace(PLAIN, launcher_args=(s,)),
        lambda s: replace(PLAIN, launcher_args=("-v", s)),
        lambda s: replace(PLAIN, launcher_args=("-v", f"/home/u/a:{s}")),
        lambda s: replace(PLAIN, launcher_args=("--eth-if", s)),
        lambda s: replace(PLAIN, launcher_args=("--earlyoom-args", s)),
        lambda s: replace(PLAIN, launcher_args=("-t", s)),
    ),
    "docker_args": (
        lambda s: replace(PLAIN, docker_args=(s,)),
        lambda s: replace(PLAIN, docker_args=("--label", s)),
        lambda s: replace(PLAIN, docker_args=(f"--label={s}",)),
        lambda s: replace(PLAIN, docker_args=("-v", s)),
        lambda s: replace(PLAIN, docker_args=("--shm-size", s)),
    ),
    "mods": (lambda s: replace(PLAIN, mods=(s,)), lambda s: replace(PLAIN, mods=(f"mods/{s}",))),
    "image": (lambda s: replace(PLAIN, image=s), lambda s: replace(PLAIN, image=f"org/{s}")),
}


def _cases(field: str) -> list[tuple[Definition, list[Problem]]]:
    return [(made, validate(made)) for make in FIELDS[field] for made in map(make, HOSTILE)]


def expected_launcher(definition: Definition) -> list[str]:
    """Written out by hand, independently of the builder, for the newest launcher on one Spark."""
    image, flags = definition.image or "vllm-node", definition.launcher_args
    if flags[:1] == ("-t",):
        image, flags = flags[1], flags[2:]
    plain = [f"{name}={value}" for name, value in definition.env if _plain(value)]
    mods = [word for mod in definition.mods for word in ("--apply-mod", mod)]
    env = [word for setting in plain for word in ("-e", setting)]
    return [
        "-d",
        "--solo",
        "--name",
        "vllm_node",
        "-t",
        image,
        *flags,
        *env,
        *mods,
        "exec",
        *expected_command(definition),
    ]


def expected_command(definition: Definition) -> list[str]:
    quoted = [f"{name}={value}" for name, value in definition.env if not _plain(value)]
    model = definition.repo or definition.local_path or ""
    return [*(["env", *quoted] if quoted else []), "vllm", "serve", model, *definition.args, *PLACE]


def expected_docker(definition: Definition) -> list[str]:
    """What docker gets: our labels, the mount, the docker arguments, then what the launcher adds for -e and -v."""
    path = definition.local_path
    mount = ["-v", f"{path}:{path}:ro"] if path else []
    flags = definition.launcher_args
    volumes = [word for n, flag in enumerate(flags) if flag == "-v" for word in flags[n : n + 2]]
    env = [word for name, value in definition.env if _plain(value) for word in ("-e", f"{name}={value}")]
    return [*LABELS, *mount, *definition.docker_args, *volumes, *env]


def _plain(value: str) -> bool:
    return all(c.isascii() and (c.isalnum() or c in "_./:=,@%+-") for c in value)


def _some(everything: Sequence[Definition], count: int = 20) -> Sequence[Definition]:
    """Evenly chosen: bash takes its time."""
    return everything[:: max(1, len(everything) // count)]


def _plans(recorder: Recorder, definitions: Sequence[Definition]) -> list[LaunchPlan]:
    place, able = recorder.placement(), recorder.capabilities
    return [build_launch(definition, place, able, fence=1, swap_id=1) for definition in definitions]


def _compare(definition: Definition, record: Recording) -> None:
    assert record.launcher == expected_launcher(definition)
    assert record.docker == expected_docker(definition)
    assert record.worker_docker == record.docker
    command = expected_command(definition)
    assert record.vllm == command[command.index("vllm") :]
    for name, value in definition.env:
        assert record.env.get(name) == value or _plain(value)


def test_the_corpus_is_large_and_without_repeats() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 500


@pytest.mark.parametrize("field", FIELDS)
def test_a_refusal_names_the_field_and_says_what_to_do(field: str) -> None:
    for definition, problems in _cases(field):
        if problems:
            named = {problem.field for problem in problems}
            assert field in named or (field == "local_path" and named == {"repo"}), definition  # neither was given
            for problem in problems:
                assert problem.message.endswith("."), problem
                assert len(problem.message) < 700
                assert problem.message.isprintable(), problem


@pytest.mark.parametrize("field", ["repo", "local_path", "launcher_args", "docker_args", "mods", "image"])
def test_what_a_narrow_field_lets_through_arrives_exactly(field: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "2026-08")
    accepted = list(dict.fromkeys(definition for definition, problems in _cases(field) if not problems))
    assert len(accepted) < 200, "a narrow field became wide"
    assert all(_plain(word.replace(" ", "-")) for definition in accepted for word in _narrow_words(definition))
    chosen = _some(accepted)
    for definition, record in zip(chosen, recorder.run(_plans(recorder, chosen)), strict=True):
        _compare(definition, record)


def _narrow_words(definition: Definition) -> Sequence[str]:
    paths = (definition.repo or definition.local_path or "", definition.image or "x")
    return (*paths, *definition.launcher_args, *definition.docker_args, *definition.mods)


def _together(accepted: Sequence[Definition]) -> list[Definition]:
    """Wide fields accept hundreds of strings; put 60 definitions' words into one launch."""
    merged = []
    for start in range(0, len(accepted), 60):
        words = tuple(word for definition in accepted[start : start + 60] for word in definition.args)
        merged.append(replace(PLAIN, args=words))
    return [definition for definition in merged if not validate(definition)]


@pytest.mark.parametrize("vintage", ["2026-01", "2026-04", "2026-08"])
def test_hundreds_of_hostile_arguments_arrive_exactly(vintage: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, vintage)
    accepted = [d for d, problems in _cases("args") if not problems and sum(map(len, d.args)) < 300]
    assert len(accepted) > 1000
    if vintage == "2026-01":  # two steps each and a pause: one form of every string is enough
        accepted = [definition for definition in accepted if definition.args[0].startswith("--x")]
    merged = _together(accepted)
    assert sum(len(definition.args) for definition in merged) > 900
    plans, launched = [], []
    for definition in merged:
        for part in _parts(definition) if vintage == "2026-01" else [definition]:
            plans.append(build_launch(part, recorder.placement(), recorder.capabilities, fence=1, swap_id=1))
            launched.append(part)
    for definition, record in zip(launched, recorder.run(plans), strict=True):
        ray = ["-tp", "1"] if vintage == "2026-01" else []
        assert record.vllm == ["vllm", "serve", "org/m", *definition.args, *ray, *PLACE]


def _parts(definition: Definition) -> list[Definition]:
    """Lines short enough for January's launcher, which gets the whole command as one word of at most 4 KiB."""
    parts: list[list[str]] = [[]]
    for word in definition.args:
        if len(shlex.join(parts[-1]).encode()) > 2000 and word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    return [made for words in parts if not validate(made := replace(definition, args=tuple(words)))]


def test_hostile_environment_values_arrive_exactly(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "2026-08")
    values = [d.env[0][1] for d, problems in _cases("env") if not problems and d.env[0][0] == "X"]
    assert len(values) > 350
    short = [value for value in values if len(value) < 500]
    groups = [
        tuple((f"X{n}", value) for n, value in enumerate(short[start : start + 50]))
        for start in range(0, len(short), 50)
    ]
    definitions = [replace(PLAIN, env=group) for group in groups]
    for definition, record in zip(definitions, recorder.run(_plans(recorder, definitions)), strict=True):
        _compare(definition, record)


def test_the_longest_words_arrive_whole(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "2026-08")
    longest = [d for d, problems in _cases("args") if not problems and sum(map(len, d.args)) >= 300]
    assert any(len(word) > 4000 for definition in longest for word in definition.args)
    longest = [*_some(longest, 8)]
    for definition, record in zip(longest, recorder.run(_plans(recorder, longest)), strict=True):
        assert record.vllm == ["vllm", "serve", "org/m", *definition.args, *PLACE]


@pytest.mark.parametrize("field", ["slot", "container", "launcher_dir", "image", "head", "worker"])
def test_slot_settings_are_refused_or_arrive_exactly(field: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "2026-08")
    definition = replace(PLAIN, nodes=2, args=("-tp", "2"))
    plans, strings = [], []
    for text in HOSTILE:
        place = recorder.placement(1)
        changed = {"head": {"head": Node("a", text)}, "worker": {"workers": (Node("b", text),)}}.get(
            field, {field: text}
        )
        try:
            plan = build_launch(definition, replace(place, **changed), recorder.capabilities, fence=1, swap_id=1)  # type: ignore[arg-type]
        except CannotLaunch as refusal:
            assert refusal.code == "invalid-slot"
            continue
        if field != "launcher_dir":
            plans.append(plan)
            strings.append(text)
    assert len(plans) < 150
    step = max(1, len(plans) // 15)
    plans, strings = plans[::step], strings[::step]
    for text, record in zip(strings, recorder.run(plans), strict=True):
        words = record.launcher or []
        assert words[:2] == ["-d", "-n"]
        assert words[3] == "--name"
        if text:
            head, worker = words[2].split(",")
            assert {"head": head, "worker": worker, "container": words[4], "image": words[6], "slot": text}[
                field
            ] == text


COMMANDS: dict[str, Callable[[str], Command]] = {
    "stop": node_commands.stop_container,
    "state": node_commands.container_state,
    "processes": node_commands.container_processes,
    "gone": lambda s: node_commands.gone_check(s, 8888),
    "logs": node_commands.follow_logs,
    "since": lambda s: node_commands.follow_logs("c", s),
    "tail": node_commands.log_tail,
    "follow file": node_commands.follow_log_file,
    "file tail": node_commands.log_file_tail,
    "help": node_commands.launcher_help,
    "image": node_commands.image_id,
    "slot": node_commands.read_fence,
    "guard": lambda s: node_commands.fence_guard(s, 1, Command.of("true")),
    "output": lambda s: node_commands.launch_output(s, 1),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_node_commands_take_only_plain_values(name: str) -> None:
    for text in HOSTILE:
        try:
            command = COMMANDS[name](text)
        except ValueError:
            continue
        assert text not in command.argv or (_plain(text.removeprefix("~")) and not text.startswith("-")), text


def test_a_catalog_file_of_hostile_strings_never_breaks_the_reader() -> None:
    for text in HOSTILE:
        documents = (text, f"a: {text}", f"a:\n  repo: {text}\n", f"a:\n  repo: org/m\n  vllm_args: {text}\n")
        for document in documents if len(text) < 1000 else documents[-1:]:
            try:
                catalog = load_catalog(document)
            except CatalogError as error:
                assert str(error).endswith(".")
                continue
            for entry in catalog.skipped:
                assert entry.problems
