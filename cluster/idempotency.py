"""Calls that may be repeated: under one Idempotency-Key the work is done once, and its answer is given again.

What is kept is the answer of work that was done, encrypted, because it may hold a secret that is shown once. A refusal
changes nothing and is not kept: asked again, the call is looked at afresh.
"""

import json
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from cluster import encryption
from cluster.models import IdempotentCall
from cluster.refusals import Conflict, Unprocessable

KEPT = timedelta(hours=24)
# Longer than any call takes. A process that dies in the middle leaves a key that is free again after this.
CLAIM = timedelta(seconds=60)
ASK_AGAIN_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks what under which key. `fingerprint` tells one payload from another."""

    caller: str
    method: str
    path: str
    key: str
    fingerprint: str

    @property
    def names(self) -> dict[str, str]:
        return {"caller": self.caller, "method": self.method, "path": self.path, "key": self.key}

    @property
    def context(self) -> str:
        return "idempotency:" + json.dumps([self.caller, self.method, self.path, self.key])


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


# The claim this thread works under; None outside of such a call.
_working: ContextVar[tuple[Call, str] | None] = ContextVar("idempotent_call", default=None)


def begin(call: Call, claim_for: timedelta = CLAIM) -> str | Answer:
    """A claim: go and do the work. Or the answer of the time it was done.

    `claim_for`: longer than the call can take, and how long its key is in use when this process dies before any work.
    Raises Conflict while it is being done, Unprocessable when the key was used for something else.
    """
    _rows(call).filter(created_at__lt=Now() - KEPT).delete()
    claim = secrets.token_hex(16)
    try:
        with transaction.atomic():
            IdempotentCall.objects.create(
                **call.names, fingerprint=call.fingerprint, claim=claim, claimed_until=Now() + claim_for
            )
    except IntegrityError:
        found = _again(call, claim, claim_for)
        if isinstance(found, Answer):
            return found
    _working.set((call, claim))
    return claim


def foretell(answer: Answer) -> None:
    """What a repetition hears should this process die before it has answered. Call it in the transaction of the work,
    so that the two are kept or lost together. Does nothing outside of a call under a key."""
    working = _working.get()
    if working is not None:
        call, claim = working
        _rows(call).filter(claim=claim).update(answer=_sealed(call, answer))


def finish(call: Call, claim: str, answer: Answer) -> None:
    """Keep the answer. Whoever lost the claim meanwhile keeps nothing."""
    _working.set(None)
    _rows(call).filter(claim=claim).update(answer=_sealed(call, answer), answered_at=Now())


def release(call: Call, claim: str) -> None:
    """Nothing was changed: the key is as if it had never been used."""
    _working.set(None)
    _rows(call).filter(claim=claim, answer="").delete()


def forget_old() -> None:
    IdempotentCall.objects.filter(created_at__lt=Now() - KEPT).delete()


def _rows(call: Call) -> Any:
    return IdempotentCall.objects.filter(**call.names)


def _sealed(call: Call, answer: Answer) -> str:
    text = json.dumps([answer.status, answer.headers, answer.body])
    return encryption.encrypt(text, context=call.context)


def _again(call: Call, claim: str, claim_for: timedelta) -> str | Answer:
    known = _rows(call).first()
    if known is None:
        return begin(call, claim_for)  # it was released between our insert and this look
    if known.fingerprint != call.fingerprint:
        raise Unprocessable(
            "idempotency-key-reused", "This Idempotency-Key was used with another body; take a new key for a new call."
        )
    if known.answer:  # given, or foretold: the work is done either way
        return _kept(call, known)
    # Losing here means another repetition found the dead claim first.
    dead = _rows(call).filter(answer="", claimed_until__lte=Now())
    if dead.update(claim=claim, claimed_until=Now() + claim_for):
        return claim
    raise Conflict(
        "idempotency-key-in-use",
        "The first call with this Idempotency-Key is still being answered; ask again in a moment.",
        retry_after_seconds=ASK_AGAIN_SECONDS,
    )


def _kept(call: Call, known: IdempotentCall) -> Answer:
    try:
        status, headers, body = json.loads(encryption.decrypt(known.answer, context=call.context))
    except encryption.EncryptionError as error:
        raise Conflict(
            "idempotency-answer-lost", f"This call was made, but its answer cannot be read: {error}"
        ) from error
    return Answer(status, headers, body)
