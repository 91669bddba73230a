"""What a model definition may hold, and the words that tell people what to change."""

from dataclasses import replace
from typing import Any

import pytest

from swaps.catalog.definition import Definition, validate

SOUND = Definition("qwen", "Qwen", repo="Qwen/Qwen3-32B")
LOCAL = replace(SOUND, repo=None, local_path="/home/u/models/m")


def problems(base: Definition = SOUND, **changes: Any) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in validate(replace(base, **changes))]


def test_a_sound_definition_has_no_problems() -> None:
    assert problems() == []
    assert problems(LOCAL) == []


def test_a_full_definition_is_sound() -> None:
    full = Definition(
        key="full",
        label="Everything",
        repo="org/m",
        args=("-tp", "2", "--max-model-len=1", '{"a": "b c"}', "--x.y=true", "--mamba_ssm_cache_dtype", "float32"),
        env=(("VLLM_USE_V1", "1"), ("X", "a b $(c)")),
        nodes=2,
        launcher_args=("--eth-if", "enp1s0f1np1", "--nccl-debug", "WARN", "-v", "/home/u/x:/x:ro", "--no-cache-dirs"),
        docker_args=("--shm-size=64g", "--label", "team=a", "--ulimit", "memlock=-1:-1", "--init", "-v", "/data/x:/x"),
        mods=("mods/a", "mods/b.zip"),
        image="ghcr.io/team/vllm:1",
        expected_load_seconds=300,
        notes="two\nlines",
    )
    assert validate(full) == []


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("key", {"key": ""}),
        ("key", {"key": "a b"}),
        ("label", {"label": " "}),
        ("label", {"label": "a\nb"}),
        ("label", {"label": "x" * 121}),
        ("repo", {"repo": None}),
        ("repo", {"local_path": "/home/u/m"}),
        ("repo", {"repo": "-x/y"}),
        ("local_path", {"repo": None, "local_path": "models/x"}),
        ("local_path", {"repo": None, "local_path": "/etc/x"}),
        ("local_path", {"repo": None, "local_path": "/home"}),
        ("local_path", {"repo": None, "local_path": "/home/u/.ssh/x"}),
        ("local_path", {"repo": None, "local_path": "/var/lib/docker"}),
        ("nodes", {"nodes": 0}),
        ("nodes", {"nodes": 9}),
        ("nodes", {"nodes": True}),
        ("mods", {"mods": ("/etc/x",)}),
        ("mods", {"mods": ("../x",)}),
        ("image", {"image": "--privileged"}),
        ("image", {"image": "a", "launcher_args": ("-t", "b")}),
        ("expected_load_seconds", {"expected_load_seconds": 0}),
        ("expected_load_seconds", {"expected_load_seconds": 10**6}),
        ("notes", {"notes": "\x1b[31m"}),
    ],
)
def test_a_problem_names_its_field(field: str, changes: dict[str, Any]) -> None:
    found = problems(**changes)
    assert {name for name, _ in found} == {field}
    assert all(message.endswith(".") for _, message in found)


@pytest.mark.parametrize(
    "word",
    [
        *["--host", "--host=1.2.3.4", "--port", "--port=1", "--PORT_is_no_option --port", "--nnodes=2", "--node-rank"],
        *[
            "--node_rank=1",
            "--master-addr",
            "--master_port",
            "--headless",
            "--api-key",
            "--api_key=x",
            "--uds",
            "--model",
        ],
        *["--config", "--ssl-keyfile=x", "--ssl_certfile", "--por", "--hos", "--api-k=x", "--master-p", "--headles"],
    ],
)
def test_what_spark_control_sets_is_refused_in_every_spelling(word: str) -> None:
    words = tuple(word.split())
    (field, message), *_ = problems(args=(*words[-1:], "x"))
    assert field == "args"
    assert "set by Spark Control" in message
    assert "Remove it" in message


@pytest.mark.parametrize(
    "word",
    [
        "--hosts-file=x",
        "--max-model-len=1",
        "--served-model-name=x",
        "--headroom",
        "--portfolio=1",
        "--model-impl=auto",
    ],
)
def test_options_that_only_begin_alike_are_taken(word: str) -> None:
    assert problems(args=(word,)) == []


def test_a_key_on_the_command_line_is_refused_with_another_way() -> None:
    ((_, message),) = problems(args=("--api-key=secret-value",))
    assert "CONTAINER_VLLM_API_KEY" in message
    assert "secret-value" not in message


def test_a_first_word_that_is_no_option_is_refused() -> None:
    ((field, message),) = problems(args=("org/other", "--x"))
    assert field == "args"
    assert "repo or local_path" in message


@pytest.mark.parametrize("word", ["a\x00b", "a\nb", "\x1b", "\ud800", "x" * 4097])
@pytest.mark.parametrize("field", ["args", "launcher_args", "docker_args"])
def test_no_list_takes_control_characters_or_endless_words(field: str, word: str) -> None:
    changes: dict[str, Any] = {field: (word,)}
    ((name, message),) = problems(**changes)
    assert name == field
    assert "Item 1" in message


@pytest.mark.parametrize("field", ["args", "launcher_args", "docker_args", "mods"])
def test_values_that_are_no_text_are_told_not_crashed_on(field: str) -> None:
    changes: dict[str, Any] = {field: (1, None, ["x"])}
    assert problems(**changes)[0][0] == field


def test_too_many_words_are_refused() -> None:
    assert problems(args=("--x",) * 201)[0][0] == "args"


def test_words_that_are_too_much_together_are_refused() -> None:
    assert "together" in problems(args=tuple(f"--x={'y' * 4000}" for _ in range(30)))[0][1]


@pytest.mark.parametrize(
    ("args", "nodes", "sound"),
    [
        ((), 1, True),
        ((), 2, False),
        (("-tp", "2"), 2, True),
        (("-tp=2",), 2, True),
        (("-tp", "2"), 1, False),
        (("--tensor-parallel-size", "1"), 1, True),
        (("--tensor_parallel_size=2",), 2, True),
        (("-tp", "2", "-pp", "2"), 4, True),
        (("-tp", "2", "-dp", "2"), 2, False),
        (("-tp", "two"), 2, False),
        (("-tp",), 1, False),
        (("-tp", "1", "-tp", "2"), 2, True),
        (("-tp", "1", "--tensor-parallel-size=2"), 2, True),
    ],
)
def test_parallel_sizes_and_sparks_must_agree(args: tuple[str, ...], nodes: int, sound: bool) -> None:
    assert (problems(args=args, nodes=nodes) == []) is sound


@pytest.mark.parametrize(
    ("template", "base", "sound"),
    [
        ("/home/u/models/m/t.jinja", LOCAL, True),
        ("/home/u/models/other/t.jinja", LOCAL, False),
        ("/home/u/models/m/../t.jinja", LOCAL, False),
        ("/home/u/models/mm/t.jinja", LOCAL, False),
        ("t.jinja", LOCAL, False),
        ("t.jinja", replace(LOCAL, mods=("mods/t",)), True),
        ("unsloth.jinja", SOUND, True),
        ("/workspace/t.jinja", SOUND, True),
        ("../t.jinja", SOUND, False),
        ("{{ messages }}", LOCAL, True),
    ],
)
def test_a_chat_template_must_be_where_the_container_can_see_it(template: str, base: Definition, sound: bool) -> None:
    for args in (("--chat-template", template), (f"--chat-template={template}",), ("--chat_template", template)):
        assert (problems(base, args=args) == []) is sound


@pytest.mark.parametrize(
    ("env", "sound"),
    [
        ((("A", "1"),), True),
        ((("A", ""),), True),
        ((("A", '{"x": "y z"}'),), True),
        ((("TOKENIZERS_PARALLELISM", "false"),), True),
        ((("VLLM_MAX_TOKENS", "1"),), True),
        ((("a", "1"),), False),
        ((("A", "1"), ("A", "2")), False),
        ((("A", "x\ny"),), False),
        ((("A", 1),), False),
        ((("HF_TOKEN", "x"),), False),
        ((("VLLM_API_KEY", "x"),), False),
        ((("AWS_SECRET_ACCESS_KEY", "x"),), False),
        ((("LD_PRELOAD", "x"),), False),
        ((("PATH", "x"),), False),
        ((("BASH_ENV", "x"),), False),
    ],
)
def test_environment(env: Any, sound: bool) -> None:
    assert (problems(env=env) == []) is sound


def test_a_secret_is_never_repeated_in_the_refusal() -> None:
    ((_, message),) = problems(env=(("HF_TOKEN", "hf_abc"),))
    assert "hf_abc" not in message
    assert "CONTAINER_HF_TOKEN" in message


def test_all_problems_are_told_at_once() -> None:
    found = problems(key="", label="", repo=None, args=("x",), nodes=0, image=" ")
    assert [field for field, _ in found] == ["key", "label", "repo", "args", "nodes", "image"]
