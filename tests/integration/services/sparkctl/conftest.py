"""sparkctl, downloaded from Daphne on the test database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.models import Slot
from services.actions import make_key
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.sparkctl import Sparkctl

Client = Callable[..., Sparkctl]


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    slot: Slot = SlotFactory(name="main")
    ModelDefinitionFactory(key="qwen", label="Qwen")
    return slot


@pytest.fixture
def client(web: str, slot: Slot, tmp_path: Path) -> Client:
    """sparkctl with a fresh key of the scopes named; of none: without a key."""

    def made(name: str, *scopes: str) -> Sparkctl:
        folder = tmp_path / name
        folder.mkdir()
        key = make_key(name, scopes, by="test")[1] if scopes else ""
        return Sparkctl.from_server(web, folder, key)

    return made


@pytest.fixture
def sparkctl(client: Client) -> Sparkctl:
    return client("cron", "swap", "lock")
