"""The form of a slot. It is here, above the layer that knows slots, because a slot in use is not edited."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from cluster.forms import SlotForm, put_refusal, slot_form
from cluster.models import Slot
from cluster.pages import actor_of, needs
from cluster.refusals import Refusal
from swaps.slot_edits import save_slot


@needs("config")
@require_http_methods(["GET", "POST"])
def slot_new(request: HttpRequest) -> HttpResponse:
    return _slot_page(request, None, SlotForm(request.POST or None))


@needs("config")
@require_http_methods(["GET", "POST"])
def slot_edit(request: HttpRequest, name: str) -> HttpResponse:
    slot = get_object_or_404(Slot.objects.with_sparks(), name=name)
    return _slot_page(request, slot, SlotForm(request.POST) if request.method == "POST" else slot_form(slot))


def _slot_page(request: HttpRequest, slot: Slot | None, form: SlotForm) -> HttpResponse:
    title = f"Edit slot {slot.name}" if slot else "Make a slot"
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                saved = save_slot(slot=slot, values=form.values(), by=actor_of(request))
                messages.success(request, f"Slot {saved.name} is ready. Applications reach it at {saved.base_url}/v1.")
                return redirect("home")
            except Refusal as refusal:
                put_refusal(form, refusal)
                status = refusal.status
    context = {"form": form, "title": title, "back": reverse("settings")}
    return render(request, "cluster/slot_form.html", context, status=status)
