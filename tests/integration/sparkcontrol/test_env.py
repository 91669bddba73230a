"""Readers of the environment fail loudly, with the name and the remedy."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparkcontrol import env, folders


def test_it_reads_a_secret_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "secret"))
    assert env.text("SOME_SECRET") == "hush"


def test_it_names_the_file_it_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "gone"))
    with pytest.raises(env.BadEnvironment, match=r"SOME_SECRET_FILE names .*gone, which cannot be read"):
        env.text("SOME_SECRET")


@pytest.mark.parametrize(
    ("value", "meant"), [("true", True), ("1", True), ("YES", True), ("false", False), ("0", False), ("", True)]
)
def test_it_reads_yes_and_no(value: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", value)
    assert env.boolean("SWITCH", True) is meant


def test_it_refuses_a_maybe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", "maybe")
    with pytest.raises(env.BadEnvironment, match="SWITCH is 'maybe'; write true or false"):
        env.boolean("SWITCH", False)


def test_it_reads_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMES", " a, ,b ,")
    assert env.words("NAMES", []) == ["a", "b"]


def test_it_makes_a_secret_once_however_many_start_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    with ThreadPoolExecutor(16) as pool:
        seen = set(pool.map(folders.kept_secret, [path] * 64))
    assert len(seen) == 1
    assert len(seen.pop()) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
