"""API keys as text: `spk_` + 8 characters to find it by + 43 random ones + 6 of checksum. Pure but for the randomness.

43 characters of base 62 are 256 bits, so a plain SHA-256 is enough to store; the checksum tells a mistyped or cut key
from a wrong one without a look into the database.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

ALPHABET = string.digits + string.ascii_letters
PREFIX_LENGTH = 8
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6

_SHAPE = re.compile(
    rf"spk_([0-9A-Za-z]{{{PREFIX_LENGTH}}})_([0-9A-Za-z]{{{RANDOM_LENGTH}}})([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)


@dataclass(frozen=True, slots=True)
class NewKey:
    text: str = field(repr=False)  # shown once, stored nowhere
    prefix: str
    digest: str


def new_key() -> NewKey:
    prefix, secret = _random(PREFIX_LENGTH), _random(RANDOM_LENGTH)
    text = f"spk_{prefix}_{secret}{checksum(prefix + secret)}"
    return NewKey(text, prefix, digest(text))


def prefix_of(text: str) -> str | None:
    """The part a key is found by; None when the text cannot be one of ours."""
    match = _SHAPE.fullmatch(text)
    if match is None or not secrets.compare_digest(checksum(match[1] + match[2]), match[3]):
        return None
    return match[1]


def digest(text: str) -> str:
    """What is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(text: str) -> str:
    """CRC-32 in base 62, six characters."""
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
