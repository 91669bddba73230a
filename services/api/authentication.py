"""Who calls: a program with a key, a signed-in person, or, where access is `lan-open`, the local network."""

import ipaddress
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cluster.api.permissions import LAN, Grant, scopes_of_person, with_implied
from services import keys
from services.models import ApiKey

# Addresses that are no part of the internet, those of VPNs such as Tailscale included.
PRIVATE_NETWORKS = [
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10",
    )
]  # fmt: skip
# One sentence for every way a key can be wrong: what is wrong with it is nobody's business.
BAD_KEY = "This key does not open anything here: mistyped, unknown, expired or revoked."


class BearerKey(BaseAuthentication):
    """`Authorization: Bearer spk_...`. Such a call needs no CSRF token: no browser sends it by itself."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Grant] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = find_key(text.strip())
        if key is None:
            raise AuthenticationFailed(BAD_KEY)
        return AnonymousUser(), Grant(key.actor, with_implied(key.scopes))

    def authenticate_header(self, *_: Any) -> str:
        return 'Bearer realm="Spark Control"'


def find_key(text: str) -> ApiKey | None:
    """The usable key with this text, its use noted; None for any other text."""
    prefix = keys.prefix_of(text)
    if prefix is None:
        return None
    now = timezone.now()
    key = ApiKey.objects.usable(now).filter(prefix=prefix).first()
    if key is None or not secrets.compare_digest(key.digest, keys.digest(text)):
        return None
    if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:
        ApiKey.objects.note_use(key.pk, now)
    return key


class SignedInPerson(SessionAuthentication):
    """A person with a session; the CSRF token is enforced. Where access is `lan-open`, the role `lan` otherwise."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser | AnonymousUser, Any] | None:
        found = super().authenticate(request)
        if found is None:
            return lan_caller(request)
        user = found[0]
        return user, Grant(f"user:{user.get_username()}", scopes_of_person(user))


def lan_caller(request: Request) -> tuple[AnonymousUser, Grant] | None:
    """Nobody signed in, from a private network, and the access profile lets them in."""
    if settings.ACCESS_PROFILE != "lan-open":
        return None
    if not all(is_private(address) for address in _addresses(request)):
        return None
    return AnonymousUser(), Grant(f"lan:{request.META.get('REMOTE_ADDR', '')}", LAN)


def _addresses(request: Request) -> list[str]:
    """Every address on the way: the header can only make this list longer, never less strict."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return [request.META.get("REMOTE_ADDR", ""), *(part.strip() for part in forwarded.split(",") if part.strip())]


def is_private(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in PRIVATE_NETWORKS)
