"""The tokens of a person's own holds. They live in the session, on the server: no page ever contains one."""

from django.contrib.sessions.backends.base import SessionBase

from cluster import encryption
from swaps.lock_view import LockView
from swaps.locks import Grant

KEY = "lock_tokens"


def keep(session: SessionBase, grant: Grant) -> None:
    """Sessions are rows that backups contain, so the token is encrypted for its hold. Raises EncryptionError."""
    slot, fence = grant.lock.slot, grant.lock.fence
    sealed = encryption.encrypt(grant.token, context=_context(slot, fence))
    session[KEY] = {**session.get(KEY, {}), slot: {"fence": fence, "token": sealed}}


def is_mine(session: SessionBase, view: LockView) -> bool:
    """Was the hold that is true now taken in this session?"""
    return view.held and session.get(KEY, {}).get(view.slot, {}).get("fence") == view.fence


def token_of(session: SessionBase, view: LockView) -> str | None:
    """The token of this session's hold; None when it has none or it has ended. Raises EncryptionError."""
    if not is_mine(session, view):
        return None
    return encryption.decrypt(session[KEY][view.slot]["token"], context=_context(view.slot, view.fence))


def forget(session: SessionBase, slot: str) -> None:
    session[KEY] = {name: kept for name, kept in session.get(KEY, {}).items() if name != slot}


def _context(slot: str, fence: int) -> str:
    return f"lock:{slot}:{fence}"
