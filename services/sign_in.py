"""Guessing passwords is slow: so many wrong ones for a name from an address, and so many from an address, in a while.

A try is counted before the password is looked at, by one conditional UPDATE, so that guesses sent side by side are
counted as well; the right password takes its try back. While the counts cannot be written nobody signs in.
"""

import ipaddress
from datetime import timedelta
from math import ceil
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from cluster import events
from cluster.clock import database_now
from cluster.refusals import Refusal
from services.models import SignInTries

WINDOW = timedelta(minutes=15)
MOST_FOR_A_NAME = 10  # from one address
MOST_FROM_AN_ADDRESS = 100  # whatever the names; a reverse proxy is one address
IPV6_NETWORK = 64  # bits; whoever has one address of it has them all


class TooManyTries(Refusal):
    status = 429
    title = "Too many tries"


class SlowBackend(ModelBackend):
    """Django's own users; who asks too often is not looked up. Every door that takes a password ends here."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        name = username if username is not None else kwargs.get(get_user_model().USERNAME_FIELD)
        if name is None or password is None:
            return None
        address = address_of(request)
        claim(str(name), address)
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None:
            forgive(str(name), address)
        return user

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


def claim(username: str, address: str) -> None:
    """Count a try. Raises TooManyTries, and counts nothing then."""
    SignInTries.objects.filter(began_at__lte=database_now() - WINDOW).delete()
    for who, most in ((_digest(username), MOST_FOR_A_NAME), ("", MOST_FROM_AN_ADDRESS)):
        first = SignInTries(who=who, address=address, began_at=database_now())
        SignInTries.objects.bulk_create([first], ignore_conflicts=True)
        mine = SignInTries.objects.filter(who=who, address=address)
        if mine.filter(count__lt=most).update(count=F("count") + 1) != 1:
            raise _refusal(username if who else "", address)


def forgive(username: str, address: str) -> None:
    """It was the right password: the name's tries are forgotten, the address gets this one back."""
    SignInTries.objects.filter(who=_digest(username), address=address).delete()
    SignInTries.objects.filter(who="", address=address, count__gt=0).update(count=F("count") - 1)


def address_of(request: HttpRequest | None) -> str:
    """Who is at the other end of the connection; headers say what they like."""
    address = str(request.META.get("REMOTE_ADDR") or "") if request else ""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, IPV6_NETWORK), strict=False)) if ip.version == 6 else str(ip)


def _digest(username: str) -> str:
    """People type passwords into the wrong field, so what was typed is not kept."""
    return salted_hmac("services.sign_in", username.casefold()).hexdigest()


def _refusal(username: str, address: str) -> TooManyTries:
    row = (
        SignInTries.objects.annotate(asked_at=database_now())
        .filter(who=_digest(username) if username else "", address=address)
        .first()
    )
    left = WINDOW - (row.asked_at - row.began_at) if row else timedelta()
    seconds = max(1, ceil(left.total_seconds()))
    if row:
        _tell_once(row, username, address, seconds)
    minutes = ceil(seconds / 60)
    for_whom = "this name from your address" if username else "your address"
    sentence = f"Too many wrong passwords for {for_whom}. Try again in {minutes} min."
    return TooManyTries("too-many-tries", sentence, retry_after_seconds=seconds)


def _tell_once(row: SignInTries, username: str, address: str, seconds: int) -> None:
    """One Event for each pause. It names people who exist, and nothing else that was typed."""
    known = get_user_model().objects.filter(**{f"{get_user_model().USERNAME_FIELD}__iexact": username}).exists()
    name = username if username and known else None
    as_whom = f" as {name}" if name else ""
    many = f"{row.count} wrong passwords within {WINDOW.seconds // 60} min"
    sentence = (
        f"Signing in{as_whom} from {address or 'an unknown address'} pauses for {ceil(seconds / 60)} min: {many}."
    )
    data = {"username": name, "address": address, "retry_after_seconds": seconds}
    with transaction.atomic():
        if SignInTries.objects.filter(pk=row.pk, told=False).update(told=True) == 1:
            events.record("signin.throttled", sentence, data=data)
