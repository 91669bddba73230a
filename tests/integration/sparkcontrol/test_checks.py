"""Mistakes in the configuration are told at the start, with what to do."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from sparkcontrol import checks, env, starting
from tests.redis_server import redis_server

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def data(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.SPARKCONTROL_ENCRYPTION_KEY_FILE = tmp_path / "encryption-keys"
    return tmp_path


def told() -> list[str]:
    return [str(message.id) for message in run_checks(tags=[checks.TAG])]


def test_it_has_nothing_to_say_about_the_defaults() -> None:
    assert told() == []


def test_it_refuses_debug_pages_on_the_network(settings: Any) -> None:
    settings.DEBUG, settings.BIND = True, "0.0.0.0"
    assert told() == ["sparkcontrol.E002"]


def test_it_allows_debug_pages_on_this_machine(settings: Any) -> None:
    settings.DEBUG, settings.BIND = True, "127.0.0.1"
    assert told() == []


def test_it_warns_of_a_list_of_hosts_that_is_none(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert told() == ["sparkcontrol.W001"]


@pytest.mark.parametrize("name", ["secret-key", "encryption-keys"])
def test_it_warns_of_a_secret_others_can_read(data: Path, name: str) -> None:
    (data / name).write_text("secret")
    (data / name).chmod(0o644)
    assert told() == ["sparkcontrol.W002"]
    (data / name).chmod(0o600)
    assert told() == []


def test_it_names_a_data_directory_it_cannot_write(settings: Any, data: Path) -> None:
    settings.DATA_DIR = data / "gone"
    assert told() == ["sparkcontrol.E001"]


def test_it_warns_of_a_secret_file_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(env, "files_read", {"DATABASE_URL": tmp_path / "url"})
    (tmp_path / "url").write_text("postgresql:///x")
    (tmp_path / "url").chmod(0o644)
    assert told() == ["sparkcontrol.W002"]


def test_it_names_encryption_keys_it_cannot_read(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "encryption-keys").write_text("secret")
    (data / "encryption-keys").chmod(0o600)
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.R_OK)
    assert told() == ["sparkcontrol.E004"]


def test_it_warns_of_redis_without_a_database_for_several_machines(settings: Any) -> None:
    with redis_server() as server:
        settings.REDIS_URL = server.url
        assert told() == ["sparkcontrol.W003"]
        settings.DATABASE_URL = "postgresql:///x"
        assert told() == []


def test_a_redis_that_is_away_is_no_reason_not_to_start(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL, settings.DATABASE_URL = "redis://127.0.0.1:1/0", "postgresql:///x"
    assert told() == ["sparkcontrol.W004"]
    starting.refuse_mistakes()
    assert "Redis does not answer" in caplog.text


def test_a_redis_that_refuses_us_is(settings: Any) -> None:
    with redis_server() as server:
        server.ask("CONFIG SET requirepass canary-5c1d")
        settings.REDIS_URL, settings.DATABASE_URL = server.url, "postgresql:///x"
        assert told() == ["sparkcontrol.E005"]
        settings.REDIS_URL = server.url.replace("//", "//:wrong@")
        with pytest.raises(SystemExit, match=r"Redis refuses REDIS_URL.*sparkcontrol.E005"):
            starting.refuse_mistakes()


PROGRAMS = {
    "web": ["-c", "import sparkcontrol.asgi"],
    "worker": ["-m", "sparkcontrol.worker"],
    "bootstrap": ["manage.py", "bootstrap"],
}


NETWORKS = ("SPARKCONTROL_WEBHOOK_NETWORKS", "nonsense", "sparkcontrol.E003")


@pytest.mark.parametrize(
    ("program", "name", "value", "sentence"),
    [
        ("web", *NETWORKS),
        ("worker", *NETWORKS),
        ("bootstrap", *NETWORKS),
        ("web", "REDIS_URL", "http://u:canary-5c1d@h", "REDIS_URL is not an address"),
        ("worker", "DATABASE_URL_FILE", "/nowhere", "DATABASE_URL_FILE names /nowhere, which cannot be read"),
    ],
)
def test_every_program_refuses_to_start_on_a_mistake(
    program: str, name: str, value: str, sentence: str, tmp_path: Path
) -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "sparkcontrol.settings"}
    env |= {"SPARKCONTROL_DATA_DIR": str(tmp_path), name: value}
    ended = subprocess.run([sys.executable, *PROGRAMS[program]], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr


def test_every_id_is_explained() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sparkcontrol").glob("*.py"))
    used = set(re.findall(r"sparkcontrol\.[EW]\d{3}", sources))
    assert used == set(re.findall(r"sparkcontrol\.[EW]\d{3}", (ROOT / "docs" / "configuration.md").read_text()))
