"""What may be said to the lock: names, purposes, tokens, times. Pure but for the randomness of a new token."""

import hashlib
import re
import secrets
import string
import unicodedata
from collections.abc import Iterator

DEFAULT_TTL_SECONDS = 900
SHORTEST_TTL_SECONDS, LONGEST_TTL_SECONDS = 1, 86_400
MAX_HOLDER, MAX_PURPOSE = 80, 200
MIN_REASON, MAX_REASON = 10, 500
MIN_TOKEN, MAX_TOKEN = 22, 200  # 22 characters of base64 are 132 bits; of a token we make, 256

_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{MIN_TOKEN},{MAX_TOKEN}}}")
_ALPHABET = string.digits + string.ascii_letters
_RANDOM_LENGTH = 43
_JOINERS = "\u200c\u200d"  # invisible, but names in several scripts need them
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, bidi and other format characters, line separators

Problem = tuple[str, str]  # (field, message)


def clamp_ttl(seconds: int) -> int:
    """Existing clients rely on it: a time too long or too short is bent, not refused."""
    return max(SHORTEST_TTL_SECONDS, min(seconds, LONGEST_TTL_SECONDS))


def problems_of(holder: str, purpose: str, token: str | None) -> list[Problem]:
    """Why these cannot be taken; empty when they can."""
    return [*_of_holder(holder), *_of_text("purpose", purpose, MAX_PURPOSE), *_of_token(token)]


def problems_of_reason(reason: str) -> list[Problem]:
    if len(reason.strip()) < MIN_REASON:
        return [("reason", f"Say why in at least {MIN_REASON} characters; the journal keeps it.")]
    return list(_of_text("reason", reason, MAX_REASON))


def new_token() -> str:
    """256 random bits; its beginning lets people and log filters see what it is."""
    return "slk_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))


def hash_of(token: str) -> str:
    """What is stored and compared. No token is short enough for a slow hash to be worth anything."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _of_holder(holder: str) -> Iterator[Problem]:
    if not holder.strip():
        yield "holder", "Name yourself, such as openclaw or nightly-eval."
    elif holder != holder.strip():
        yield "holder", "Write the name without spaces around it."
    yield from _of_text("holder", holder, MAX_HOLDER)


def _of_text(field: str, text: str, longest: int) -> Iterator[Problem]:
    if len(text) > longest:
        yield field, f"Write at most {longest} characters."
    if any(unicodedata.category(char) in _UNSEEN and char not in _JOINERS for char in text):
        yield field, "Remove control characters, line breaks and marks that change the direction of text."


def _of_token(token: str | None) -> Iterator[Problem]:
    if token is not None and not _TOKEN.fullmatch(token):
        letters = "letters, digits and . _ ~ + / = -"
        yield "token", f"Choose {MIN_TOKEN} to {MAX_TOKEN} random {letters}, or send none and get one."
