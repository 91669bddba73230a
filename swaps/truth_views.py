"""The button that accepts a drift."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cluster.models import Slot
from cluster.pages import needs, tell_refusal
from cluster.refusals import Refusal
from swaps import adopting, lock_pills
from swaps.models import ServingState
from swaps.views import requester


@needs("swap")
@require_POST
def slot_adopt(request: HttpRequest, name: str) -> HttpResponse:
    slot = get_object_or_404(Slot.objects.with_sparks(), name=name)
    try:
        adopted = adopting.adopt(slot, requester(request), lock_token=lock_pills.token_for(request, slot))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("home"))
    what = adopted.model_label if adopted.state == ServingState.SERVING else "Nothing"
    messages.success(request, f"{what} is what {slot.name} should serve from now on.")
    return redirect("home")
