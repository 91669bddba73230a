import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from cluster import encryption
from cluster.encryption import EncryptionError, add_key, decrypt, encrypt, ensure_key_file, rotate


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "var" / "keys"
    with override_settings(SPARKCONTROL_ENCRYPTION_KEY_FILE=path):
        yield path


def test_a_secret_comes_back_and_is_not_readable_in_between(key_file: Path) -> None:
    token = encrypt("hunter2 ☃\n", context="spark:3:private_key")
    assert "hunter2" not in token
    assert decrypt(token, context="spark:3:private_key") == "hunter2 ☃\n"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [path.name for path in key_file.parent.iterdir()] == ["keys"]


def test_the_same_secret_twice_looks_different() -> None:
    assert encrypt("x", context="a") != encrypt("x", context="a")


def test_a_secret_moved_to_another_row_is_refused() -> None:
    token = encrypt("x", context="spark:3:private_key")
    with pytest.raises(EncryptionError, match="another row"):
        decrypt(token, context="spark:4:private_key")


def test_a_new_key_is_used_for_writing_and_old_ones_for_reading(key_file: Path) -> None:
    old = encrypt("x", context="a")
    first = key_file.read_text()
    add_key()
    assert key_file.read_text().endswith(first) and len(key_file.read_text().split()) == 2
    assert decrypt(old, context="a") == "x"
    new = rotate(old, context="a")
    key_file.write_text(first)
    with pytest.raises(EncryptionError, match="does not fit"):
        decrypt(new, context="a")


def test_a_missing_key_file_is_told_and_not_replaced_when_reading(key_file: Path) -> None:
    token = encrypt("x", context="a")
    key_file.unlink()
    with pytest.raises(EncryptionError, match="is missing"):
        decrypt(token, context="a")
    assert not key_file.exists()


def test_another_key_file_or_a_damaged_value_does_not_fit(key_file: Path) -> None:
    token = encrypt("canary", context="a")
    for broken in (token[:-4], "", "rubbish", "ü"):
        with pytest.raises(EncryptionError, match="does not fit"):
            decrypt(broken, context="a")
    key_file.write_bytes(Fernet.generate_key())
    with pytest.raises(EncryptionError, match="does not fit") as caught:
        decrypt(token, context="a")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n# only a comment\n", "too-short\n"])
def test_a_key_file_without_keys_is_told(key_file: Path, content: str) -> None:
    ensure_key_file()
    key_file.write_text(content)
    with pytest.raises(EncryptionError, match="no usable encryption keys") as caught:
        encrypt("x", context="a")
    assert "too-short" not in str(caught.value)


def test_a_key_file_that_cannot_be_read_or_written_is_told(key_file: Path) -> None:
    key_file.mkdir(parents=True)
    with pytest.raises(EncryptionError, match="cannot be read"):
        encrypt("x", context="a")
    (key_file / "file").touch()
    with (
        override_settings(SPARKCONTROL_ENCRYPTION_KEY_FILE=key_file / "file" / "keys"),
        pytest.raises(EncryptionError, match="cannot be written"),
    ):
        encrypt("x", context="a")


def test_many_first_writers_agree_on_one_key(key_file: Path) -> None:
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(encrypt("x", context="a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [decrypt(token, context="a") for token in tokens] == ["x"] * 8
    assert encryption.ensure_key_file() == key_file
