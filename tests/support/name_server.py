"""A DNS server that knows one address for every name."""

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator
from typing import Final

HEADER_BYTES: Final = 12
_TYPE_A: Final = 1
_TTL_SECONDS: Final = 60


@contextlib.asynccontextmanager
async def name_server(address: str = "127.0.0.1") -> AsyncIterator[int]:
    """Yields the UDP port on 127.0.0.1. Queries for other records than A are answered with none."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _NameServer(address), local_addr=("127.0.0.1", 0))
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


class _NameServer(asyncio.DatagramProtocol):
    """Source: https://www.rfc-editor.org/rfc/rfc1035#section-4.1"""

    def __init__(self, address: str) -> None:
        self._address = ipaddress.IPv4Address(address).packed

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", HEADER_BYTES) + 5
        question = query[HEADER_BYTES:end]
        (kind,) = struct.unpack("!H", question[-4:-2])
        record = struct.pack("!HHHIH", 0xC00C, _TYPE_A, 1, _TTL_SECONDS, 4) + self._address if kind == _TYPE_A else b""
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(record), 0, 0) + question + record
