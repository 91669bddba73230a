"""What proves to a receiver that a request is ours: Standard Webhooks 1.0.0, and the header of the older product. Pure.

A secret is `whsec_` + base64 of 24 to 64 bytes, or a text of one's own, whose bytes are then the key.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"
RANDOM_BYTES = 32
KEY_BYTES = range(24, 65)
OWN_TEXT_LENGTH = range(16, 257)


class BadSecret(ValueError):
    """`str()` is a sentence; it does not hold the secret."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(RANDOM_BYTES)).decode()


def check_secret(text: str) -> None:
    """Raises BadSecret."""
    if text.startswith(PREFIX):
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raise BadSecret("What follows whsec_ must be base64.") from None
        if len(key) not in KEY_BYTES:
            raise BadSecret("What follows whsec_ must be base64 of 24 to 64 bytes.")
    elif len(text) not in OWN_TEXT_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise BadSecret("Write whsec_ and base64, or 16 to 256 printable characters without spaces.")


def headers(message_id: str, at: datetime, body: str, live_secrets: Sequence[str]) -> dict[str, str]:
    """The signature headers of one attempt at `at`. `live_secrets`: the newest first; all of them sign.

    The older header has room for one signature only: that of the newest secret, whose text is the key.
    """
    # The package overwrites the time zone instead of converting, so what it gets must be UTC.
    at = at.astimezone(UTC)
    signatures = [_signer(secret).sign(message_id, at, body) for secret in live_secrets]
    older = hmac.new(live_secrets[0].encode(), body.encode(), hashlib.sha256).hexdigest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
        "X-Spark-Signature": f"sha256={older}",
    }


def _signer(secret: str) -> Webhook:
    return Webhook(secret if secret.startswith(PREFIX) else secret.encode())
