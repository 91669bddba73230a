"""The key pair Spark Control logs in with: made here, or pasted by a person and checked before it is stored."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

NOT_A_KEY = (
    "This is not a private key; paste the whole file, from -----BEGIN OPENSSH PRIVATE KEY----- to the -----END line."
)
ENCRYPTED = (
    "This private key is protected by a passphrase, which Spark Control cannot type; make a key without one, "
    "or let Spark Control make its own."
)
PUBLIC = (
    "This is the public half of a key; paste the private half (usually the file of the same name without .pub), "
    "or let Spark Control make its own key."
)
OLD = "This kind of key is no longer accepted by OpenSSH; use an ed25519 key (ssh-keygen -t ed25519)."
SHORT = "This RSA key is shorter than 2048 bits; use an ed25519 key (ssh-keygen -t ed25519)."


class BadPrivateKey(ValueError):
    """The text is no private key we can use; `str()` is a sentence for people."""


def new_private_key() -> str:
    """A fresh ed25519 private key as OpenSSH PEM text."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_key_line(private: str, comment: str = "spark-control") -> str:
    """The authorized_keys line of a private key. Raises BadPrivateKey."""
    public = load_private_key(private).public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {' '.join(comment.split())}".rstrip()


def check_private_key(text: str) -> str | None:
    """What is wrong with a pasted private key, as one sentence with a remedy; None when it can be used."""
    try:
        load_private_key(text)
    except BadPrivateKey as exc:
        return str(exc)
    return None


def load_private_key(text: str) -> PrivateKey:
    """Read OpenSSH or PEM text. Raises BadPrivateKey with a sentence that never quotes the text."""
    text = tidy(text)
    if "PRIVATE KEY-----" not in text:
        raise BadPrivateKey(PUBLIC if _looks_public(text) else NOT_A_KEY)
    if "ENCRYPTED" in text:
        raise BadPrivateKey(ENCRYPTED)
    try:
        load = load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else load_pem_private_key
        key = load(text.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        raise BadPrivateKey(_reason(text, exc)) from None  # the library's message may quote the key
    if not isinstance(key, PrivateKey):
        raise BadPrivateKey(OLD)
    if isinstance(key, RSAPrivateKey) and key.key_size < 2048:
        raise BadPrivateKey(SHORT)
    return key


def tidy(text: str) -> str:
    """Undo what pasting does to a key: carriage returns, space around it, a missing last newline."""
    return "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


def _reason(text: str, exc: Exception) -> str:
    if isinstance(exc, UnsupportedAlgorithm) or "DSA PRIVATE KEY" in text.replace("ECDSA", ""):
        return OLD
    return ENCRYPTED if "password" in str(exc).lower() else NOT_A_KEY


def _looks_public(text: str) -> bool:
    return text.startswith(("ssh-", "ecdsa-", "sk-")) or "PUBLIC KEY" in text
