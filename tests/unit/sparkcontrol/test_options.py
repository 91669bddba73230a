"""What the supervisor reads from the environment."""

from pathlib import Path

import pytest

from sparkcontrol.env import BadEnvironment
from sparkcontrol.supervisor import Options, Problem


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BIND", "PORT", "SPARKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARKCONTROL_DATA_DIR", str(tmp_path))


def test_it_listens_on_this_machine_only_by_default() -> None:
    assert Options().url == "http://127.0.0.1:9999"


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("spark.lan", "http://spark.lan:80"),
    ],
)
def test_it_prints_an_address_that_opens(bind: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIND", bind)
    monkeypatch.setenv("PORT", "80")
    assert Options().url == url


@pytest.mark.parametrize(("sparks", "simulated"), [("", True), ("simulated", True), ("real", False)])
def test_it_simulates_unless_told_otherwise(sparks: str, simulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKS", sparks)
    assert Options().simulated is simulated


def test_it_refuses_a_third_kind_of_sparks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKS", "reel")
    with pytest.raises(Problem, match="write simulated or real"):
        Options()


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_it_refuses_a_port_that_cannot_be(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(Problem, match="from 1 to 65535"):
        Options()


def test_it_refuses_a_port_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(BadEnvironment, match="whole number"):
        Options()


def test_its_children_get_absolute_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKCONTROL_DATA_DIR", "var")
    assert Path(Options().child_environment()["SPARKCONTROL_DATA_DIR"]).is_absolute()
