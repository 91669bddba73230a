"""The pills on top of every page."""

from typing import Any

from django import template

from swaps import lock_pills

register = template.Library()


@register.inclusion_tag("swaps/_lock_bar.html", takes_context=True)
def lock_bar(context: dict[str, Any]) -> dict[str, Any]:
    request = context["request"]
    return {"pills": lock_pills.of_all(request), "csrf_token": context.get("csrf_token"), "request": request}
