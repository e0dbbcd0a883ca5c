"""auth-tls-* with real certificates and a real Envoy.

Covers: who is let in and what backends are told, chains and their depth, revocation, and that a request without a
certificate never passes while a host's check comes, changes and goes bad. Excludes: requests without certificates by
host and SNI (tests/support/route_table_client_certificates.py).
"""

import asyncio
import collections
import contextlib
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.authority import DAY, Authority, Issued
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.http import CLOSED, Connection, Reply
from tests.support.objects import authorities, certificate, ingress, key, path, rule, secret, service, tls
from tests.support.plane import Plane
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.objects import Ingress, KubeObject
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

CA, OTHER_CA = Authority("ca"), Authority("other")
WEB = service("web")
CERT = secret("cert", certificate("*.test"))
GOOD = authorities("ca", CA.pem)
OPEN = ingress("open", rule("open.test", path("/")), tls=[tls("open.test", secret="cert")])
FORGED: dict[str, Any] = {
    "ssl-client-verify": "SUCCESS",
    "ssl-client-subject-dn": "CN=root",
    "ssl-client-issuer-dn": "CN=root",
    "ssl-client-cert": "x",
    "x-forwarded-client-cert": "Hash=x",
}
TOLD = ("ssl-client-verify", "ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert", *FORGED)


def shop(name: str, **annotations: Any) -> Ingress:
    asked = {"auth_tls_secret": "default/ca"} | annotations
    host = f"{name}.test"
    return ingress(name, rule(host, path("/")), tls=[tls(host, secret="cert")], annotations=annotated(**asked))


class Clients:
    """Clients with certificates.

    Args:
        folder: For certificates.
        proxy: The proxy's ports.
    """

    def __init__(self, folder: Path, proxy: ProxyOptions) -> None:
        self._folder = folder
        self._proxy = proxy

    def context(self, issued: Issued | None, *chain: bytes, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if issued:
            file = self._folder / "client.pem"
            file.write_bytes(b"".join((issued.certificate, *chain, issued.private_key)))
            context.load_cert_chain(file)
        return context

    async def get(self, host: str, issued: Issued | None = None, *chain: bytes, sni: str = "", **headers: str) -> Reply:
        """A request by TLS. CLOSED for a handshake that fails."""
        try:
            context = self.context(issued, *chain)
            connection = await Connection.open(self._proxy.https_port, tls=True, sni=sni or host, context=context)
        except (ssl.SSLError, ConnectionError):
            return CLOSED
        with contextlib.closing(connection):
            return await connection.get(host, Connection="close", **headers)

    async def plain(self, host: str, **headers: str) -> Reply:
        connection = await Connection.open(self._proxy.http_port)
        with contextlib.closing(connection):
            return await connection.get(host, Connection="close", **headers)


def told(reply: Reply) -> dict[str, str]:
    """The headers of the check that the backend got."""
    return {name: value for name, value in dict(reply.json["headers"]).items() if name in TOLD}


async def test_backends_are_told_of_certificates(tmp_path: Path) -> None:
    alice, mallory = CA.issue(common_name="alice"), OTHER_CA.issue(common_name="mallory")
    old = CA.issue(common_name="old", begins=-2 * DAY, ends=-DAY)
    success = {"ssl-client-verify": "SUCCESS", "ssl-client-subject-dn": "CN=alice", "ssl-client-issuer-dn": "CN=ca"}
    objects = (
        shop("on"),
        shop("optional", auth_tls_verify_client="optional"),
        shop("any", auth_tls_verify_client="optional_no_ca"),
        shop("off", auth_tls_verify_client="off"),
        shop("pass", auth_tls_pass_certificate_to_upstream="true"),
        shop("page", auth_tls_error_page="https://help.test/a?b=c"),
        shop("named", auth_tls_match_cn='CN=(ali|x"y)'),
        shop("optional-named", auth_tls_match_cn='CN=(ali|x"y)', auth_tls_verify_client="optional"),
        ingress("open", rule("open.test", path("/")), tls=[tls("open.test", secret="cert")]),
    )
    async with (
        echoes([WEB]) as slices,
        site(tmp_path, *objects, WEB, CERT, authorities("ca", CA.pem), *slices) as running,
    ):
        clients = Clients(tmp_path, running.proxy)
        assert running.rejections == []

        async def answers(name: str) -> list[Any]:
            """Of clients with no, a good, a foreign, and an expired certificate: a status, or the told headers."""
            replies = [await clients.get(f"{name}.test", each, **FORGED) for each in (None, alice, mallory, old)]
            return [told(each) if each.status == 200 else each.status for each in replies]

        none = {"ssl-client-verify": "NONE"}
        failed = {
            "ssl-client-verify": "FAILED",
            "ssl-client-subject-dn": "CN=mallory",
            "ssl-client-issuer-dn": "CN=other",
        }
        expired = {"ssl-client-verify": "FAILED", "ssl-client-subject-dn": "CN=old", "ssl-client-issuer-dn": "CN=ca"}
        assert await answers("on") == [400, success, 400, 400]
        assert await answers("optional") == [none, success, 400, 400]
        assert await answers("any") == [none, success, failed, expired]
        assert await answers("off") == [none, none, none, none]
        assert await answers("page") == [302, success, 302, 302]
        assert await answers("named") == [400, success, 400, 400]
        assert await answers("optional-named") == [403, success, 400, 400]
        bob = CA.issue(common_name="bob")
        assert [(await clients.get(f"{name}.test", bob)).status for name in ("named", "optional-named")] == [403, 403]
        quoted = CA.issue(common_name='x"y')
        assert (await clients.get("named.test", quoted)).status == 403  # a subject is escaped as RFC 2253 says
        passed = told(await clients.get("pass.test", alice, **FORGED))
        assert passed["ssl-client-cert"].startswith("-----BEGIN%20CERTIFICATE-----%0A")
        assert (await clients.get("page.test")).headers["location"] == "https://help.test/a?b=c"
        assert (await clients.get("on.test", alice, sni="open.test")).status == 421
        assert (await clients.get("on.test", alice, sni="optional.test")).status == 421
        assert told(await clients.plain("optional.test", **FORGED)) == {}
        assert told(await clients.get("open.test", **FORGED))["ssl-client-verify"] == "SUCCESS"


async def test_envoy_takes_the_largest_subject(tmp_path: Path) -> None:
    largest, larger = f"CN={'a' * 93}$", f"CN={'a' * 94}$"
    objects = (shop("largest", auth_tls_match_cn=largest), shop("larger", auth_tls_match_cn=larger))
    async with site(tmp_path, *objects, WEB, CERT, GOOD) as running:
        assert running.rejections == []
        clients = Clients(tmp_path, running.proxy)
        assert [(await clients.get(f"{name}.test")).status for name in ("largest", "larger")] == [400, 403]


async def test_no_client_claims_a_certificate_anywhere_with_the_compatibility_switch(tmp_path: Path) -> None:
    objects = (ingress("open", rule("open.test", path("/"))), WEB)
    options = TranslateOptions(is_compatible=True)
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices, translate=options) as running:
        found = told(await Clients(tmp_path, running.proxy).plain("open.test", **FORGED))
        assert not found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_of_checked_hosts_are_not_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A resumed session would count as not verified, and shut a good client out."""
    async with (
        echoes([WEB]) as slices,
        site(tmp_path, shop("on"), WEB, CERT, authorities("ca", CA.pem), *slices) as run,
    ):
        context = Clients(tmp_path, run.proxy).context(CA.issue(common_name="alice"), version=version)
        session: ssl.SSLSession | None = None
        for _ in range(3):
            status, session, resumed = await asyncio.to_thread(_resuming, context, run.proxy.https_port, session)
            assert (status, resumed) == (200, False)


def _resuming(
    context: ssl.SSLContext, port: int, session: ssl.SSLSession | None
) -> tuple[int, ssl.SSLSession | None, bool | None]:
    plain = socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT_SECONDS)
    with contextlib.closing(context.wrap_socket(plain, server_hostname="on.test", session=session)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: on.test\r\nConnection: close\r\n\r\n")
        head = connection.recv(4096)
        return int(head.split(b" ")[1]), connection.session, connection.session_reused


async def test_depth_and_revocation_are_those_of_nginx(tmp_path: Path) -> None:
    middle = Authority("middle", by=CA)
    lower = Authority("lower", by=middle)
    direct, below, far = (each.issue(common_name="x") for each in (CA, middle, lower))
    objects = (
        shop("one"),
        shop("two", auth_tls_verify_depth="2"),
        shop("crl", auth_tls_secret="default/revoking"),
    )
    revoked = CA.issue(common_name="revoked")
    secrets = (GOOD, authorities("revoking", CA.pem, revoked=_revocation(CA, revoked)))
    async with echoes([WEB]) as slices, site(tmp_path, *objects, WEB, CERT, *secrets, *slices) as running:
        clients = Clients(tmp_path, running.proxy)
        assert running.rejections == []
        assert (await clients.get("one.test", direct)).status == 200
        assert (await clients.get("one.test", below, middle.pem)).status == 200
        assert (await clients.get("one.test", far, lower.pem, middle.pem)).status == 400
        assert (await clients.get("two.test", far, lower.pem, middle.pem)).status == 200
        assert (await clients.get("crl.test", direct)).status == 200
        assert (await clients.get("crl.test", revoked)).status == 400
        await running.apply(authorities("revoking", CA.pem))
        await _until(lambda: clients.get("crl.test", revoked), 200)


def _revocation(authority: Authority, *revoked: Issued) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder(authority._name, now - DAY, now + DAY)
    for each in revoked:
        number = x509.load_pem_x509_certificate(each.certificate).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now - DAY)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority._key, hashes.SHA256()).public_bytes(Encoding.PEM)


async def _until(ask: Any, status: int) -> None:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while (await ask()).status != status:
            await asyncio.sleep(0.01)


# Never a moment without the check


class Strangers:
    """Clients without a certificate that ask all the time, on new connections and on old ones.

    Attributes:
        statuses: Of all answers, by way and status.
        watched: Whether an answer of the backend is a failure.
    """

    def __init__(self, proxy: ProxyOptions) -> None:
        self._proxy = proxy
        self.statuses: collections.Counter[tuple[str, int]] = collections.Counter()
        self.passed: collections.Counter[str] = collections.Counter()
        self.watched = True

    async def run(self) -> None:
        ways = [
            self._new("own SNI", "on.test", tls=True),
            self._new("SNI of another host", "open.test", tls=True),
            self._new("unknown SNI", "unknown.test", tls=True),
            self._new("plain", "", tls=False),
            self._old("old, own SNI", "on.test", tls=True),
            self._old("old, SNI of another host", "open.test", tls=True),
            self._old("old, plain", "", tls=False),
        ]
        async with asyncio.TaskGroup() as group:
            for way in ways:
                group.create_task(way)

    async def _new(self, way: str, sni: str, *, tls: bool) -> None:
        while True:
            connection = await self._connected(sni, tls=tls)
            if connection:
                with contextlib.closing(connection):
                    self._note(way, await connection.get("on.test", Connection="close"))
            await asyncio.sleep(0.002)

    async def _old(self, way: str, sni: str, *, tls: bool) -> None:
        while True:
            connection = await self._connected(sni, tls=tls)
            if connection:
                with contextlib.closing(connection):
                    reply = None
                    while reply is not CLOSED:
                        reply = await connection.get("on.test")
                        self._note(way, reply)
                        await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)

    async def _connected(self, sni: str, *, tls: bool) -> Connection | None:
        port = self._proxy.https_port if tls else self._proxy.http_port
        try:
            return await Connection.open(port, tls=tls, sni=sni)
        except (ssl.SSLError, OSError):
            return None

    def _note(self, way: str, reply: Reply) -> None:
        if self.watched:
            self.statuses[way, reply.status] += 1
            if reply.backend:
                self.passed[way] += 1


@contextlib.asynccontextmanager
async def asked_by_strangers(proxy: ProxyOptions) -> AsyncIterator[Strangers]:
    strangers = Strangers(proxy)
    task = asyncio.create_task(strangers.run())
    try:
        yield strangers
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


MORE = secret("more", certificate("on.test", serial=7))


def checked(*, entry: str | None = "cert", hosts: tuple[str, ...] = ("on.test",), **annotations: Any) -> Ingress:
    entries = [tls(*hosts, secret=entry)] if entry else []
    asked = {"auth_tls_secret": "default/ca"} | annotations
    rules = [rule(host, path("/")) for host in hosts]
    return ingress("on", *rules, tls=entries, annotations=annotated(**asked), created=2)


CHANGES: tuple[tuple[str, KubeObject | None], ...] = (
    ("another CA in the Secret", authorities("ca", OTHER_CA.pem)),
    ("a bad CA", authorities("ca", b"no")),
    ("a good CA again", GOOD),
    ("no CA", None),
    ("a good CA again", GOOD),
    ("a revocation list", authorities("ca", CA.pem, revoked=_revocation(CA))),
    ("another Secret", checked(auth_tls_secret="default/other")),
    ("a depth", checked(auth_tls_verify_depth="2")),
    ("a subject", checked(auth_tls_match_cn="CN=alice")),
    ("a bad subject", checked(auth_tls_match_cn="CN=(")),
    ("an error page", checked(auth_tls_error_page="https://help.test")),
    ("another certificate of the server", checked(entry="more")),
    ("cipher suites", checked(ssl_ciphers="ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384")),
    ("the default certificate", checked(entry=None)),
    ("a TLS entry again", checked()),
    ("a missing certificate of the server", checked(entry="nowhere")),
    ("an alias", checked(server_alias="alias.test,*.w.test")),
    ("a second host", checked(hosts=("on.test", "second.test"))),
    ("an older Ingress", ingress("older", rule("on.test", path("/older")), created=1)),
    ("another protection that can't be had", checked(enable_modsecurity="true")),
    ("the check alone", checked()),
)


async def test_no_stranger_passes_while_the_check_changes(tmp_path: Path) -> None:
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    alice = CA.issue(common_name="alice")
    default = secret("default", certificate("default.test", serial=9))
    options = TranslateOptions(default_tls_secret=key("default"))
    async with contextlib.AsyncExitStack() as stack:
        slices = await stack.enter_async_context(echoes([WEB]))
        fixed = (OPEN, WEB, CERT, MORE, default, authorities("other", OTHER_CA.pem), *slices)
        plane = await stack.enter_async_context(Plane(*fixed, checked(), translate=options, proxy=proxy))
        strangers = await stack.enter_async_context(asked_by_strangers(proxy))
        envoy = await stack.enter_async_context(running_envoy(plane.address, tmp_path))
        await envoy.until_ready()
        running = Site(plane, proxy, envoy)
        clients = Clients(tmp_path, proxy)
        await _until(lambda: clients.get("on.test", alice), 403)  # the Secret isn't there yet
        await running.apply(GOOD)
        await _until(lambda: clients.get("on.test", alice), 200)
        for name, change in CHANGES:
            await (running.delete(GOOD) if change is None else running.apply(change))
            await asyncio.sleep(0.15)
            assert not strangers.passed, (name, strangers.statuses)
            assert running.rejections == [], name
        await _until(lambda: clients.get("on.test", alice), 200)
        # Opened, and closed again: connections from the time between are still there.
        strangers.watched = False
        await running.apply(ingress("on", rule("on.test", path("/")), tls=[tls("on.test", secret="cert")]))
        await _until(lambda: clients.get("on.test"), 200)
        await asyncio.sleep(0.1)
        await running.apply(checked())
        strangers.watched = True
        await _until(lambda: clients.get("on.test", alice), 200)
        await asyncio.sleep(0.3)
        assert not strangers.passed, strangers.statuses
        print(f"\n{strangers.statuses.total()} requests without a certificate: {dict(strangers.statuses)}")
        assert {way for way, _ in strangers.statuses} >= {"own SNI", "plain", "old, own SNI", "old, plain"}


async def test_a_removed_authority_closes_open_connections(tmp_path: Path) -> None:
    alice = CA.issue(common_name="alice")
    async with echoes([WEB]) as slices, site(tmp_path, checked(), WEB, CERT, GOOD, *slices) as running:
        context = Clients(tmp_path, running.proxy).context(alice)
        connection = await Connection.open(running.proxy.https_port, tls=True, sni="on.test", context=context)
        with contextlib.closing(connection):
            assert (await connection.get("on.test")).status == 200
            await running.delete(GOOD)
            assert (await connection.get("on.test")).status == 403
