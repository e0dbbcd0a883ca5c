"""An HTTP client for which every host is 127.0.0.1, and which says whose answer it got."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

import ports

TIMEOUT = ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """`backend` is empty where none of the echo backends answered, and `echo` is what it said of the request."""

    status: int
    location: str
    backend: str
    echo: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server proved to be."""

    subject: str
    issuer: str
    expires: str
    protocol: str


class _Loopback(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        flags = socket.AI_NUMERICHOST
        return [
            ResolveResult(hostname=host, host=ports.LOOPBACK, port=port, family=socket.AF_INET, proto=0, flags=flags)
        ]

    async def close(self) -> None:
        pass


class Client:
    """Of HTTPS it believes the demo's authority and nobody else.

    Args:
        fresh: A new connection for every request, so that now this Envoy answers and now that one.
    """

    def __init__(self, authority: Path, *, fresh: bool = True) -> None:
        self._trust = ssl.create_default_context(cafile=str(authority))
        connector = TCPConnector(resolver=_Loopback(), ssl=self._trust, force_close=fresh, limit=0)
        self._session = ClientSession(connector=connector, timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, url: str) -> Answer:
        async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
            json = response.content_type == "application/json"
            echo = await response.json() if json else {}
            location = response.headers.get("location", "")
            return Answer(response.status, location, str(echo.get("backend", "")), echo)

    async def say(self, url: str, text: str) -> str:
        """What a WebSocket answers."""
        async with self._session.ws_connect(url) as conversation:
            await conversation.send_str(text)
            return await conversation.receive_str()

    async def certificate(self, host: str, port: int) -> Shown:
        """Raises ssl.SSLCertVerificationError unless the authority vouches for the server, and for this host."""
        _, writer = await asyncio.open_connection(ports.LOOPBACK, port, ssl=self._trust, server_hostname=host)
        try:
            secured = writer.get_extra_info("ssl_object")
            peer = secured.getpeercert()
            return Shown(
                _common_name(peer["subject"]), _common_name(peer["issuer"]), peer["notAfter"], secured.version()
            )
        finally:
            writer.close()
            await writer.wait_closed()


def _common_name(name: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return next(value for part in name for key, value in part if key == "commonName")
