"""The look around: what fails in one part of it stops no other."""

import pytest

from swaps import locks, reconciler
from swaps.schedules import firing

pytestmark = pytest.mark.django_db


def test_a_mistake_in_one_part_does_not_keep_the_others_from_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a bug of ours")

    looked: list[str] = []
    monkeypatch.setattr(locks, "expire_lapsed", fail)
    monkeypatch.setattr(firing, "fire_due", fail)
    monkeypatch.setattr(reconciler, "ring_for_probes", lambda _: looked.append("probes"))
    monkeypatch.setattr(reconciler, "ring_for_closed_slots", lambda _: looked.append("closed slots"))

    reconciler.tick()

    assert looked == ["probes", "closed slots"]
