"""A Spark that knows a higher fence than the database is listened to, not fought."""

import pytest

from cluster.models import Slot
from cluster.refusals import Unavailable
from swaps import actions, reopening
from swaps.actions import Requester
from swaps.launcher import node_commands
from swaps.models import ClosedSlot, ModelDefinition, SwapLock, Trigger
from swaps.site import site_of
from tests.integration.swaps.test_whole_swap import SwapTo

ANA = Requester("user:ana", Trigger.API)


def test_a_refused_fence_closes_the_slot_until_ours_is_higher(
    slot: Slot, models: dict[str, ModelDefinition], swap_to: SwapTo
) -> None:
    site = site_of(slot)
    assert site.on(site.head, node_commands.raise_fence(slot.name, 5000)).ok
    refused = swap_to("small")
    with pytest.raises(Unavailable, match="may know more than this database"):
        actions.request_swap(slot, "small", ANA)
    for slot_id in reopening.due():
        reopening.reopen(slot_id)

    swap = swap_to("small")

    assert (refused.status, refused.diagnosis_code) == ("failed", "stale-fence")
    assert swap.status == "ready", swap.diagnosis
    assert swap.fence > 5000 and SwapLock.objects.get(slot=slot).fence == swap.fence
    assert not ClosedSlot.objects.exists()
