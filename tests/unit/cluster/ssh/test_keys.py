import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cluster.ssh.hostkeys import fingerprint
from cluster.ssh.keys import (
    ENCRYPTED,
    NOT_A_KEY,
    OLD,
    PUBLIC,
    SHORT,
    check_private_key,
    new_private_key,
    public_key_line,
)
from tests.needs import require_program


def test_a_new_key_is_one_that_ssh_keygen_reads(tmp_path: Path) -> None:
    keygen = require_program("ssh-keygen", "apt-get install openssh-client")
    path = tmp_path / "key"
    path.write_text(new_private_key())
    path.chmod(0o600)
    printed = subprocess.run([keygen, "-y", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    assert printed.split()[:2] == public_key_line(path.read_text(), "me").split()[:2]


def test_the_public_line_is_one_line_that_ends_with_its_comment() -> None:
    line = public_key_line(new_private_key(), "spark\n control")
    assert line.startswith("ssh-ed25519 AAAA") and line.endswith(" spark control") and "\n" not in line


def test_the_fingerprint_is_the_one_ssh_keygen_prints(tmp_path: Path) -> None:
    keygen = require_program("ssh-keygen", "apt-get install openssh-client")
    for kind in ("ed25519", "ecdsa", "rsa"):
        path = tmp_path / kind
        subprocess.run([keygen, "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
        line = path.with_suffix(".pub").read_text()
        printed = subprocess.run([keygen, "-lf", str(path)], check=True, capture_output=True, text=True).stdout
        assert fingerprint(line) == printed.split()[1]


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==", "x AA=="]
)
def test_a_broken_public_line_has_no_fingerprint(line: str) -> None:
    with pytest.raises(ValueError, match="public key line"):
        fingerprint(line)


def _pem(key: object, password: bytes | None = None, kind: PrivateFormat = PrivateFormat.OpenSSH) -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    text: bytes = key.private_bytes(Encoding.PEM, kind, lock)  # type: ignore[attr-defined]
    return text.decode()


def test_good_keys_of_every_kind_pass_however_they_were_pasted() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    for text in (
        new_private_key(),
        "\n\n  " + new_private_key().replace("\n", "\r\n  "),
        new_private_key().rstrip(),
        _pem(elliptic),
        _pem(elliptic, kind=PrivateFormat.TraditionalOpenSSL),
        _pem(rsa.generate_private_key(65537, 2048), kind=PrivateFormat.PKCS8),
    ):
        assert check_private_key(text) is None


def test_an_encrypted_key_is_named_as_such() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for kind in (PrivateFormat.OpenSSH, PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        assert check_private_key(_pem(key, b"secret", kind)) == ENCRYPTED


def test_a_public_key_is_named_as_such() -> None:
    assert check_private_key(public_key_line(new_private_key())) == PUBLIC


def test_other_text_is_no_key() -> None:
    cut = "\n".join(new_private_key().splitlines()[:3])
    for text in (
        "",
        "hello",
        "\ufeff",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        cut,
    ):
        assert check_private_key(text) == NOT_A_KEY


def test_old_and_short_keys_are_refused() -> None:
    assert check_private_key(_pem(dsa.generate_private_key(1024), kind=PrivateFormat.TraditionalOpenSSL)) == OLD
    assert check_private_key(_pem(rsa.generate_private_key(65537, 1024))) == SHORT
