"""Pages of swaps: history, one swap, and the asks before something changes."""

from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from cluster.models import Slot
from cluster.pages import actor_of, may, needs, tell_refusal
from cluster.refusals import Conflict, Locked, Refusal
from cluster.templatetags import show
from swaps import actions, badges, heroes, lock_pills, model_rows, outsider_checks, swap_rows
from swaps.checks import Check, CheckState
from swaps.models import ModelDefinition, Operation, Serving, Swap, Trigger
from swaps.states import BEFORE_STOP
from swaps.swap_filter import SwapFilter

PAGE_ROWS = 30
MOVED = "Since that page was opened, something changed on this slot. Look again before you go on."


@dataclass(frozen=True)
class Ask:
    """A question before something changes: what will happen, in sentences, and the button that does it."""

    title: str
    sentences: list[str]
    button: str
    back: str
    believed: str = ""
    danger: bool = False
    moved: bool = False
    can_roll_back_to: str = ""
    examine_url: str = ""
    address: str = ""  # of this question, to look at the lock again
    checks: list[dict[str, str]] = field(default_factory=list)


def requester(request: HttpRequest) -> actions.Requester:
    return actions.Requester(actor_of(request), Trigger.DASHBOARD)


@require_safe
def swap_list(request: HttpRequest) -> HttpResponse:
    wanted = SwapFilter(request.GET)
    found = list(wanted.apply(Swap.objects.for_pages())[: PAGE_ROWS + 1])
    rows = swap_rows.of_swaps(found[:PAGE_ROWS])
    older = wanted.older_than(found[PAGE_ROWS - 1].pk) if len(found) > PAGE_ROWS else ""
    template = "swaps/_swap_rows.html" if request.headers.get("HX-Request") else "swaps/swap_list.html"
    context = {"rows": rows, "older": older, "wanted": wanted, "address": request.get_full_path()}
    return render(request, template, context)


def _shown(swap_id: int) -> Swap:
    return get_object_or_404(Swap.objects.for_pages(), pk=swap_id)


def _story(request: HttpRequest, swap: Swap) -> dict[str, object]:
    return {
        "running": heroes.watch(swap, timezone.now(), lines=heroes.PAGE_LINES),
        "badge": badges.of_swap(swap),
        "can_swap": may(request, "swap"),
    }


@require_safe
def swap_detail(request: HttpRequest, swap_id: int) -> HttpResponse:
    return render(request, "swaps/swap_detail.html", _story(request, _shown(swap_id)))


@require_safe
def swap_fragment(request: HttpRequest, swap_id: int) -> HttpResponse:
    return render(request, "swaps/_swap_story.html", _story(request, _shown(swap_id)))


@require_safe
def slot_fragment(request: HttpRequest, name: str) -> HttpResponse:
    slot = get_object_or_404(Slot.objects.with_sparks(), name=name)
    return render(request, "swaps/_hero.html", hero_context(request, slot))


def hero_context(request: HttpRequest, slot: Slot) -> dict[str, object]:
    """What one slot's fragment needs; the overview asks it for every slot."""
    return {
        "hero": heroes.of_slot(slot, timezone.now()),
        "models": heroes.catalog_choices(slot),
        "can_swap": may(request, "swap"),
        "can_edit": may(request, "config"),
        "pill": lock_pills.of_slot(request, slot),
    }


@needs("swap")
@require_http_methods(["GET", "POST"])
def swap_new(request: HttpRequest) -> HttpResponse:
    given = request.POST or request.GET
    slot = _slot(given.get("slot"))
    model = get_object_or_404(ModelDefinition, key=given.get("model", ""))
    if request.method == "GET":
        return ask_page(request, _ask_swap(slot, model), slot=slot, model=model)
    if has_moved(request, slot):
        return moved(request, slot) or ask_page(
            request, _ask_swap(slot, model, moved=True), 409, slot=slot, model=model
        )
    try:
        token = lock_pills.token_for(request, slot)
        by, agreed = requester(request), given.get("stop_foreign") == "yes"
        back = agreed or given.get("rollback") == "yes"
        swap = actions.request_swap(slot, model.key, by, rollback=back, lock_token=token, stop_foreign=agreed)
        return redirect("swap", swap.pk)
    except Locked as locked:
        return ask_page(request, _ask_swap(slot, model), locked.status, slot=slot, model=model)
    except Refusal as refusal:
        asked = refusal.code == outsider_checks.CODE  # the question again: it has the box to agree
        page = _ask_swap(slot, model).address if asked else reverse("model", args=[model.key])
        return tell_refusal(request, refusal, back=page)


def _ask_swap(slot: Slot, model: ModelDefinition, *, moved: bool = False) -> Ask:
    serving = Serving.objects.filter(slot=slot).first()
    query = f"?slot={slot.name}&model={model.key}"
    return Ask(
        title=f"Swap {slot.name} to {model.label}?",
        sentences=heroes.cost_of_stopping(slot, serving) + _cost_of_loading(slot, model),
        button="Swap now",
        back=reverse("home"),
        believed=heroes.belief(slot),
        moved=moved,
        can_roll_back_to=serving.model_label if serving and serving.model_key else "",
        examine_url=reverse("examine-fragment") + query,
        address=reverse("swap-new") + query,
    )


def _cost_of_loading(slot: Slot, model: ModelDefinition) -> list[str]:
    row = model_rows.for_models([model])[0]
    where = show.names(slot.sparks()[: model.nodes])
    return [f"Starts {model.label} on {where}. {row.usual_words}"]


@needs("swap")
@require_safe
def examine_fragment(request: HttpRequest) -> HttpResponse:
    """The preflight of a swap, or of a stop, that nobody asked for yet: looks at the Sparks, changes nothing."""
    model, agreed = request.GET.get("model", ""), request.GET.get("stop_foreign") == "yes"
    try:
        slot = _slot(request.GET.get("slot"))
        seen = actions.examine(slot, model, stop_foreign=agreed) if model else actions.examine_stop(slot)
    except Refusal as refusal:
        seen = actions.Examination(False, [Check("refused", CheckState.BLOCKS, refusal.detail)], [])
    return render(request, "swaps/_examination.html", {"seen": seen})


@needs("swap")
@require_http_methods(["GET", "POST"])
def slot_stop(request: HttpRequest, name: str) -> HttpResponse:
    slot = _slot(name)
    if request.method == "GET":
        return ask_page(request, _ask_stop(slot), slot=slot)
    if has_moved(request, slot):
        return moved(request, slot) or ask_page(request, _ask_stop(slot, moved=True), 409, slot=slot)
    try:
        token = lock_pills.token_for(request, slot)
        by, agreed = requester(request), request.POST.get("stop_foreign") == "yes"
        return redirect("swap", actions.request_stop(slot, by, lock_token=token, stop_foreign=agreed).pk)
    except Locked as locked:
        return ask_page(request, _ask_stop(slot), locked.status, slot=slot)
    except Refusal as refusal:
        back = reverse("slot-stop", args=[name]) if refusal.code == outsider_checks.CODE else reverse("home")
        return tell_refusal(request, refusal, back=back)


def _ask_stop(slot: Slot, *, moved: bool = False) -> Ask:
    serving = Serving.objects.filter(slot=slot).first()
    return Ask(
        title=f"Stop what {slot.name} serves?",
        sentences=[
            *heroes.cost_of_stopping(slot, serving),
            "Nothing is started in its place. Weights stay on disk.",
        ],
        button="Stop it",
        back=reverse("home"),
        believed=heroes.belief(slot),
        danger=True,
        moved=moved,
        examine_url=f"{reverse('examine-fragment')}?slot={slot.name}",
        address=reverse("slot-stop", args=[slot.name]),
    )


@needs("swap")
@require_http_methods(["GET", "POST"])
def swap_cancel(request: HttpRequest, swap_id: int) -> HttpResponse:
    swap = _shown(swap_id)
    if request.method == "GET" and swap.is_active:
        return ask_page(request, _ask_cancel(swap))
    try:
        actions.cancel_swap(swap, requester(request), lock_token=lock_pills.token_for(request, swap.slot))
        messages.success(request, "Cancelling. The swap ends as soon as its current step lets go.")
    except Refusal as refusal:
        return tell_refusal(request, refusal, back=reverse("swap", args=[swap_id]))
    return redirect("swap", swap_id)


def _ask_cancel(swap: Swap) -> Ask:
    untouched = swap.state in BEFORE_STOP
    kept = "The model that served until now has not been touched and keeps serving."
    gone = "The model that served before is stopped already"
    back = f" and is brought back: {swap.from_model}." if swap.rollback and swap.from_model else "; nothing will serve."
    if swap.replaced:
        gone, back = "What was stopped for this swap, started outside Spark Control,", " is started again."
    return Ask(
        title=f"Cancel the swap to {heroes.title_of(swap)}?",
        sentences=["What was started so far is removed from the Sparks.", kept if untouched else gone + back],
        button="Cancel the swap",
        back=reverse("swap", args=[swap.pk]),
        danger=True,
    )


@needs("swap")
@require_http_methods(["GET", "POST"])
def swap_retry(request: HttpRequest, swap_id: int) -> HttpResponse:
    swap = _shown(swap_id)
    slot = swap.slot
    if request.method == "GET":
        return ask_page(request, _ask_retry(swap), slot=slot)
    if has_moved(request, slot):
        return moved(request, slot) or ask_page(request, _ask_retry(swap, moved=True), 409, slot=slot)
    try:
        token = lock_pills.token_for(request, slot)
        by, agreed = requester(request), True if request.POST.get("stop_foreign") == "yes" else None
        return redirect("swap", actions.retry_swap(swap, by, lock_token=token, stop_foreign=agreed).pk)
    except Locked as locked:
        return ask_page(request, _ask_retry(swap), locked.status, slot=slot)
    except Refusal as refusal:
        page = "swap-retry" if refusal.code == outsider_checks.CODE else "swap"
        return tell_refusal(request, refusal, back=reverse(page, args=[swap_id]))


def _ask_retry(swap: Swap, *, moved: bool = False) -> Ask:
    serving = Serving.objects.filter(slot=swap.slot).first()
    again = "The catalog entry is used as it is now, with any edit since."
    return Ask(
        title=f"{heroes.title_of(swap)}: do it again?",
        sentences=[*heroes.cost_of_stopping(swap.slot, serving), again],
        button="Do it again",
        back=reverse("swap", args=[swap.pk]),
        believed=heroes.belief(swap.slot),
        moved=moved,
        examine_url=_examine_again(swap),
        address=reverse("swap-retry", args=[swap.pk]),
    )


def _examine_again(swap: Swap) -> str:
    if swap.operation == Operation.WARM:
        return ""
    agreed = "&stop_foreign=yes" if swap.stop_foreign else ""
    return f"{reverse('examine-fragment')}?slot={swap.slot.name}&model={swap.model_key}{agreed}"


def _slot(name: str | None) -> Slot:
    return get_object_or_404(Slot.objects.with_sparks(), name=name) if name else actions.find_slot(None)


def has_moved(request: HttpRequest, slot: Slot) -> bool:
    """Did what the page said about the slot, or about its lock, change since it was opened?"""
    now = lock_pills.of_slot(request, slot).belief
    return request.POST.get("believed") != heroes.belief(slot) or request.POST.get("lock", now) != now


def moved(request: HttpRequest, slot: Slot) -> HttpResponse | None:
    """A second click finds the swap the first one started, and shows that instead of asking again."""
    running = Swap.objects.active().filter(slot=slot).first()
    if running is None:
        return None
    said = f"{slot.name} is being changed already, by this swap."
    return tell_refusal(request, Conflict("swap-in-progress", said, location=f"/api/swap/{running.pk}"), back="/")


def ask_page(request: HttpRequest, ask: Ask, status: int = 200, **context: object) -> HttpResponse:
    slot = context.get("slot")
    pill = lock_pills.of_slot(request, slot) if isinstance(slot, Slot) else None
    context = {"ask": ask, "moved_words": MOVED, "pill": pill, **context}
    return render(request, "swaps/ask.html", context, status=status)
