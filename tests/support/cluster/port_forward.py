"""The kubelet's part in `kubectl port-forward`: the end of a tunnel from kubectl by way of the API server, which speaks
SPDY/3.1. Each connection is relayed to a port of this machine, whatever the Pod is.

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

import asyncio
import contextlib
import ssl
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.authority import Authority, SecretMount
from tests.support.cluster.control_plane import NODE, Cluster

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN: Final = 1
UPGRADED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    b"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
)


@contextlib.asynccontextmanager
async def forwarding(cluster: Cluster, folder: Path, target: str) -> AsyncIterator[list[str]]:
    """A kubelet for the node of all Pods, which forwards each port to `target`. Yields the paths of its requests.

    Args:
        folder: A new folder, for its certificate.
    """
    files = SecretMount(folder, Authority().issue("localhost")).server  # the API server doesn't check the name
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    paths: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            paths.append(head.split()[1].decode())
            writer.write(UPGRADED)
            await _Tunnel(reader, writer, target).run()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await cluster.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})
    try:
        yield paths
    finally:
        server.close()


class _Tunnel:
    """A SPDY session. kubectl opens two streams for each connection: one for errors, then one for data."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
        self._reader, self._writer = reader, writer
        self._host, _, self._port = target.rpartition(":")
        self._headers = zlib.compressobj()  # one stream of compressed headers for the session
        self._connections: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(8)
                flags, length = head[4], int.from_bytes(head[5:])
                body = await self._reader.readexactly(length)
                if head[0] & 0x80:
                    await self._control(int.from_bytes(head[2:4]), body)
                else:
                    await self._data(int.from_bytes(head[:4]), flags, body)
        finally:
            for task in self._tasks:
                task.cancel()
            for connection in self._connections.values():
                connection.close()

    async def _control(self, kind: int, body: bytes) -> None:
        stream = int.from_bytes(body[:4])
        if kind == SYN_STREAM:
            none = self._headers.compress(struct.pack(">I", 0)) + self._headers.flush(zlib.Z_SYNC_FLUSH)
            self._send_control(SYN_REPLY, struct.pack(">I", stream) + none)
            if stream % 4 == 3:
                await self._connect(stream)
        elif kind == PING:
            self._send_control(PING, body)
        elif kind == RST_STREAM and (connection := self._connections.pop(stream, None)):
            connection.close()
        elif kind == GOAWAY:
            raise asyncio.IncompleteReadError(b"", None)

    async def _connect(self, stream: int) -> None:
        reader, self._connections[stream] = await asyncio.open_connection(self._host, int(self._port))
        task = asyncio.create_task(self._relay(reader, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, stream: int) -> None:
        while data := await reader.read(32_768):
            self._send_data(stream, 0, data)
        self._send_data(stream, FIN, b"")
        self._send_data(stream - 2, FIN, b"")  # no error

    async def _data(self, stream: int, flags: int, body: bytes) -> None:
        if (connection := self._connections.get(stream)) is None:
            return
        connection.write(body)
        if flags & FIN:
            connection.write_eof()
        await connection.drain()

    def _send_control(self, kind: int, body: bytes) -> None:
        self._writer.write(struct.pack(">HHI", 0x8003, kind, len(body)) + body)

    def _send_data(self, stream: int, flags: int, data: bytes) -> None:
        self._writer.write(struct.pack(">II", stream, flags << 24 | len(data)) + data)
