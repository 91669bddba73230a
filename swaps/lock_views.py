"""Pages of the lock: look at it, take it, give it back, take it away from somebody."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cluster.forms import put_refusal
from cluster.models import Slot
from cluster.pages import needs, tell_refusal
from cluster.refusals import Lost, Refusal
from cluster.templatetags import show
from swaps import held_tokens, lock_pills, locks
from swaps.lock_forms import ForceForm, TakeForm
from swaps.models import LockHold
from swaps.views import requester

HOLDS_SHOWN = 10
STALE = "The lock has changed hands since that page was opened. Look who has it now."


@require_safe
def locks_fragment(request: HttpRequest) -> HttpResponse:
    return render(request, "swaps/_lock_bar.html", {"pills": lock_pills.of_all(request)})


def _slot(name: str) -> Slot:
    return get_object_or_404(Slot.objects.with_sparks(), name=name)


def _now(request: HttpRequest, slot: Slot, form: TakeForm) -> dict[str, object]:
    pill = lock_pills.of_slot(request, slot)
    holds = LockHold.objects.filter(lock__slot=slot).exclude(ended_at=None)[:HOLDS_SHOWN]
    return {"slot": slot, "pill": pill, "form": form, "holds": holds, "back": reverse("home")}


@require_safe
def lock_page(request: HttpRequest, name: str) -> HttpResponse:
    slot = _slot(name)
    context = _now(request, slot, _take_form(lock_pills.of_slot(request, slot)))
    template = "swaps/_lock_now.html" if request.headers.get("HX-Request") else "swaps/lock.html"
    return render(request, template, context)


def _take_form(pill: lock_pills.Pill) -> TakeForm:
    return TakeForm(initial={"purpose": pill.view.purpose} if pill.is_mine else {})


@needs("lock")
@require_POST
def lock_take(request: HttpRequest, name: str) -> HttpResponse:
    slot, form = _slot(name), TakeForm(request.POST)
    status = 400
    if form.is_valid():
        try:
            _take(request, slot, form)
            return redirect("home")
        except Refusal as refusal:
            put_refusal(form, refusal)
            status = refusal.status
    return render(request, "swaps/lock.html", _now(request, slot, form), status=status)


def _take(request: HttpRequest, slot: Slot, form: TakeForm) -> None:
    """The holder is the person's name; with the token of their session the same verb extends their hold."""
    grant = locks.acquire(
        slot,
        holder=request.user.get_username(),
        purpose=form.cleaned_data["purpose"],
        ttl_seconds=form.cleaned_data["minutes"] * 60,
        token=lock_pills.token_for(request, slot),
        by=requester(request),
    )
    held_tokens.keep(request.session, grant)
    until = show.clock(grant.lock.expires_at)
    messages.success(request, f"{slot.name} is yours until {until}. Until then only you can change what it serves.")


@needs("lock")
@require_POST
def lock_release(request: HttpRequest, name: str) -> HttpResponse:
    slot = _slot(name)
    token = lock_pills.token_for(request, slot)
    held_tokens.forget(request.session, name)
    if token is None:
        messages.error(request, f"Your hold of {name} has ended already; there is nothing to release.")
        return redirect("lock", name)
    try:
        locks.release(slot, token)
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("lock", args=[name]))
    messages.success(request, f"{name} is free. A swap that runs goes on.")
    return redirect("home")


@needs("lock:force")
@require_http_methods(["GET", "POST"])
def lock_force(request: HttpRequest, name: str) -> HttpResponse:
    slot = _slot(name)
    if request.method == "GET":
        fence = locks.look(slot).fence
        return _ask_force(request, slot, ForceForm(initial={"fence": fence}))
    form = ForceForm(request.POST)
    if not form.is_valid():
        return _ask_force(request, slot, form, 400)
    try:
        locks.force_release(slot, **form.cleaned_data, by=requester(request))
    except Lost as lost:
        return _ask_force(request, slot, ForceForm(initial={"fence": locks.look(slot).fence}), lost.status, STALE)
    except Refusal as refusal:
        put_refusal(form, refusal)
        return _ask_force(request, slot, form, refusal.status)
    messages.success(request, f"The lock of {name} is released. For the next 15 s only you can take it.")
    return redirect("lock", name)


def _ask_force(request: HttpRequest, slot: Slot, form: ForceForm, status: int = 200, stale: str = "") -> HttpResponse:
    pill = lock_pills.of_slot(request, slot)
    context = {"slot": slot, "pill": pill, "form": form, "stale": stale}
    return render(request, "swaps/lock_force.html", context, status=status)
