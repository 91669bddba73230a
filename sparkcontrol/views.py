"""The overview: one page over all layers."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from cluster import activity
from cluster.models import Slot
from cluster.pages import may
from cluster.views import sparks_context
from swaps import heroes, lock_pills
from swaps.plan_views import plan_context


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    shown = [
        (heroes.of_slot(slot, now), heroes.catalog_choices(slot), lock_pills.of_slot(request, slot))
        for slot in Slot.objects.with_sparks()
    ]
    context = {"heroes": shown, "events": activity.newest(), "refreshing": any(hero.running for hero, *_ in shown)}
    context |= {"can_swap": may(request, "swap"), "can_edit": may(request, "config")}
    return render(request, "home.html", context | sparks_context() | plan_context(request))
