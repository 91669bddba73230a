"""The next 24 hours, on the overview and wherever else they are shown."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from cluster.pages import may
from swaps import plan_chart
from swaps.schedules.plan_rows import plan_of


def plan_context(request: HttpRequest) -> dict[str, object]:
    make = reverse("schedule-new") if may(request, "schedule") else ""
    return {"plan": plan_chart.draw(plan_of(timezone.now())), "make_schedule": make}


@require_safe
def plan_fragment(request: HttpRequest) -> HttpResponse:
    return render(request, "swaps/_plan.html", plan_context(request))
