"""What every page's view needs: who asks, what they may do, and how a refusal is told."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from cluster.api.permissions import SCOPES, scopes_of_person
from cluster.refusals import Refusal

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def may(request: HttpRequest, scope: str) -> bool:
    """Does the signed-in person have this scope? The same rule as the API's."""
    return scope in scopes_of_person(request.user)


def needs(scope: str) -> Callable[[View[P]], View[P]]:
    """A view only people with `scope` may see."""

    def around(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not may(request, scope):
                raise PermissionDenied(f"Your account may not do this; it takes the right to {SCOPES[scope]}.")
            return view(request, *args, **kwargs)

        return guarded

    return around


def actor_of(request: HttpRequest) -> str:
    """The signed-in person as the journal names them."""
    return f"user:{request.user.get_username()}"


def tell_refusal(request: HttpRequest, refusal: Refusal, back: str) -> HttpResponse:
    """Say why not, on the page `back` names, or on the running swap that is in the way."""
    messages.error(request, refusal.detail)
    in_the_way = refusal.location.rpartition("/api/swap/")[2]
    return redirect(reverse("swap", args=[int(in_the_way)]) if in_the_way.isdigit() else back)
