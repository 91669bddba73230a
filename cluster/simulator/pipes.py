"""Carry bytes between an SSH channel and a process's pipes, as sshd does."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import asyncssh

from cluster.simulator import procfs
from cluster.simulator.processes import Child

PIECE = 65536


async def carry_out(fd: int, channel: asyncssh.SSHWriter[bytes]) -> None:
    """From the process to the client, until every holder of the pipe has closed it or the client is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0))
    try:
        # A terminal's other end closes with EIO instead of an end of file.
        with suppress(OSError, asyncssh.Error):
            while data := await reader.read(PIECE):
                channel.write(data)
                await channel.drain()
    finally:
        transport.close()


async def carry_in(channel: asyncssh.SSHReader[bytes], fd: int, child: Child) -> None:
    """From the client to the process; a signal request goes to the process's session."""
    os.set_blocking(fd, False)
    try:
        while True:
            try:
                data = await channel.read(PIECE)
            except asyncssh.SignalReceived as request:
                procfs.signal_group(child.pid, request.signal)
                continue
            except asyncssh.TerminalSizeChanged:
                continue
            if not data:
                return
            await _write(fd, data)
    except (OSError, asyncssh.Error):
        return
    finally:
        os.close(fd)


async def _write(fd: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_writer(fd, ready.set_result, None)
            try:
                await ready
            finally:
                loop.remove_writer(fd)
