"""Reading a launcher's usage text."""

from pathlib import Path

import pytest

from swaps.launcher.capabilities import Capabilities, read_capabilities

HELP = Path(__file__).parents[3] / "corpus" / "launcher_help"


def capabilities(name: str) -> Capabilities:
    return read_capabilities((HELP / f"{name}.txt").read_text())


@pytest.mark.parametrize(
    ("name", "vintage"),
    [("2026-01", "2026-01"), ("2026-02", "2026-01"), ("2026-04", "2026-04"), ("2026-08", "2026-08")],
)
def test_it_names_the_vintage(name: str, vintage: str) -> None:
    assert capabilities(name).vintage == vintage


def test_the_oldest_launcher_has_neither_solo_nor_env_nor_a_detached_exec() -> None:
    old = capabilities("2026-01")
    assert not (old.solo or old.env_flag or old.detached_exec or old.no_ray or old.launch_script or old.volumes)
    assert old.mods
    assert old.joined_exec


def test_a_launcher_of_february_may_or_may_not_keep_words_apart_so_neither_is_believed() -> None:
    february = capabilities("2026-02")
    assert february.solo
    assert february.env_flag
    assert not february.detached_exec
    assert not february.quoted_exec
    assert not february.joined_exec


def test_april_detaches_but_breaks_words_on_a_worker() -> None:
    april = capabilities("2026-04")
    assert april.detached_exec
    assert april.quoted_exec
    assert not april.quoted_workers
    assert not april.ray_flag


def test_august_can_do_everything() -> None:
    august = capabilities("2026-08")
    assert august.quoted_workers
    assert august.ray_flag
    assert august.volumes
    assert august.knows("--earlyoom")


@pytest.mark.parametrize(
    "text", ["", "bash: ./launch-cluster.sh: No such file or directory", "Usage: docker [OPTIONS]"]
)
def test_text_that_is_no_usage_text_is_unknown(text: str) -> None:
    unknown = read_capabilities(text)
    assert unknown.vintage == "unknown"
    assert not unknown.known
    assert not unknown.joined_exec


def test_a_dash_inside_a_word_is_no_flag() -> None:
    assert "-node" not in read_capabilities("image vllm-node x--solo").flags
    assert "--solo" not in read_capabilities("image x--solo").flags
