"""The shared rules for words: what each takes, and what it must never take."""

import pytest

from swaps.catalog import argument_rules as rules

GOOD = {
    "repo_id": ["org/name", "openai/gpt-oss-120b", "Qwen/Qwen3.6-35B-A3B", "a/b", "_x/y_", "z-lab/Qwen3.8-27B-DFlash2"],
    "absolute_path": ["/home/u/models/m", "/data", "/a/b.c/d_e-f+g@h%i=j,k"],
    "image_reference": [
        *["vllm-node", "vllm-node-mxfp4", "vllm/vllm-openai:gemma4-cu130", "nvcr.io/nvidia/vllm:26.01-py3", "a__b"],
        *["localhost:5000/team/x:1", f"x@sha256:{'a' * 64}", "ghcr.io/o/p-q/r:v1.2_3"],
    ],
    "container_name": ["vllm_node", "vllm-gemma4", "a", "A.b", "x" * 64],
    "host": ["spark-1", "spark-abcd.local", "192.168.177.11", "::1", "fe80::1", "a_b"],
    "port": ["1", "8888", "65535"],
    "env_name": ["A", "_A", "VLLM_USE_V1"],
    "unix_user": ["nvidia", "_x", "a-b"],
    "launcher_dir": ["/opt/x", "~/spark-vllm-docker", "~", "/opt/x/", "~/a/b"],
    "key": ["a", "qwen3.6-35b", "A_b"],
    "slot_name": ["main", "a", "slot-2"],
    "mod_path": ["mods/fix-glm-4.7-flash-AWQ", "x", "mods/a.zip", "a/b/c"],
    "plain_word": ["a", "--x=1", "K=v", "/a:/b:ro", "1,2"],
}
BAD = {
    "repo_id": ["", "org", "a/b/c", "-a/b", ".a/b", "a/-b", "a/b.", "a/..", "a/b..c", "a/b\n", "a /b", "ä/b", "a/b--c"],
    "absolute_path": [
        "",
        "a",
        "/",
        "/a/",
        "//a",
        "/a/../b",
        "/a/.",
        "/a b",
        "/a:b",
        "/a\n",
        "/ä",
        "~/a",
        "/a*",
        "/$HOME",
    ],
    "image_reference": [
        "",
        "-x",
        "X",
        "a b",
        "a:",
        ":a",
        "a:b:c",
        "a//b",
        "/a",
        "a/",
        "a@sha256:1",
        "a\n",
        "$(x)",
        "a:-b",
    ],
    "container_name": ["", "-a", ".a", "_a", "a b", "a/b", "a\n", "x" * 65, "a$b"],
    "host": [
        "",
        "-a",
        "a-",
        "a..b",
        ".a",
        "a.",
        "a b",
        "a;b",
        "a\n",
        "::1%eth0",
        "[::1]",
        "::g",
        "a,b",
        "h" * 64,
        "a/b",
    ],
    "port": ["", "0", "65536", "-1", "1.0", " 1", "1\n", "１", "999999"],
    "env_name": ["", "a", "1A", "A-B", "A=B", "A B", "A\n", "Ä"],
    "unix_user": ["", "-x", "X", "root;", "a b", "a\n"],
    "launcher_dir": ["", "x", "~x/a", "~root", "~/../x", "/a b", "/a//b", "~/a\n", "/a/./b", "$HOME"],
    "key": ["", "-a", "a-", ".a", "a b", "a/b", "a\n", "a..b", "x" * 101],
    "slot_name": ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "a\n", "x" * 41],
    "mod_path": ["", "/a", "../a", "a/../b", "-a", "a/-b", "a//b", "a/", "a b", ".a", "a\n"],
    "plain_word": ["", " ", "a b", "*", "~", "$x", "'", '"', "{a}", "a;b", "a\n", "ä", "[a]", "x" * 4097],
}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in GOOD.items() for text in texts])
def test_it_takes(rule: str, text: str) -> None:
    assert getattr(rules, f"is_{rule}")(text)


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in BAD.items() for text in texts])
def test_it_refuses(rule: str, text: str) -> None:
    assert not getattr(rules, f"is_{rule}")(text)


def test_a_port_may_be_a_number_too() -> None:
    assert rules.is_port(8888)
    assert not rules.is_port(0)
    assert not rules.is_port(True)


@pytest.mark.parametrize("text", ["a\x00", "\n", "\t", "\x1b[0m", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ud800"])
def test_control_characters_and_lone_surrogates_are_seen(text: str) -> None:
    assert rules.has_control_character(text)
    assert not rules.is_shell_word(text)


@pytest.mark.parametrize("text", ["", "a b", '{"a": "b c"}', "ä", "😀", "$(x)", "'\"\\", "x" * 4096])
def test_text_that_can_be_quoted_is_a_shell_word(text: str) -> None:
    assert rules.is_shell_word(text)


def test_the_length_of_a_word_is_counted_in_bytes() -> None:
    assert rules.is_shell_word("ä" * 2048)
    assert not rules.is_shell_word("ä" * 2049)


def test_every_rule_has_a_message_that_says_what_is_wanted() -> None:
    assert all(message.startswith("must ") for message in rules.MESSAGES.values())
    with pytest.raises(KeyError):
        rules.message_of("nothing")


@pytest.mark.parametrize(
    ("path", "inside"), [("/a/b", True), ("/a", True), ("/ab", False), ("/", False), ("/a/b/c", True)]
)
def test_a_path_is_inside_a_directory_by_whole_parts(path: str, inside: bool) -> None:
    assert rules.is_under(path, "/a") is inside


def test_a_blank_launcher_directory_means_the_usual_one() -> None:
    assert rules.launcher_path("") == "~/spark-vllm-docker/launch-cluster.sh"
    assert rules.launcher_path("/opt/l/") == "/opt/l/launch-cluster.sh"
