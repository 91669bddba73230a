"""The verbs of API keys."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from cluster import events
from cluster.api.permissions import SCOPES
from cluster.refusals import Conflict, Invalid
from services import keys
from services.models import ApiKey

NAME_LENGTH = 60


def make_key(name: str, scopes: Sequence[str], *, by: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key and its text, which is never to be had again. Raises Invalid with errors per field."""
    _check(name, scopes, expires_at)
    new = keys.new_key()
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name,
            prefix=new.prefix,
            digest=new.digest,
            scopes=sorted(set(scopes)),
            created_by=by,
            expires_at=expires_at,
        )
        data = {"key": key.prefix, "name": name, "scopes": key.scopes}
        events.record("key.made", f"The key {name} was made.", actor=by, data=data)
    return key, new.text


def revoke_key(key: ApiKey, *, by: str) -> ApiKey:
    """From now on the key opens nothing. Raises Conflict when it was revoked before."""
    with transaction.atomic():
        now = timezone.now()
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            raise Conflict("key-revoked", f"The key {key.name} is revoked already.")
        events.record(
            "key.revoked", f"The key {key.name} was revoked.", actor=by, data={"key": key.prefix, "name": key.name}
        )
    key.revoked_at = now
    return key


def _check(name: str, scopes: Sequence[str], expires_at: datetime | None) -> None:
    errors: list[dict[str, str]] = []
    if not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        errors.append({"field": "name", "message": f"Write a name of at most {NAME_LENGTH} printable characters."})
    if not scopes or set(scopes) - set(SCOPES):
        errors.append({"field": "scopes", "message": f"Choose one or more of {', '.join(SCOPES)}."})
    if expires_at is not None and expires_at <= timezone.now():
        errors.append({"field": "expires_at", "message": "This moment is past."})
    if errors:
        raise Invalid("invalid-request", " ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)
