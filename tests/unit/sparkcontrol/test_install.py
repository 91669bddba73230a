"""The virtual environment is made once, and what is missing is said in one sentence."""

from pathlib import Path

import pytest

from sparkcontrol import install


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Instead of packages from the network: what would have been run."""
    argvs: list[list[str]] = []
    monkeypatch.setattr(install, "run", argvs.append)
    monkeypatch.setattr(install, "make_venv", lambda venv: (venv / "bin").mkdir(parents=True, exist_ok=True))
    return argvs


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("django==5.2.19 --hash=sha256:00\n")
    return path


def test_it_installs_with_hashes(tmp_path: Path, lock: Path, ran: list[list[str]]) -> None:
    install.install(lock, tmp_path / "venv")
    assert ran[0][-3:] == ["--require-hashes", "-r", str(lock)]


def test_it_skips_everything_the_second_time(tmp_path: Path, lock: Path, ran: list[list[str]]) -> None:
    install.install(lock, tmp_path / "venv")
    install.install(lock, tmp_path / "venv")
    assert len(ran) == 1


def test_it_installs_again_when_the_lock_changed(tmp_path: Path, lock: Path, ran: list[list[str]]) -> None:
    install.install(lock, tmp_path / "venv")
    lock.write_text("django==5.2.20 --hash=sha256:00\n")
    install.install(lock, tmp_path / "venv")
    assert len(ran) == 2


def test_it_keeps_a_stamp_per_lock(tmp_path: Path, lock: Path, ran: list[list[str]]) -> None:
    other = tmp_path / "requirements-dev.txt"
    other.write_text("pytest==9.2.0 --hash=sha256:00\n")
    for path in (lock, other, lock, other):
        install.install(path, tmp_path / "venv")
    assert len(ran) == 2


def test_it_leaves_no_stamp_behind_a_failed_install(
    tmp_path: Path, lock: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: list[str]) -> None:
        raise install.CannotInstall("no network")

    monkeypatch.setattr(install, "run", fail)
    with pytest.raises(install.CannotInstall):
        install.install(lock, tmp_path / "venv")
    monkeypatch.setattr(install, "run", ran.append)
    install.install(lock, tmp_path / "venv")
    assert len(ran) == 1


def test_it_names_the_oldest_python() -> None:
    with pytest.raises(install.CannotInstall, match=r"needs Python 3\.11 or newer, and this is 3\.10"):
        install.refuse_old_python((3, 10))


def test_it_says_the_apt_line_when_venv_is_missing() -> None:
    said = "The virtual environment was not created successfully because ensurepip is not available."
    assert "sudo apt-get install python3-venv" in install.missing_venv(said)


def test_it_repeats_other_problems() -> None:
    assert "No space left on device" in install.missing_venv("OSError: No space left on device")
