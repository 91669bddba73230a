"""What a caller may do: scopes, who has which, and the one check in front of every API view."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module by way of the settings

SCOPES = {
    "read": "see everything but secrets",
    "gateway": "call the model that serves",
    "swap": "swap and stop models",
    "lock": "hold the swap lock",
    "lock:force": "release somebody else's swap lock",
    "schedule": "edit schedules",
    "config": "edit Sparks, slots and model definitions; this can run commands on the Sparks",
    "admin": "everything, keys included",
}
IMPLIED = {
    "swap": {"read"},
    "lock": {"read"},
    "lock:force": {"read", "lock"},
    "schedule": {"read"},
    "config": {"read"},
    "admin": set(SCOPES),
}
PERSON = frozenset({"read", "swap"})
STAFF = frozenset(SCOPES) - {"admin"}
# Callers on the local network without credentials, where access is `lan-open`: what the clients of that stance do
# today, but neither keys nor taking a lock away from somebody.
LAN = STAFF - {"lock:force"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request stands on: `actor` as the journal shows it ("user:ana"), `scopes` with all they imply."""

    actor: str
    scopes: frozenset[str]


def with_implied(scopes: frozenset[str] | list[str]) -> frozenset[str]:
    return frozenset(scopes).union(*(IMPLIED.get(scope, set()) for scope in scopes))


def scopes_of_person(user: AbstractBaseUser | AnonymousUser) -> frozenset[str]:
    """Superusers may do everything, staff everything but keys, others look and swap."""
    if not user.is_active:
        return frozenset()
    if getattr(user, "is_superuser", False):
        return frozenset(SCOPES)
    return STAFF if getattr(user, "is_staff", False) else PERSON


class HasScopes(Protocol):
    scopes: frozenset[str]


class HasScope(BasePermission):
    """`view.required_scopes` names one scope per method; a view that names none is open to `admin` alone."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        grant = cast(HasScopes | None, request.auth)
        if grant is None:
            return False
        wanted = _scope_for(view, request.method or "")
        if wanted is None or wanted in grant.scopes:
            return True
        raise PermissionDenied(f"This needs the scope {wanted}, which you do not have.", code="scope-missing")


def _scope_for(view: "APIView", method: str) -> str | None:
    """None for a method the view does not know: a 405 tells more than a 403."""
    if not hasattr(view, method.lower()):
        return None
    required: dict[str, str] = getattr(view, "required_scopes", {})
    return required.get("GET" if method == "HEAD" else method, "admin")
