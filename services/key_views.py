"""Pages of API keys: made with scopes, shown once, revoked."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from cluster.api.permissions import SCOPES
from cluster.badges import Badge
from cluster.forms import put_refusal
from cluster.pages import actor_of, needs, tell_refusal
from cluster.refusals import Refusal
from services import actions
from services.models import ApiKey
from swaps.views import Ask, ask_page

KEY_WORDS = "The program sends it as Authorization: Bearer. It is shown now and never again; copy it to the program."
_SCOPE_CHOICES = [(name, f"{name}: {meaning}") for name, meaning in SCOPES.items()]


class KeyForm(forms.Form):
    name = forms.CharField(max_length=actions.NAME_LENGTH, help_text="Which program uses it, such as openclaw.")
    scopes = forms.MultipleChoiceField(
        choices=_SCOPE_CHOICES, widget=forms.CheckboxSelectMultiple, label="It may", help_text="Choose what it needs."
    )
    expires_on = forms.DateField(
        required=False,
        label="Last day",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Blank: until it is revoked.",
    )

    def expires_at(self) -> datetime | None:
        """The end of that day where Spark Control stands."""
        day = self.cleaned_data["expires_on"]
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min)) if day else None


@require_safe
@needs("admin")
def key_list(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = [(key, _badge(key, now)) for key in ApiKey.objects.all()]
    template = "services/_key_rows.html" if request.headers.get("HX-Request") else "services/key_list.html"
    return render(request, template, {"rows": rows})


def _badge(key: ApiKey, now: datetime) -> Badge:
    if key.revoked_at:
        return Badge("slash", "Revoked", "mute")
    if key.expires_at and key.expires_at <= now:
        return Badge("clock", "Expired", "warn")
    return Badge("check", "Opens", "good")


@needs("admin")
@require_http_methods(["GET", "POST"])
def key_new(request: HttpRequest) -> HttpResponse:
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            given: dict[str, Any] = form.cleaned_data
            key, text = actions.make_key(
                given["name"], given["scopes"], by=actor_of(request), expires_at=form.expires_at()
            )
            shown = {"title": f"Key of {key.name}", "words": KEY_WORDS, "text": text, "onward": reverse("key-list")}
            return render(request, "services/shown_once.html", shown)
        except Refusal as refusal:
            put_refusal(form, refusal)
    context = {"form": form, "back": reverse("key-list")}
    return render(request, "services/key_form.html", context, status=400 if form.errors else 200)


@needs("admin")
@require_http_methods(["GET", "POST"])
def key_revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    key, back = get_object_or_404(ApiKey, pk=key_id), reverse("key-list")
    if request.method == "GET":
        lost = f"{key.name} is refused from the next call on. This cannot be taken back; a new key can be made."
        return ask_page(request, Ask(f"Revoke the key of {key.name}?", [lost], "Revoke it", back, danger=True))
    try:
        actions.revoke_key(key, by=actor_of(request))
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=back)
    messages.success(request, f"The key of {key.name} opens nothing any more.")
    return redirect("key-list")
