"""TLS with a real Envoy: the certificate of a connection, and the effect of changed certificates.

Covers: certificates by SNI, ALPN, bad Secrets beside good ones, renewal by SDS alone, connections that live on, and
redirects. Excludes: answers by SNI and Host (test_route_table.py).
"""

import asyncio
import contextlib
import ssl
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.support.envoy import needs_envoy
from tests.support.http import CLOSED, Reply
from tests.support.objects import Pair, certificate, ingress, path, rule, secret, secret_of, service, specific, tls
from tests.support.site import Site, echoes, site
from xds.kube.objects import Ingress, KubeObject
from xds.problems.problem import Key
from xds.resources import listeners
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy


def shop(host: str, *, secret: str | None) -> Ingress:
    return ingress(host.replace("*", "wildcard"), rule(host, path("/", "web")), tls=[tls(host, secret=secret)])


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.chain.decode())


def forged(name: str) -> tuple[bytes, bytes]:
    """A sound certificate and key that Envoy 1.40 rejects; tests/support/rejected has the recipes."""
    folder = Path(__file__).parents[1] / "support" / "rejected"
    return (folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes()


async def served(running: Site, sni: str) -> bytes:
    return (await running.get(sni, tls=True, sni=sni)).peer


A, B, WILD, DEFAULT = (certificate(name) for name in ("a.example.com", "b.example.com", "*.example.com", "any"))


async def test_a_connection_gets_the_certificate_of_its_sni(tmp_path: Path) -> None:
    objects: list[KubeObject] = [
        *(shop("a.example.com", secret="a"), shop("*.example.com", secret="wild"), service("web")),
        *(secret("a", A), secret("wild", WILD), secret("default", DEFAULT)),
    ]
    options = TranslateOptions(default_tls_secret=Key("default", "default"))
    async with site(tmp_path, *objects, translate=options) as running:
        assert await served(running, "a.example.com") == der(A)
        assert await served(running, "A.EXAMPLE.com") == der(A)
        assert await served(running, "b.example.com") == der(WILD)
        assert await served(running, "x.b.example.com") == der(DEFAULT)
        assert await served(running, "") == der(DEFAULT)


async def test_http2_and_http1_are_negotiated(tmp_path: Path) -> None:
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    async with site(tmp_path, *objects) as running:
        assert [await _negotiated(running, offer) for offer in (["h2", "http/1.1"], ["http/1.1"])] == ["h2", "http/1.1"]


async def _negotiated(running: Site, offer: list[str]) -> str | None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(offer)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", running.proxy.https_port, ssl=context, server_hostname="a.example.com"
    )
    chosen: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    return chosen


@pytest.mark.parametrize(
    "bad",
    [
        secret_of("bad", A.chain, B.key),
        secret_of("bad", b"garbage", A.key),
        secret_of("bad", A.chain, b"garbage"),
        secret_of("bad", b"", b""),
        secret_of("bad", None, None),
        secret("bad", certificate("bad.example.com", kind="ed25519")),
        secret("bad", certificate("bad.example.com", kind="rsa1024")),
        secret_of("bad", *forged("must-staple")),
        secret_of("bad", *forged("rsa-pss")),
        secret_of("bad", *forged("explicit-curve")),
        secret_of("bad", *forged("large-exponent")),
        None,
    ],
    ids=[
        *("mismatch", "garbage-chain", "garbage-key", "empty", "no-keys", "ed25519", "rsa1024"),
        *("must-staple", "rsa-pss", "explicit-curve", "large-exponent", "missing"),
    ],
)
async def test_a_bad_secret_costs_only_its_own_https(tmp_path: Path, bad: KubeObject | None) -> None:
    good = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    broken = (shop("bad.example.com", secret="bad"), *([bad] if bad else []))
    async with echoes([service("web")]) as slices, site(tmp_path, *good, *broken, *slices) as running:
        assert (await running.get("a.example.com", tls=True, sni="a.example.com")).status == 200
        assert await running.get("bad.example.com", tls=True, sni="bad.example.com") == CLOSED
        assert (await running.get("bad.example.com")).status == 200
        assert running.rejections == []
        await running.apply(secret("bad", B))
        assert await served(running, "bad.example.com") == der(B)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa4096"])
async def test_envoy_accepts_every_kind_of_key_that_passes(tmp_path: Path, kind: str) -> None:
    pair = certificate("a.example.com", kind=kind)
    async with site(tmp_path, shop("a.example.com", secret="a"), service("web"), secret("a", pair)) as running:
        assert running.rejections == []
        assert await served(running, "a.example.com") == der(pair)


async def test_a_new_certificate_goes_by_sds_alone(tmp_path: Path) -> None:
    renewed = certificate("a.example.com", serial=2)
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    async with site(tmp_path, *objects) as running:
        before = await running.envoy.stats("listener_manager.")
        await running.apply(secret("a", renewed))
        assert await served(running, "a.example.com") == der(renewed)
        assert await running.envoy.stats("listener_manager.") == before
        assert {change.type for change in running.pipeline.store.history[-1].changes} == {ResourceType.SECRET}


async def test_connections_outlive_a_new_tls_host(tmp_path: Path) -> None:
    """Envoy exchanges the changed filter chains and keeps the rest: https://github.com/envoyproxy/gateway/issues/8889"""
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A), secret("b", B))
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices) as running:
        url = f"https://127.0.0.1:{running.proxy.https_port}/"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                url, headers={"Host": "a.example.com"}, server_hostname="a.example.com", ssl=False
            ) as socket,
        ):
            await running.apply(shop("b.example.com", secret="b"))
            assert await served(running, "b.example.com") == der(B)
            await socket.send_str("still here")
            assert await socket.receive_str() == "still here"
            stats = await running.envoy.stats("listener_manager.listener_in_place_updated")
            assert stats == {"listener_manager.listener_in_place_updated": 1}


async def test_a_deleted_secret_ends_https_for_its_hosts(tmp_path: Path) -> None:
    async with site(tmp_path, shop("a.example.com", secret="a"), service("web"), secret("a", A)) as running:
        assert await served(running, "a.example.com") == der(A)
        await running.delete(secret("a", A))
        assert await running.get("a.example.com", tls=True, sni="a.example.com") == CLOSED
        await running.apply(secret("a", B))
        assert await served(running, "a.example.com") == der(B)


async def test_http_is_redirected_where_there_is_https(tmp_path: Path) -> None:
    plain = ingress("plain", rule("plain.example.com", path("/", "web")))
    objects = (shop("a.example.com", secret="a"), plain, service("web"), secret("a", A))
    proxy = ProxyOptions(redirect_https=True)
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices, proxy=proxy) as running:
        reply = await running.get("a.example.com", "/x?y=1")
        assert (reply.status, reply.headers["location"]) == (308, "https://a.example.com/x?y=1")
        own, own_tls = running.proxy.http_port, running.proxy.https_port
        ports = {f":{own}": f":{own_tls}", ".": "", ":80": "", ".:80": "", ":30080": ":443", ".:30080": ":443"}
        assert {port: await _redirected(running, port) for port in ports} == ports
        assert (await running.get("plain.example.com")).status == 200
        assert (await running.get("a.example.com", tls=True, sni="a.example.com")).status == 200


async def test_redirects_lead_to_the_public_port(tmp_path: Path) -> None:
    proxy = ProxyOptions(redirect_https=True, public_https_port=30443)
    async with site(
        tmp_path, shop("a.example.com", secret="a"), service("web"), secret("a", A), proxy=proxy
    ) as running:
        ports = {f":{running.proxy.http_port}": f":{running.proxy.https_port}"}
        ports |= dict.fromkeys(("", ".", ":80", ":30080"), ":30443")
        assert {port: await _redirected(running, port) for port in ports} == ports


async def _redirected(running: Site, port: str) -> str:
    """The port in the Location of a request with a port."""
    location = (await running.get(f"a.example.com{port}")).headers["location"]
    assert location.startswith("https://a.example.com"), location
    return location.removeprefix("https://a.example.com").removesuffix("/")


async def test_plain_http_never_answers_while_a_secret_is_gone(tmp_path: Path) -> None:
    """HTTPS closes, and the redirects stay: no virtual host of plain HTTP depends on the Secret."""
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    proxy = ProxyOptions(redirect_https=True)
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices, proxy=proxy) as running:
        before = running.pipeline.store.revision
        asking = asyncio.create_task(_statuses(running))
        for _ in range(3):
            await running.delete(secret("a", A))
            assert await running.get("a.example.com", tls=True, sni="a.example.com") == CLOSED
            await running.apply(secret_of("a", b"bad", b"bad"))
            await running.apply(secret("a", A))
            assert (await running.get("a.example.com", tls=True, sni="a.example.com")).status == 200
        asking.cancel()
        assert set(await asking) == {308}
        later = (revision for revision in running.pipeline.store.history if revision.number > before)
        names = {change.name for revision in later for change in revision.changes}
        assert "https" in names
        assert [name for name in names if name.startswith("http@3/")] == []


async def _statuses(running: Site) -> list[int]:
    """The statuses of plain requests, asked until cancelled."""
    found: list[int] = []
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            found.append((await running.get("a.example.com")).status)
    return found


async def test_a_first_certificate_is_issued_behind_redirects(tmp_path: Path) -> None:
    """The steps of an issuer: an Ingress for the challenge, the Secret, and the Ingress goes."""
    challenge = "/.well-known/acme-challenge/token"
    objects = (shop("a.example.com", secret="a"), service("web"), service("solver"))
    solver = ingress("solver", rule("a.example.com", specific(challenge, "solver")))
    proxy = ProxyOptions(redirect_https=True)
    async with (
        echoes([service("web"), service("solver")]) as slices,
        site(tmp_path, *objects, *slices, proxy=proxy) as running,
    ):
        for pair in (A, certificate("a.example.com", serial=2)):
            assert (await running.get("a.example.com", challenge)).status == 308
            await running.apply(solver)
            assert (await running.get("a.example.com", challenge)).backend == "solver"
            assert (await running.get("a.example.com")).status == 308
            await running.apply(secret("a", pair))
            await running.delete(solver)
            assert await served(running, "a.example.com") == der(pair)


async def test_https_at_a_trusted_proxy_is_not_redirected(tmp_path: Path) -> None:
    """A redirect would loop for ever: the proxy in front speaks plain HTTP to this Envoy."""
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    proxy = ProxyOptions(redirect_https=True, trusted_hops=1)
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices, proxy=proxy) as running:
        assert (await _forwarded(running, "https")).status == 200
        assert (await _forwarded(running, "http")).status == 308
    async with site(tmp_path, *objects, proxy=ProxyOptions(redirect_https=True)) as running:
        assert (await _forwarded(running, "https")).status == 308


async def _forwarded(running: Site, proto: str) -> Reply:
    return await running.get("a.example.com", x_forwarded_for="203.0.113.9", x_forwarded_proto=proto)


async def test_a_handshake_that_stops_half_way_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "TLS_HANDSHAKE_TIMEOUT", timedelta(milliseconds=50))
    objects = (shop("a.example.com", secret="a"), service("web"), secret("a", A))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a.example.com")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    async with site(tmp_path, *objects) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.proxy.https_port)
        writer.write(outgoing.read())
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        # Envoy counts after it has closed the connection.
        while sum((await running.envoy.stats("listener.*transport_socket_connect_timeout")).values()) != 1:
            await asyncio.sleep(0.01)
