"""An HTTP client that resolves every host to 127.0.0.1 and reports the backend of each answer."""

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
    """An HTTP answer.

    Attributes:
        backend: Empty if no echo backend answered.
        echo: The backend's description of the request.
    """

    status: int
    location: str
    backend: str
    echo: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """The identity that a server proved by its certificate."""

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
    """Trusts only the CA of the demo.

    Args:
        fresh: Open a new connection for every request.
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
        """Send a text on a WebSocket, and return the first answer."""
        async with self._session.ws_connect(url) as conversation:
            await conversation.send_str(text)
            return await conversation.receive_str()

    async def certificate(self, host: str, port: int) -> Shown:
        """The server's certificate. Raises ssl.SSLCertVerificationError if the CA or the host does not match."""
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
