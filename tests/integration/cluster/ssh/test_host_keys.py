"""Who is trusted: host keys both ways, and what people read when something is refused."""

import logging
import socket
import threading
from pathlib import Path

import pytest

from cluster.ssh.base import AuthFailed, HostKeyMismatch, HostKeyUnknown, Unreachable
from cluster.ssh.command import Command
from cluster.ssh.hostkeys import fetch_host_key, fingerprint
from cluster.ssh.keys import new_private_key
from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.integration.sshd import Sshd, free_port, running_sshd


def test_the_presented_key_is_read_without_logging_in(sshd: Sshd) -> None:
    key = fetch_host_key("127.0.0.1", sshd.port)
    assert (key.line, key.algorithm, key.fingerprint) == (sshd.host_key, "ssh-ed25519", fingerprint(sshd.host_key))
    assert "Accepted" not in sshd.log and "Failed" not in sshd.log


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_host_key_can_be_pinned_too(tmp_path: Path, kind: str) -> None:
    with running_sshd(tmp_path / "sshd", key_type=kind) as server:
        assert fetch_host_key("127.0.0.1", server.port).line == server.host_key
        transport = ParamikoTransport(server.address())
        assert transport.run(Command.of("true")).ok
        transport.close()


def test_an_unconfirmed_host_key_is_refused_and_shown(sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown, match="has not been confirmed") as caught:
        ParamikoTransport(sshd.address(host_key="")).open()
    assert caught.value.presented == fingerprint(sshd.host_key) and caught.value.presented in str(caught.value)
    assert "Accepted" not in sshd.log


def test_an_unreadable_stored_host_key_trusts_nobody(sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown, match="cannot be read"):
        ParamikoTransport(sshd.address(host_key="ssh-ed25519 rubbish")).open()


@pytest.mark.parametrize("new_kind", ["ed25519", "ecdsa"])
def test_a_changed_host_key_is_a_mismatch_with_both_fingerprints(sshd: Sshd, new_kind: str) -> None:
    transport = ParamikoTransport(sshd.address())
    assert transport.run(Command.of("true")).ok
    before = fingerprint(sshd.host_key)
    sshd.stop()
    sshd.new_host_key(new_kind)
    sshd.start()
    with pytest.raises(HostKeyMismatch) as caught:
        transport.run(Command.of("true"))
    assert (caught.value.pinned, caught.value.presented) == (before, fingerprint(sshd.host_key))
    assert before in str(caught.value) and caught.value.permanent
    assert sshd.log.count("Accepted publickey") == 1


def test_a_refused_key_is_told_with_its_remedy(sshd: Sshd) -> None:
    with pytest.raises(AuthFailed) as caught:
        ParamikoTransport(sshd.address(private_key=new_private_key(), user="nobody")).open()
    assert str(caught.value) == (
        f"spark-1 (127.0.0.1:{sshd.port}) refused the key of user nobody; "
        "add Spark Control's public key to ~/.ssh/authorized_keys there."
    )


def test_a_stored_key_that_is_none_is_told_without_quoting_it(sshd: Sshd) -> None:
    with pytest.raises(AuthFailed, match="not a private key") as caught:
        ParamikoTransport(sshd.address(private_key="canary-text")).open()
    assert "canary" not in str(caught.value) and "canary" not in repr(sshd.address(private_key="canary-text"))


def test_a_closed_port_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        fetch_host_key("127.0.0.1", free_port())


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="cannot be resolved"):
        fetch_host_key("spark-nowhere.invalid", 22)
    with pytest.raises(Unreachable, match="cannot be resolved"):
        fetch_host_key("a" * 64 + ".invalid", 22)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.0-ancient\r\n"])
def test_something_that_is_not_ssh_is_named_as_such(greeting: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        with caplog.at_level(logging.DEBUG), pytest.raises(Unreachable, match="did not complete the SSH greeting"):
            fetch_host_key("127.0.0.1", server.getsockname()[1], timeout=5)
        thread.join()
    assert "Traceback" not in caplog.text


def test_a_port_that_stays_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Unreachable, match="SSH greeting"):
        fetch_host_key("127.0.0.1", server.getsockname()[1], timeout=0.5)
