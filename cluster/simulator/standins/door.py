"""How a stand-in asks the simulator: its argv, stdin, stdout and stderr go in, output and an exit code come back."""

from __future__ import annotations

import _socket  # the C module alone; `socket` imports half the library around it
import os
import sys


def ask(kind: str, argv: list[str]) -> int:
    """The exit code. OSError when the simulator does not answer."""
    door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    door.connect(os.environ["SPARKSIM_DIR"] + "/run/door")
    words = [kind, os.getcwd(), str(len(argv)), *argv, *(f"{k}={v}" for k, v in os.environ.items())]
    body = os.fsencode("\0".join(words))
    stdio = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2))
    door.sendmsg([len(body).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, stdio)])
    door.sendall(body)
    return _relay(door)


def _relay(door: _socket.socket) -> int:
    while True:
        head = _read(door, 5)
        if len(head) < 5:
            return 255
        data = _read(door, int.from_bytes(head[1:], "big"))
        if head[:1] == b"x":
            return int(data)
        _write(1 if head[:1] == b"o" else 2, data)


def _read(door: _socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = door.recv(length - len(data))
        if not piece:
            break
        data += piece
    return data


def _write(fd: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BrokenPipeError:
        os._exit(141)
