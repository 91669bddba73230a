"""Run by test_backup.py, once for each database: backup, life goes on, restore, and what is true then."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from cluster import encryption, event_feed, events
from cluster.models import Event, Slot
from cluster.refusals import Lost, Unavailable
from cluster.ssh.command import Command
from cluster.ssh.pool import pool
from services.api import events as event_stream
from services.models import Delivery, DeliveryState
from services.webhooks import after_restore as webhooks_after_restore
from services.webhooks import outbox
from sparkcontrol.backup import archive, dumping, restoring, schema
from sparkcontrol.backup.running import database_alone
from swaps import actions, locks, reopening
from swaps import after_restore as swaps_after_restore
from swaps.actions import Requester
from swaps.launcher import node_commands
from swaps.models import ClosedSlot, ModelDefinition, Serving, Swap, SwapLock, Trigger
from swaps.site import site_of
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SwapFactory, UserFactory
from tests.pages import a_schedule, a_webhook
from tests.simulated_sparks import SimulatedSparks, until

pytestmark = pytest.mark.django_db(transaction=True)

ANA = Requester("user:ana", Trigger.API)
SwapTo = Callable[..., Swap]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def backup(folder: Path) -> Path:
    path = folder / "it.backup"
    call_command("backup", str(path), "--keys", str(folder / "keys"))
    return path


def restore(path: Path) -> restoring.Restored:
    return restoring.restore(path, timezone.now())


def everything() -> dict[str, list[str]]:
    """Every row, as text."""
    found = {}
    for model in dumping.kept_models():
        columns = [field.attname for field in model._meta.concrete_fields]
        rows = model._base_manager.order_by("pk").values_list(*columns)
        found[dumping.label(model)] = [json.dumps(row, default=repr, sort_keys=True) for row in rows]
    return found


def fence_on_the_node(slot: Slot) -> int:
    site = site_of(slot)
    return int(site.on(site.head, node_commands.read_fence(slot.name)).stdout)


def answers(slot: Slot, name: str) -> bool:
    pool.forget(name)
    return site_of(slot).on(name, Command.of("true"), timeout=5).ok


def reopened(slot: Slot) -> bool:
    ClosedSlot.objects.update(next_try_at=None)
    for slot_id in reopening.due():
        reopening.reopen(slot_id)
    return not ClosedSlot.objects.filter(slot=slot).exists()


def test_the_drill(slot: Slot, swap_to: SwapTo, sparks: SimulatedSparks, folder: Path) -> None:
    """A swap after the backup raises the Sparks' fence; the restored database does not know, and finds out."""
    first = swap_to("small")
    path = backup(folder)
    ours = SwapLock.objects.get(slot=slot).fence
    later = swap_to("other")
    grant = locks.acquire(slot, holder="n8n", purpose="", ttl_seconds=60, by=ANA)
    newest_event = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    on_the_node = fence_on_the_node(slot)
    assert on_the_node > ours

    restore(path)
    slot = Slot.objects.with_sparks().get(name="main")

    assert Swap.objects.order_by("-id")[0].pk == first.pk
    with pytest.raises(Unavailable) as refusal:
        actions.request_swap(slot, "small", ANA)
    assert (refusal.value.code, refusal.value.retry_after_seconds) == ("restored-reconciling", 10)
    assert not Swap.objects.active().exists()

    sparks.fault("spark-2", "sshd-refuse")
    until(lambda: not answers(slot, "spark-2"), 10, "spark-2 to be away")
    assert not reopened(slot)
    with pytest.raises(Unavailable, match="spark-2 did not answer"):
        actions.request_stop(slot, ANA)
    sparks.no_faults()
    until(lambda: answers(slot, "spark-2"), 10, "spark-2 to be back")

    assert reopened(slot)
    assert SwapLock.objects.get(slot=slot).fence > max(on_the_node, grant.lock.fence)
    swap = swap_to("small")

    assert swap.state is Status.READY, swap.diagnosis
    assert swap.fence > on_the_node and fence_on_the_node(slot) == swap.fence
    assert swap.pk > later.pk, "its number was never used before"
    assert Event.objects.get(kind="database.restored").pk > newest_event
    assert "restored from a backup" in event_stream._missed(newest_event, event_feed.newest())
    assert event_stream._missed(event_feed.newest(), event_feed.newest()) == ""


def some_of_everything() -> Slot:
    slot: Slot = SlotFactory(name="main")
    ModelDefinitionFactory(key="small", env={"WORDS": "ünï \u2028 'quoted'"}, args=["-tp", "1"])
    Serving.objects.create(slot=slot, metrics={"tokens_per_second": 1.1, "none": None})
    ended = SwapFactory(slot=slot, status=Status.READY, ended_at=timezone.now(), result={"first_token_seconds": 0.25})
    SwapFactory(slot=slot, status=Status.FAILED, retry_of=ended)
    ended.messages.create(seq=1, kind="log", at=timezone.now(), data={"node": "spark-1", "text": "\x1f"})
    UserFactory().groups.create(name="operators")
    a_schedule(slot)
    events.record("spark.changed", "Somebody changed it.", slot=slot, data={"a": [1, None, "ü"]})
    locks.look(slot)
    return slot


def test_every_row_comes_back_exactly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_of_everything()
    before = everything()
    path = backup(folder)
    ModelDefinition.objects.all().delete()
    for settler in (swaps_after_restore, webhooks_after_restore):
        monkeypatch.setattr(settler, "settle", lambda *_: None)

    restored = restore(path)

    assert everything() == before
    assert restored.rows == sum(len(rows) for rows in before.values())
    assert restored.kept is not None and restored.kept.exists()


def test_what_ran_then_has_failed_and_nothing_of_the_past_is_sent_again(folder: Path) -> None:
    slot = some_of_everything()
    a_webhook(url="http://10.0.0.1/hook")
    swap = SwapFactory(slot=slot, status=Status.LOADING)
    SwapLock.objects.filter(slot=slot).update(active_swap=swap)
    grant = locks.acquire(SlotFactory(name="second"), holder="n8n", purpose="", ttl_seconds=600, by=ANA)
    events.record("swap.ended", "It ended.", slot=slot, data={"swap": swap.pk, "status": "ready"})
    outbox.fan_out(timezone.now())
    waiting = Delivery.objects.pending().count()
    path = backup(folder)

    restore(path)
    outbox.fan_out(timezone.now())

    swap.refresh_from_db()
    assert (swap.status, swap.diagnosis_code) == ("failed", "restored")
    assert swap.transitions.get().to_status == "failed"
    assert waiting and not Delivery.objects.pending().exists()
    assert Delivery.objects.filter(status=DeliveryState.FAILED).count() == waiting
    assert not locks.look(Slot.objects.get(name="second")).held
    with pytest.raises(Lost):
        locks.renew(Slot.objects.get(name="second"), grant.token)
    assert {row.problem for row in ClosedSlot.objects.all()} == {""}
    assert ClosedSlot.objects.count() == 2


def test_it_migrates_an_older_backup_and_refuses_a_newer_one(folder: Path) -> None:
    some_of_everything()
    old = folder / "old.backup"
    call_command("migrate", "swaps", "0004", verbosity=0)
    try:
        _dump_as_it_was(old)
    finally:
        call_command("migrate", verbosity=0)
    newer = folder / "newer.backup"
    text = old.read_text().replace('["swaps", "0004_upkeep"]', '["swaps", "0999_tomorrow"]', 1)
    newer.write_text(_sealed(text))

    restore(old)
    with pytest.raises(archive.BadBackup, match="newer Spark Control"):
        restore(newer)

    assert ClosedSlot.objects.exists(), "a table the backup did not know"
    assert ModelDefinition.objects.get().key == "small"


def _dump_as_it_was(path: Path) -> None:
    """What the version before wrote: it knew the models of its time, and had no reason to refuse."""
    loader = MigrationExecutor(connection).loader
    applied = archive.Manifest.new(timezone.now(), frozenset(loader.applied_migrations))
    state = loader.project_state(schema.targets_of(applied)).apps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MigrationExecutor, "migration_plan", lambda *_: [])
        patch.setattr(dumping, "kept_models", lambda: list(state.get_models(include_auto_created=True)))
        dumping.make(path, timezone.now())


def _sealed(text: str) -> str:
    *lines, last = text.splitlines()
    body = "".join(f"{line}\n" for line in lines)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return body + json.dumps({**json.loads(last), "sha256": digest}) + "\n"


def test_a_damaged_cut_or_foreign_file_changes_nothing(folder: Path) -> None:
    some_of_everything()
    path = backup(folder)
    before = everything()
    whole = path.read_bytes()
    spoiled: dict[str, tuple[bytes, str]] = {
        "cut": (whole[: len(whole) // 2], "cut off"),
        "changed": (whole.replace(b'"made_at": "20', b'"made_at": "19'), "changed or damaged"),
        "foreign": (b"SQLite format 3\0", "no backup of Spark Control"),
        "empty": (b"", "no backup of Spark Control"),
    }
    for name, (content, words) in spoiled.items():
        (folder / name).write_bytes(content)
        with pytest.raises(CommandError, match=words):
            call_command("restore", str(folder / name))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("restore", str(folder / "nowhere"))

    assert everything() == before


def test_without_its_keys_it_stays_closed_and_with_them_it_opens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_of_everything()
    path = backup(folder)
    assert (folder / "keys").stat().st_mode & 0o777 == path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(settings, "SPARKCONTROL_ENCRYPTION_KEY_FILE", folder / "new-keys")
    own = encryption.encrypt("mine", context="test")

    with pytest.raises(CommandError, match="encrypted with other keys"):
        call_command("restore", str(path))
    call_command("restore", str(path), "--keys", str(folder / "keys"))

    assert encryption.decrypt(own, context="test") == "mine"
    assert ModelDefinition.objects.count() == 1


def test_it_refuses_while_somebody_uses_the_database(folder: Path) -> None:
    some_of_everything()
    path = backup(folder)
    with closing(_somebody()), pytest.raises(CommandError, match="end web and workers"):
        call_command("restore", str(path))
    with database_alone():
        pass  # now that they are gone


def _somebody() -> Any:
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"])
        other.execute("SELECT count(*) FROM swaps_swap").fetchall()
        return other
    return connection.copy().connection or _connected(connection.copy())


def _connected(other: Any) -> Any:
    other.settings_dict = {**other.settings_dict, "OPTIONS": {}}
    other.connect()
    return other


def test_a_backup_while_somebody_writes_is_of_one_moment(folder: Path) -> None:
    """And it holds no writer up."""
    slot = some_of_everything()
    before = Event.objects.count()
    with dumping.snapshot():
        assert Event.objects.count() == before
        with ThreadPoolExecutor(1) as other:
            other.submit(_write, slot).result(timeout=10)
        assert Event.objects.count() == before
    assert Event.objects.count() == before + 1


def _write(slot: Slot) -> None:
    try:
        events.record("spark.changed", "Meanwhile.", slot=slot)
    finally:
        connection.close()


def test_old_backups_of_a_folder_go(folder: Path) -> None:
    some_of_everything()
    for minutes in range(4):
        dumping.make(folder, timezone.now() - timedelta(minutes=minutes + 1))
    (folder / "mine.backup").write_text("not ours")
    call_command("backup", str(folder), "--keep", "2")

    assert len(list(folder.glob("spark-control-*.backup"))) == 2
    assert (folder / "mine.backup").exists()


def test_only_one_process_asks_at_a_time() -> None:
    slot = some_of_everything()
    ClosedSlot.objects.create(slot=slot, since=timezone.now())

    assert (reopening.due(), reopening.due()) == ([slot.pk], [])


def test_nothing_is_forgotten() -> None:
    """A model of a new app is in the backup without anybody thinking of it."""
    kept = {dumping.label(model) for model in dumping.kept_models()}
    every = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
    assert every - kept == {"sessions.session"}
