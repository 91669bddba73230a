"""Mistakes in the configuration are told at the start, with what to do."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from sparkcontrol import checks


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
