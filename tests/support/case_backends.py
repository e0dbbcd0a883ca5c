"""Backends of tests/cases, each known by the port that its EndpointSlice names."""

import asyncio
import contextlib
import ssl
import tempfile
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import grpc
import grpc.aio

from tests.support.authority import Authority
from tests.support.echo import echo
from tests.support.envoy import free_port

HEADERS: Final = 120


@contextlib.asynccontextmanager
async def nobody() -> AsyncIterator[int]:
    """A port that refuses connections."""
    yield free_port()


@contextlib.asynccontextmanager
async def grpc_over_tls() -> AsyncIterator[int]:
    """A gRPC server with a self-signed certificate, which answers every call with the request's bytes reversed."""

    async def reverse(request: bytes, _: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        return request[::-1]

    handler = grpc.unary_unary_rpc_method_handler(reverse)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Text", {"Reverse": handler})])
    issued = Authority().issue("backend.test")
    credentials = grpc.ssl_server_credentials([(issued.private_key, issued.certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def names_over_tls() -> AsyncIterator[int]:
    """HTTP/1.1 over TLS, with a self-signed certificate; answers with the SNI and the Host of the request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = Authority().issue("backend.test")
    with tempfile.NamedTemporaryFile() as file:
        file.write(issued.certificate + issued.private_key)
        file.flush()
        context.load_cert_chain(file.name)
    # A connection's own: the callback is given the object that the stream has too.
    names: weakref.WeakKeyDictionary[ssl.SSLObject, str | None] = weakref.WeakKeyDictionary()
    context.sni_callback = lambda connection, name, _: names.update({connection: name})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            (host,) = (line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("host:"))
            body = f"sni {names.get(writer.get_extra_info('ssl_object'))}, host {host}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async with _listening(serve, context) as port:
        yield port


@contextlib.asynccontextmanager
async def one_answer() -> AsyncIterator[int]:
    """Answers the first request of a connection, and closes the connection at the first byte of the second."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await reader.read(1)

    async with _listening(serve) as port:
        yield port


@contextlib.asynccontextmanager
async def many_headers() -> AsyncIterator[int]:
    """Answers each request with 120 headers, and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            headers = "".join(f"x-{number}: {number}\r\n" for number in range(HEADERS))
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{headers}\r\n".encode())

    async with _listening(serve) as port:
        yield port


@contextlib.asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def unless_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)

    server = await asyncio.start_server(unless_closed, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


BACKENDS: Final[dict[str, Callable[[], AbstractAsyncContextManager[int]]]] = {
    "18080": lambda: echo("web"),
    "18081": nobody,
    "18082": grpc_over_tls,
    "18083": one_answer,
    "18084": many_headers,
    "18085": lambda: echo("api"),
    "18086": names_over_tls,
}
"""By port in a manifest. A test has ports of its own, as tests run in parallel."""
