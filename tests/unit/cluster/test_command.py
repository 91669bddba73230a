import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.ssh.command import MAX_COMMAND_BYTES, MAX_WORD_BYTES, Command, Secret, UnsafeWord

SAFE = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(SAFE, max_size=5), script=st.booleans())
def test_words_reach_the_program_as_they_are(words: list[str], script: bool) -> None:
    command = Command.shell('printf "<%s>" "$@"', *words) if script else Command.of("printf", "<%s>", *words)
    done = subprocess.run(["bash", "-c", command.wire()], capture_output=True, check=True)
    assert done.stdout.decode() == ("".join(f"<{word}>" for word in words) or "<>")


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_environment_and_folder_reach_the_program(shell: str, tmp_path: object) -> None:
    command = Command(("sh", "-c", 'echo "$A|$PWD"'), cwd=str(tmp_path)).with_env({"A": "x $(id) 'y'"})
    done = subprocess.run([shell, "-c", command.wire()], capture_output=True, text=True, check=True)
    assert done.stdout == f"x $(id) 'y'|{tmp_path}\n"


BAD = ["a\nb", "a\rb", "a\x00b", "\x1b[31m", "a\x7f", "a\x85", "\ud800", "x" * (MAX_WORD_BYTES + 1), "☃" * 1400]


@pytest.mark.parametrize("word", BAD)
def test_a_word_no_shell_may_see_is_refused_wherever_it_stands(word: str) -> None:
    for command in (
        Command.of("echo", word),
        Command.of("echo", Secret(word)),
        Command.shell("true", word),
        Command.of("true").with_env({"A": word}),
        Command(("true",), cwd=word),
    ):
        with pytest.raises(UnsafeWord) as caught:
            command.wire()
        assert word not in str(caught.value)


@pytest.mark.parametrize("name", ["", "-i", "A B", "A=B", "1A", "A\n", "Ä"])
def test_a_name_that_env_would_misread_is_refused(name: str) -> None:
    with pytest.raises(UnsafeWord, match="environment"):
        Command.of("true").with_env({name: "x"}).wire()


@pytest.mark.parametrize("cwd", ["", "-", "-P"])
def test_a_folder_that_cd_would_misread_is_refused(cwd: str) -> None:
    with pytest.raises(UnsafeWord, match="working directory"):
        Command(("true",), cwd=cwd).wire()


def test_a_command_too_long_for_bash_is_refused() -> None:
    with pytest.raises(UnsafeWord, match="longer than"):
        Command.of("echo", *["x" * 4000] * (MAX_COMMAND_BYTES // 4000 + 1)).wire()


def test_a_secret_is_sent_but_never_shown() -> None:
    command = Command.of("login", "--key", Secret("canary")).with_env({"HF_TOKEN": Secret("canary"), "B": "b c"})
    assert command.wire() == "env HF_TOKEN=canary 'B=b c' login --key canary"
    assert command.display() == "env 'HF_TOKEN=***' 'B=b c' login --key '***'"
    for text in (repr(command), str(command), str(Secret("canary")), f"{Secret('canary')}"):
        assert "canary" not in text


def test_a_script_is_named_instead_of_quoted() -> None:
    command = Command.shell("set -e; secret_logic", "a b", Secret("canary"))
    assert command.display() == "(script) 'a b' '***'"
    assert Command.shell("true").display() == "(script)"


def test_what_is_shown_holds_no_terminal_tricks() -> None:
    shown = Command.of("echo", "a\x1b[31mb\u202e\nc").display()
    assert shown.isprintable() and "\\x1b" in shown
