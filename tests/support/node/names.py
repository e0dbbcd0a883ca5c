"""The cluster's name server: addresses of Services by SERVICE.NAMESPACE.svc.cluster.local."""

import asyncio
import ipaddress
import struct
from typing import Final

from tests.support.name_server import HEADER_BYTES
from tests.support.node.services import Services

TYPE_A: Final = 1
TTL_SECONDS: Final = 5

NO_ERROR: Final = 0x8180
NO_SUCH_NAME: Final = 0x8183

_SUFFIX: Final = ".svc.cluster.local"


class NameServer(asyncio.DatagramProtocol):
    """Source: https://www.rfc-editor.org/rfc/rfc1035#section-4.1"""

    def __init__(self, services: Services) -> None:
        self._services = services

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", HEADER_BYTES) + 5
        question = query[HEADER_BYTES:end]
        (kind,) = struct.unpack("!H", question[-4:-2])
        addresses = self._addresses(_name(question))
        code = NO_SUCH_NAME if addresses is None else NO_ERROR
        records = [
            struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, TTL_SECONDS, 4) + ipaddress.IPv4Address(each).packed
            for each in (addresses or () if kind == TYPE_A else ())
        ]
        return query[:2] + struct.pack("!HHHHH", code, 1, len(records), 0, 0) + question + b"".join(records)

    def _addresses(self, name: str) -> list[str] | None:
        """None: there is no such name."""
        if not name.endswith(_SUFFIX):
            return None
        service, _, namespace = name.removesuffix(_SUFFIX).rpartition(".")
        key = f"{namespace}/{service}"
        return self._services.addresses(key) if key in self._services.services else None


def _name(question: bytes) -> str:
    labels, at = [], 0
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    return ".".join(labels)
