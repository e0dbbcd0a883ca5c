"""A TLS client that offers a choice of ciphers and versions, and sessions to resume."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.waiting import WAIT_LIMIT_SECONDS


@dataclass(frozen=True, slots=True)
class Handshake:
    """A finished handshake, and the status of a request on the connection.

    Attributes:
        peer: The server's certificate in DER.
        session: To be resumed on another connection.
        resumed: Whether the connection resumed a session.
    """

    peer: bytes
    version: str
    cipher: str
    session: ssl.SSLSession | None
    resumed: bool
    status: int


class Client:
    """A client for connections to a port of 127.0.0.1. Resumed sessions must come from the same client.

    Args:
        port: Of the server.
        ciphers: Names of OpenSSL, for TLS 1.2; empty for the usual ones.
        version: The only version to offer.
    """

    def __init__(self, port: int, ciphers: str = "", version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> None:
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._context.minimum_version = self._context.maximum_version = version
        if ciphers:
            self._context.set_ciphers(ciphers)

    async def handshake(self, sni: str, session: ssl.SSLSession | None = None, host: str = "") -> Handshake | None:
        """A handshake and a request for the host, else for the name; None if the server ends the handshake."""
        try:
            return await asyncio.to_thread(self._handshake, sni, session, host or sni)
        except (ssl.SSLError, ConnectionError):
            return None

    async def until(self, condition: Callable[[Handshake | None], bool], sni: str, host: str = "") -> None:
        """Try until a handshake meets the condition: Envoy's workers follow a listener after Envoy's ACK.

        Raises:
            TimeoutError: no handshake does within WAIT_LIMIT_SECONDS.
        """
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not condition(await self.handshake(sni, host=host)):
                await asyncio.sleep(0.01)

    def _handshake(self, sni: str, session: ssl.SSLSession | None, host: str) -> Handshake:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=WAIT_LIMIT_SECONDS)
        with contextlib.closing(self._context.wrap_socket(plain, server_hostname=sni, session=session)) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = connection.recv(4096)  # the ticket of TLS 1.3 comes before
            return Handshake(
                connection.getpeercert(binary_form=True) or b"",
                connection.version() or "",
                (connection.cipher() or ("",))[0],
                connection.session,
                bool(connection.session_reused),
                int(head.split(b" ")[1]),
            )
