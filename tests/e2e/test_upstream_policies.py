"""One Service that several Ingresses use in different ways, through a real Envoy.

Covers: clusters side by side with endpoints of their own, TLS by annotation, hashes, the Service's own address, the
Connection header. Excludes: the reading of annotations (tests/translate/nginx/test_upstreams.py) and TLS by appProtocol
(test_backend_tls.py).
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.authority import Authority
from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import NS, Pair, ingress, path, rule, secret, service, slice_of, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.kube.objects import EndpointSlice, Ingress, KubeObject

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
ENDPOINTS: Final = 4


def used(name: str, under: str, **annotations: str) -> Ingress:
    """An Ingress with a path of its own to Service `web`."""
    return ingress(name, rule(HOST, path(under)), annotations=annotated(**annotations))


def endpoints(*ports: int) -> list[EndpointSlice]:
    """A slice for every port: the backends of a test share an address."""
    return [slice_of("web", "127.0.0.1", name=f"web-{port}", ports=[port]) for port in ports]


@contextlib.asynccontextmanager
async def numbered_echoes() -> AsyncIterator[list[EndpointSlice]]:
    """Several endpoints of one Service, each with a name of its own."""
    async with contextlib.AsyncExitStack() as stack:
        yield endpoints(*[await stack.enter_async_context(echo(f"web-{number}")) for number in range(ENDPOINTS)])


async def answering(running: Site, under: str, user: str = "") -> str:
    reply = await running.get(HOST, under, x_user=user)
    assert reply.status == 200
    return str(reply.json["backend"])


class TlsBackend:
    """A server that speaks TLS 1.3 alone, and HTTP/1.1.

    Attributes:
        names: The SNI of each connection; None: without.
    """

    def __init__(self, folder: Path) -> None:
        issued = Authority().issue("other.internal")
        file = folder / "backend.pem"
        file.write_bytes(issued.certificate + issued.private_key)
        self.names: list[str | None] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Yields the port."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._context)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def test_backend_protocol_https_is_tls_without_a_server_name(tmp_path: Path) -> None:
    backend = TlsBackend(tmp_path)
    async with backend.serving() as port:
        objects = (used("tls", "/", backend_protocol="HTTPS"), service("web"), *endpoints(port))
        async with site(tmp_path, *objects) as running:
            assert (await running.get(HOST)).status == 200
    assert set(backend.names) == {None}


async def test_auto_http_speaks_to_backends_as_the_client_does(tmp_path: Path) -> None:
    issued = Authority().issue(HOST)
    shop = ingress(
        "shop",
        rule(HOST, path("/")),
        tls=[tls(HOST, secret="certificate")],
        annotations=annotated(backend_protocol="AUTO_HTTP"),
    )
    served = secret("certificate", Pair(issued.certificate, issued.private_key), ns=NS)
    backend = TlsBackend(tmp_path)
    async with backend.serving() as tls_port, echo("plain") as plain_port:
        objects: tuple[KubeObject, ...] = (shop, served, service("web"))
        async with site(tmp_path, *objects, *endpoints(tls_port)) as running:
            assert (await running.get(HOST, tls=True, sni=HOST)).status == 200
            await running.delete(*endpoints(tls_port))
            await running.apply(*endpoints(plain_port))
            assert (await running.get(HOST)).status == 200
            assert (await running.get(HOST, tls=True, sni=HOST)).status >= 500


async def test_equal_hash_keys_lead_to_one_endpoint(tmp_path: Path) -> None:
    ingresses = (
        used("header", "/header", upstream_hash_by="$http_x_user"),
        used("path", "/path", upstream_hash_by="$uri"),
        used("text", "/text", upstream_hash_by="all"),
    )
    async with numbered_echoes() as slices, site(tmp_path, *ingresses, service("web"), *slices) as running:
        users = {str(user): {await answering(running, "/header", str(user)) for _ in range(4)} for user in range(16)}
        assert all(len(backends) == 1 for backends in users.values())
        assert len(set.union(*users.values())) > 1
        assert len({await answering(running, f"/path/x?{number}") for number in range(8)}) == 1
        assert len({await answering(running, f"/path/{number}") for number in range(32)}) > 1
        assert len({await answering(running, f"/text/{number}") for number in range(8)}) == 1


async def test_clusters_of_one_service_follow_its_endpoints_side_by_side(tmp_path: Path) -> None:
    ingresses = (used("plain", "/"), used("least", "/least", load_balance="ewma"))
    async with (
        echo("old") as old,
        echo("new") as new,
        site(tmp_path, *ingresses, service("web"), slice_of("web", "127.0.0.1", ports=[old])) as running,
    ):
        assert {await answering(running, each) for each in ("/", "/least")} == {"old"}
        await running.apply(slice_of("web", "127.0.0.1", ports=[new]))
        assert {await answering(running, each) for each in ("/", "/least")} == {"new"}
        await running.apply(used("least", "/least"))
        assert await answering(running, "/least") == "new"
        assert not running.rejections


async def test_service_upstream_needs_no_endpoints(tmp_path: Path) -> None:
    async with echo("by-address") as port:
        web = service("web", port, clusterIP="127.0.0.1")
        shop = ingress("shop", rule(HOST, path("/", f"web:{port}")), annotations=annotated(service_upstream="true"))
        async with site(tmp_path, shop, web) as running:
            assert await answering(running, "/") == "by-address"


async def test_backends_see_the_connection_header_of_the_annotation(tmp_path: Path) -> None:
    ingresses = (used("close", "/close", connection_proxy_header="close"), used("plain", "/"))
    async with echo("web") as port, site(tmp_path, *ingresses, service("web"), *endpoints(port)) as running:
        assert (await running.get(HOST, "/close")).json["headers"]["connection"] == "close"
        assert "connection" not in (await running.get(HOST, "/")).json["headers"]
