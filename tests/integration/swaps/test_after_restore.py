"""A restored database does not take for a drift what swaps did that it knows nothing of."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cluster.models import Event
from cluster.readings import VllmReading
from swaps import after_restore, claims, serving
from swaps.models import Serving, ServingState
from swaps.states import Status
from tests.factories import SwapFactory

pytestmark = pytest.mark.django_db


def test_what_is_found_first_is_what_should_be() -> None:
    swap = claims.claim(SwapFactory(status=Status.LOADING).pk, "a")
    assert swap is not None
    serving.mark(swap, ServingState.SERVING, ids=("org/of-yesterday",), believe=True)

    after_restore.settle(timezone.now() - timedelta(days=1), timezone.now())
    row = Serving.objects.get()
    assert (row.state, row.believed) == (ServingState.UNKNOWN, {})

    serving.keep(swap.slot, VllmReading(health_ok=True, model_ids=("org/of-today",)), None, believed={})

    row.refresh_from_db()
    assert (row.state, row.believed["served_ids"], row.drift) == (ServingState.SERVING, ["org/of-today"], {})
    assert not Event.objects.filter(kind="model.drifted").exists()
