"""Warm what serves: a small prompt until its first token, or the text many requests will begin with."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from cluster.forms import put_refusal
from cluster.models import Slot
from cluster.pages import needs, tell_refusal
from cluster.refusals import Invalid, Locked, Refusal
from swaps import actions, lock_pills
from swaps.models import Serving
from swaps.schedule_forms import WARM_KINDS, text_area
from swaps.views import Ask, requester
from swaps.warm_wish import FIRST_TOKEN, MOST_CHARACTERS, WarmWish


class WarmForm(forms.Form):
    warm_kind = forms.ChoiceField(choices=WARM_KINDS, initial=FIRST_TOKEN, widget=forms.RadioSelect, label="How")
    system = forms.CharField(
        required=False, max_length=MOST_CHARACTERS, widget=text_area(5), label="System prompt", strip=False
    )
    prompt = forms.CharField(required=False, max_length=MOST_CHARACTERS, widget=text_area(2), strip=False)

    def wish(self) -> WarmWish:
        given = self.cleaned_data
        return WarmWish(given["warm_kind"], given["prompt"], given["system"])


@needs("swap")
@require_http_methods(["GET", "POST"])
def slot_warm(request: HttpRequest, name: str) -> HttpResponse:
    slot = get_object_or_404(Slot.objects.with_sparks(), name=name)
    form = WarmForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return _ask_warm(request, slot, form, 400 if form.errors else 200)
    try:
        token = lock_pills.token_for(request, slot)
        return redirect("swap", actions.request_warm(slot, requester(request), form.wish(), lock_token=token).pk)
    except Invalid as invalid:
        put_refusal(form, invalid)
        return _ask_warm(request, slot, form, invalid.status)
    except Locked as locked:
        return _ask_warm(request, slot, form, locked.status)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("home"))


def _ask_warm(request: HttpRequest, slot: Slot, form: WarmForm, status: int = 200) -> HttpResponse:
    serving = Serving.objects.filter(slot=slot).first()
    label = serving.model_label if serving and serving.model_label else f"what {slot.name} serves"
    ask = Ask(
        title=f"Warm {label}?",
        sentences=["It keeps serving meanwhile; nothing is stopped or started."],
        button="Warm it",
        back=reverse("home"),
        address=reverse("slot-warm", args=[slot.name]),
    )
    pill = lock_pills.of_slot(request, slot)
    context = {"ask": ask, "form": form, "slot": slot, "pill": pill}
    return render(request, "swaps/warm.html", context, status=status)
