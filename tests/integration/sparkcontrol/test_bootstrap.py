"""What a start makes sure of, and that the second one changes nothing a person has changed since."""

import io
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

from cluster.models import InstallKey, Slot, Spark
from services.api.authentication import find_key
from sparkcontrol import demo
from swaps.actions import Requester, delete_model
from swaps.models import ModelDefinition, Serving, SwapLock, Trigger
from tests.simulated_sparks import own_first_address, simulated_sparks

pytestmark = pytest.mark.django_db(transaction=True)

Bootstrap = Callable[..., str]


@pytest.fixture
def bootstrap(settings: Any, tmp_path: Path) -> Bootstrap:
    """The command on a fresh data directory; what it printed."""
    settings.DATA_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"

    def run(**options: Any) -> str:
        out = io.StringIO()
        call_command("bootstrap", stdout=out, **options)
        return out.getvalue()

    return run


def note(tmp_path: Path) -> dict[str, str]:
    return dict(json.loads((tmp_path / "first-run.json").read_text()))


def test_it_makes_a_sign_in_that_works(bootstrap: Bootstrap, tmp_path: Path) -> None:
    said = bootstrap()
    signed_in = authenticate(username=note(tmp_path)["user"], password=note(tmp_path)["password"])
    assert signed_in is not None
    assert signed_in.is_superuser
    assert note(tmp_path)["password"] in said


def test_it_makes_a_key_that_opens_everything(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    key = find_key(note(tmp_path)["api_key"])
    assert key is not None
    assert key.scopes == ["admin"]


def test_it_keeps_its_notes_to_itself(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    assert stat.S_IMODE((tmp_path / "first-run.json").stat().st_mode) == 0o600


def test_it_fills_the_catalog(bootstrap: Bootstrap) -> None:
    bootstrap()
    assert ModelDefinition.objects.count() >= 10


def test_it_has_its_own_ssh_key_ready(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    assert (tmp_path / "install-key.pub").read_text().strip() == InstallKey.objects.get().public_key


def test_a_second_start_changes_nothing(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    before = (tmp_path / "first-run.json").read_bytes()
    admin = get_user_model().objects.get()
    admin.set_password("chosen by a person")
    admin.save()
    said = bootstrap()
    assert (tmp_path / "first-run.json").read_bytes() == before
    assert note(tmp_path)["password"] not in said
    assert authenticate(username="admin", password="chosen by a person") is not None


def test_a_deleted_model_stays_deleted(bootstrap: Bootstrap) -> None:
    bootstrap()
    version = ModelDefinition.objects.get(key="gpt-oss-120b").version
    delete_model("gpt-oss-120b", Requester("user:ana", Trigger.DASHBOARD), expected_version=version)
    bootstrap()
    assert not ModelDefinition.objects.filter(key="gpt-oss-120b").exists()


def test_it_does_without_the_note_once_somebody_removed_it(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    (tmp_path / "first-run.json").unlink()
    said = bootstrap()
    assert "first-run.json" not in said
    assert not (tmp_path / "first-run.json").exists()


def test_it_leads_to_the_settings_page_when_no_spark_is_known(bootstrap: Bootstrap) -> None:
    assert "No Spark is known yet" in bootstrap()
    assert not Spark.objects.exists()


def test_it_collects_static_files_only_when_they_changed(bootstrap: Bootstrap, tmp_path: Path) -> None:
    bootstrap()
    stamp = tmp_path / "static" / ".collected"
    before = stamp.stat().st_mtime_ns
    bootstrap()
    assert stamp.stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo") / "sim"
    with simulated_sparks(folder, "no key yet", first_address=own_first_address(40)):
        yield folder


@pytest.fixture
def said(root: Path, tmp_path: Path) -> Path:
    """What the simulator said when it was up."""
    for keys in root.glob("*/home/.ssh/authorized_keys"):
        keys.unlink()
    path = tmp_path / "simulator.out"
    path.write_text((root / "topology.json").read_text())
    return path


def test_it_adds_them_with_their_keys_pinned_and_one_slot(bootstrap: Bootstrap, said: Path) -> None:
    bootstrap(simulated=said)
    described = {entry["name"]: entry for entry in demo.wait_for_sparks(said)}
    assert {spark.name for spark in Spark.objects.all()} == set(described)
    for spark in Spark.objects.all():
        assert (spark.host, spark.fabric_ip) == (described[spark.name]["host"], described[spark.name]["fabric_ip"])
        assert described[spark.name]["host_key"].split()[1] in spark.host_key
    slot = Slot.objects.get(is_default=True)
    assert [spark.name for spark in slot.sparks()] == ["spark-1", "spark-2"]
    assert (SwapLock.objects.count(), Serving.objects.count()) == (1, 1)


def test_they_let_us_in(bootstrap: Bootstrap, said: Path) -> None:
    bootstrap(simulated=said)
    bootstrap(simulated=said)
    for entry in demo.wait_for_sparks(said):
        keys = (Path(entry["home"]) / ".ssh" / "authorized_keys").read_text()
        assert keys.count(InstallKey.objects.get().public_key) == 1


def test_it_follows_them_to_another_address(bootstrap: Bootstrap, said: Path) -> None:
    bootstrap(simulated=said)
    Spark.objects.filter(name="spark-1").update(host="127.0.99.1")
    bootstrap(simulated=said)
    assert Spark.objects.get(name="spark-1").host == demo.wait_for_sparks(said)[0]["host"]


def test_it_leaves_a_real_spark_of_the_same_name_alone(bootstrap: Bootstrap, said: Path) -> None:
    Spark.objects.create(name="spark-1", host="192.0.2.1", ssh_user="nvidia", host_key="ssh-ed25519 other")
    bootstrap(simulated=said)
    assert list(Spark.objects.values_list("host", flat=True)) == ["192.0.2.1"]


def test_it_does_not_bring_back_a_spark_that_was_removed(bootstrap: Bootstrap, said: Path) -> None:
    bootstrap(simulated=said)
    Slot.objects.get().seats.all().delete()
    Spark.objects.filter(name="spark-2").delete()
    bootstrap(simulated=said)
    assert not Spark.objects.filter(name="spark-2").exists()
