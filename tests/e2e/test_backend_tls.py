"""TLS between a real Envoy and backends: which protocol is spoken.

Covers: ALPN, gRPC over TLS, WebSockets at a backend that prefers HTTP/2.
Excludes: the meaning of each appProtocol (tests/translate/test_backends.py), certificates of clients and verification
(test_backend_identities.py).
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest

from tests.support.authority import Authority, Issued
from tests.support.envoy import needs_envoy
from tests.support.http import Connection
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.site import site
from xds.kube.objects import KubeObject

pytestmark = needs_envoy

HOST = "shop.example.com"
ANSWERED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


def shop(app_protocol: str, port: int) -> tuple[KubeObject, ...]:
    return (
        ingress("shop", rule(HOST, path("/", "web:443"))),
        service("web", {"port": 443, "appProtocol": app_protocol}),
        slice_of("web", "127.0.0.1", ports=[port]),
    )


class TlsBackend:
    """A TLS server that answers by HTTP/1.1, and hangs up on a client with which it agreed on HTTP/2.

    Attributes:
        agreed: The protocol of each connection by ALPN; None: the client, or this server, offered none.
        names: The SNI of each connection.
    """

    def __init__(self) -> None:
        self.agreed: list[str | None] = []
        self.names: list[str | None] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        self.agreed.append(agreed)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while agreed != "h2":
                head = await reader.readuntil(b"\r\n\r\n")
                upgraded = b"upgrade: websocket" in head.lower()
                answer = (
                    b"101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket" if upgraded else b"200 OK"
                )
                length = b"" if upgraded else b"\r\ncontent-length: 0"
                writer.write(b"HTTP/1.1 " + answer + length + b"\r\n\r\n")


@contextlib.asynccontextmanager
async def tls_backend(
    folder: Path, protocols: Sequence[str], issued: Issued | None = None
) -> AsyncIterator[tuple[TlsBackend, int]]:
    """A backend that offers the protocols by ALPN, the first one preferred; and its port."""
    backend = TlsBackend()
    context = server_context(folder, issued or Authority().issue(HOST))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    context.sni_callback = lambda _socket, name, _context: backend.names.append(name)
    server = await asyncio.start_server(backend.answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield backend, server.sockets[0].getsockname()[1]


def server_context(folder: Path, issued: Issued) -> ssl.SSLContext:
    file = folder / "backend.pem"
    file.write_bytes(issued.certificate + issued.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize(
    ("app_protocol", "protocols", "agreed", "status"),
    [
        ("https", ["h2", "http/1.1"], "h2", 503),  # the backend hangs up
        ("https", ["http/1.1"], "http/1.1", 200),
        ("HTTPS", [], None, 200),
        ("kubernetes.io/wss", ["h2", "http/1.1"], "http/1.1", 200),
        ("grpcs", ["http/1.1", "h2"], "h2", 503),
    ],
)
async def test_a_tls_backend_chooses_among_the_protocols_of_its_app_protocol(
    tmp_path: Path, app_protocol: str, protocols: list[str], agreed: str | None, status: int
) -> None:
    async with (
        tls_backend(tmp_path, protocols) as (backend, port),
        site(tmp_path, *shop(app_protocol, port)) as running,
    ):
        assert (await running.get(HOST)).status == status
        assert set(backend.agreed) == {agreed}
        assert set(backend.names) == {HOST}


@pytest.mark.parametrize("app_protocol", ["https", "kubernetes.io/wss"])
async def test_a_websocket_reaches_a_tls_backend_that_prefers_http2(tmp_path: Path, app_protocol: str) -> None:
    async with (
        tls_backend(tmp_path, ["h2", "http/1.1"]) as (backend, port),
        site(tmp_path, *shop(app_protocol, port)) as running,
    ):
        with contextlib.closing(await Connection.open(running.proxy.http_port)) as connection:
            assert (await connection.get(HOST, Connection="upgrade", Upgrade="websocket")).status == 101
        assert backend.agreed == ["http/1.1"]


@pytest.mark.parametrize("app_protocol", ["https", "grpcs", "GRPCS"])
async def test_grpc_over_tls(tmp_path: Path, app_protocol: str) -> None:
    issued = Authority().issue(HOST)
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(_reversed)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Reverse": method}),))
    credentials = grpc.ssl_server_credentials([(issued.private_key, issued.certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    async with site(tmp_path, *shop(app_protocol, port)) as running:
        target = f"127.0.0.1:{running.proxy.http_port}"
        options = (("grpc.default_authority", HOST),)
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            assert await channel.unary_unary("/test.Echo/Reverse", None, None)(b"abc") == b"cba"
    await server.stop(None)


async def _reversed(request: bytes, _context: grpc.aio.ServicerContext) -> bytes:  # type: ignore[type-arg]
    return request[::-1]
