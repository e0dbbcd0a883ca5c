"""TLS to backends by proxy-ssl-*, between a real Envoy and backends: certificates that either side shows.

Covers: client certificates, verification, server names, versions; Secrets that come, change and vanish. Excludes:
values and closed paths (tests/translate/nginx/test_backend_tls.py), ALPN (test_backend_tls.py).
"""

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Authority, Issued
from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import NS, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.kube.objects import Ingress, KubeObject, Metadata, Secret, SecretData
from xds.snapshot.resource import ResourceType

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
NAME: Final = "backend.internal"
AUTHORITY: Final = Authority()
USED: Final = {"backend_protocol": "HTTPS", "proxy_ssl_secret": "default/identity"}
VERIFIED: Final = {**USED, "proxy_ssl_verify": "on", "proxy_ssl_name": NAME}


@dataclasses.dataclass(slots=True)
class Seen:
    """A connection as the backend sees it.

    Attributes:
        client: The common name of the client certificate; empty: none was shown.
        version: Of TLS.
        server_name: SNI; None: without.
    """

    client: str
    version: str
    server_name: str | None = None


class TlsBackend:
    """An HTTP/1.1 server that accepts client certificates, and ends the connection after each answer."""

    def __init__(self, folder: Path, issued: Issued) -> None:
        folder.mkdir(exist_ok=True)
        file, authority = folder / "backend.pem", folder / "ca.pem"
        file.write_bytes(issued.certificate + issued.private_key)
        authority.write_bytes(AUTHORITY.pem)
        self.seen: list[Seen] = []
        self._names: list[str | None] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._context.load_verify_locations(authority)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.sni_callback = lambda _socket, name, _context: self._names.append(name)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Yields the port."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._context)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        subject = dict(each[0] for each in (tls.getpeercert() or {}).get("subject", ()))
        self.seen.append(Seen(subject.get("commonName", ""), tls.version(), self._names.pop(0)))
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()


def identity(client: str = "", authority: bytes = AUTHORITY.pem, name: str = "identity") -> Secret:
    """A Secret with authorities, and with a client certificate of this common name, if any."""
    issued = AUTHORITY.issue(common_name=client)
    certificate, key = (issued.certificate, issued.private_key) if client else (None, None)
    return Secret(Metadata(name, NS), SecretData(certificate, key, None, authority or None))


def shop(**annotations: str) -> Ingress:
    return ingress("shop", rule(HOST, path("/")), annotations=annotated(**annotations))


@contextlib.asynccontextmanager
async def shop_of(
    folder: Path, *objects: KubeObject, issued: Issued | None = None
) -> AsyncIterator[tuple[Site, TlsBackend]]:
    backend = TlsBackend(folder / "backend", issued or AUTHORITY.issue(NAME))
    async with (
        backend.serving() as port,
        site(folder, *objects, service("web"), slice_of("web", "127.0.0.1", ports=[port])) as running,
    ):
        yield running, backend


@pytest.mark.parametrize(
    ("annotations", "secret", "status", "seen"),
    [
        (USED, identity("proxy", b""), 200, Seen("proxy", "TLSv1.3")),
        (USED, identity(""), 200, Seen("", "TLSv1.2")),
        (USED, identity("", Authority().pem), 200, Seen("", "TLSv1.2")),
        (VERIFIED, identity("proxy"), 200, Seen("proxy", "TLSv1.2")),
        (VERIFIED | {"proxy_ssl_protocols": "TLSv1.3"}, identity(), 200, Seen("", "TLSv1.3")),
        (VERIFIED | {"proxy_ssl_server_name": "on"}, identity(), 200, Seen("", "TLSv1.2", NAME)),
        (VERIFIED | {"proxy_ssl_ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"}, identity(), 200, Seen("", "TLSv1.2")),
        (VERIFIED | {"proxy_ssl_name": "other.internal"}, identity(), 503, None),
        (VERIFIED, identity("", Authority().pem), 503, None),
        (VERIFIED | {"proxy_ssl_name": ""}, identity(), 503, None),
    ],
)
async def test_identities_of_both_sides(
    tmp_path: Path, annotations: dict[str, str], secret: Secret, status: int, seen: Seen | None
) -> None:
    async with shop_of(tmp_path, shop(**annotations), secret) as (running, backend):
        assert (await running.get(HOST)).status == status
        assert not running.rejections
    assert backend.seen == ([seen] if seen else [])


async def test_the_names_of_the_service_are_verified_where_no_name_is_given(tmp_path: Path) -> None:
    issued = AUTHORITY.issue("web.default.svc")
    async with shop_of(tmp_path, shop(**VERIFIED | {"proxy_ssl_name": ""}), identity(), issued=issued) as (running, _):
        assert (await running.get(HOST)).status == 200


async def test_a_new_certificate_changes_no_cluster(tmp_path: Path) -> None:
    async with shop_of(tmp_path, shop(**VERIFIED)) as (running, backend):
        assert (await running.get(HOST)).status == 503
        await running.apply(identity("old"))
        assert (await running.get(HOST)).status == 200
        clusters = dict(running.plane.pipeline.store.resources(ResourceType.CLUSTER))
        await running.apply(identity("new"))
        while backend.seen[-1].client != "new":  # Envoy has acknowledged the Secret, and takes it up a moment later
            assert (await running.get(HOST)).status == 200
        assert running.plane.pipeline.store.resources(ResourceType.CLUSTER) == clusters
        await running.apply(identity("other", Authority().pem))
        while (await running.get(HOST)).status != 503:
            pass
        await running.delete(identity())
        assert (await running.get(HOST)).status == 503
        secrets = running.plane.pipeline.store.resources(ResourceType.SECRET)
        assert not [name for name in secrets if name.startswith("default/")]
        assert not running.rejections


async def test_no_request_is_lost_while_paths_move_to_backends_with_credentials(tmp_path: Path) -> None:
    """A new cluster takes no requests before its Secrets have come. Envoy acknowledges clusters only then."""
    plain = ingress("shop", rule(HOST, path("/", "plain")))
    statuses: list[int] = []
    async with echo("plain") as port, shop_of(tmp_path, plain, service("plain")) as (running, _):
        await running.apply(slice_of("plain", "127.0.0.1", ports=[port]))

        async def ask() -> None:
            while True:
                statuses.append((await running.get(HOST)).status)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(5):
            moved = shop(**VERIFIED | {"proxy_ssl_secret": f"default/identity-{number}"})
            await running.apply(identity("proxy", name=f"identity-{number}"), moved)
            await running.apply(plain)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
    assert set(statuses) == {200}
