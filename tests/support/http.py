"""Requests with the test's own bytes: no client library in between normalizes hosts or paths."""

import asyncio
import contextlib
import functools
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: 0: the connection was closed without an answer.
        headers: The last one of each name, in lower case.
        peer: The server's certificate in DER.
        cookies: The values of all headers Set-Cookie.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: bytes = b""
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def backend(self) -> str:
        """The name of the echo backend that answered; empty without an answer of a backend."""
        return str(self.json["backend"]) if self.status == 200 else ""


CLOSED = Reply(0)


async def get(
    port: int,
    authority: str,
    path: str = "/",
    *,
    tls: bool = False,
    sni: str = "",
    method: str = "GET",
    at: str = "127.0.0.1",
    **headers: str,
) -> Reply:
    """A request over HTTP/1.1 to an address of this machine, over TLS (unverified) with this SNI, or without SNI."""
    try:
        connection = await Connection.open(port, tls=tls, sni=sni, at=at)
    except (ssl.SSLError, ConnectionError):
        return CLOSED
    with contextlib.closing(connection):
        return await connection.get(authority, path, method=method, Connection="close", **headers)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a server on this machine, or on a connected socket. `peer` is the server's certificate in DER."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: bytes

    @classmethod
    async def open(
        cls,
        port: int = 0,
        *,
        tls: bool = False,
        sni: str = "",
        by: socket.socket | None = None,
        context: ssl.SSLContext | None = None,
        at: str = "127.0.0.1",
    ) -> "Connection":
        """Connect; over TLS with a context of a client's own, if there is one.

        Raises:
        ConnectionError, ssl.SSLError: The server closed the connection.
        """
        where: dict[str, Any] = {"sock": by} if by else {"host": at, "port": port}
        reader, writer = await asyncio.open_connection(
            **where, ssl=(context or unverified()) if tls else None, server_hostname=sni if tls else None
        )
        return cls(reader, writer, writer.get_extra_info("ssl_object").getpeercert(binary_form=True) if tls else b"")

    async def get(self, authority: str, path: str = "/", *, method: str = "GET", **headers: str) -> Reply:
        """The answer to a request of any method but HEAD."""
        try:
            self.writer.write(_request(method, authority, path, headers))
            return await _reply(self.reader, self.peer)
        except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
            return CLOSED

    def close(self) -> None:
        self.writer.close()


def _request(method: str, authority: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _reply(reader: asyncio.StreamReader, peer: bytes) -> Reply:
    """Read to the end of the body, not of the connection: Envoy leaves the connection open for a second."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").strip().split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
    headers, cookies = dict(fields), tuple(value for name, value in fields if name == "set-cookie")
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(first.split(" ")[1]), headers, body, peer, cookies)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")


@functools.cache
def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(
        ssl.PROTOCOL_TLS_CLIENT
    )  # the default context reads all CAs of the machine for every connection
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
