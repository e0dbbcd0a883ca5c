"""Mutual TLS on the port of ADS: who gets in, who may call itself what, and new files.

Covers: what files are good for, what happens when they change, which peers are refused and that they are told nothing.
Excludes: Envoy's side and the command line (tests/e2e/test_xds_mtls.py).
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from tests.support.ads_client import CDS, EDS, SDS, AdsClient
from tests.support.authority import SERVER_NAME, Authority, Issued, SecretMount
from tests.support.objects import certificate, encrypted, ingress, path, rule, secret_of, service, tls
from tests.support.plane import Plane, cluster, site
from tests.support.relay import relay_to
from xds.protocol.messages import Node, Variant
from xds.server.tls import ServerTls, TlsError, must_name_the_node, names_of

CA, STRANGER = Authority(), Authority("stranger")
SERVER = CA.issue(SERVER_NAME)
REFUSED = grpc.StatusCode.UNAVAILABLE
"""Of a connection that doesn't come about."""


@pytest.fixture
def mount(tmp_path: Path) -> SecretMount:
    return SecretMount(tmp_path / "server", SERVER)


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    assert isinstance(request.param, Variant)
    return request.param


# Who may call itself what.


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        ({"envoy-1"}, True),
        ({"fleet"}, True),
        ({"other", "fleet"}, True),
        ({"spiffe://example.org/ns/ingress/sa/envoy"}, False),
        ({"ENVOY-1"}, False),
        ({"*"}, False),
        ({"envoy-*"}, False),
        ({"envoy-1."}, False),
        ({""}, False),
        (set(), False),
    ],
)
def test_one_of_the_names_is_the_node_or_its_cluster(names: set[str], allowed: bool) -> None:
    assert (must_name_the_node(frozenset(names), Node("envoy-1", "fleet")) is None) == allowed


def test_a_uri_stands_for_a_node_that_is_called_so() -> None:
    uri = "spiffe://example.org/ns/ingress/sa/envoy"
    assert must_name_the_node(frozenset({uri}), Node("envoy-1", uri)) is None


@pytest.mark.parametrize("names", [{""}, set(), {"a"}])
def test_nobody_stands_for_a_node_without_a_name(names: set[str]) -> None:
    assert must_name_the_node(frozenset(names), Node("", "")) is not None


def test_a_refusal_names_both_in_few_words() -> None:
    why_not = must_name_the_node(frozenset({"b", "a"}), Node("envoy-1", "x" * 10_000))
    assert why_not
    assert "names 'a', 'b', and neither the node 'envoy-1' nor its cluster 'xxx" in why_not
    assert len(why_not) < 500
    assert "names nobody" in (must_name_the_node(frozenset(), Node("envoy-1", "")) or "")


def test_the_names_are_dns_and_uri_names_only() -> None:
    context: dict[str, Any] = {
        "x509_common_name": [b"common"],
        "x509_subject_alternative_name": [b"a.example", b"spiffe://a/b", b"a@b.c", b"10.0.0.1"],
        "peer_dns": [b"a.example"],
        "peer_uri": [b"spiffe://a/b"],
        "peer_email": [b"a@b.c"],
    }
    assert names_of(context) == {"a.example", "spiffe://a/b"}
    assert names_of({}) == frozenset()


# What the files are good for.


def put(mount: SecretMount, chain: bytes, key: bytes, authority: bytes = CA.pem) -> None:
    mount.put(Issued(chain, key, authority))


P256, ED25519 = certificate("a"), certificate("a", kind="ed25519")
BAD = {
    "garbage-certificate": (b"garbage", SERVER.private_key, CA.pem, "--tls-cert {} holds no certificates in PEM"),
    "no-certificate": (b"", SERVER.private_key, CA.pem, "--tls-cert {} holds no certificates in PEM"),
    "garbage-key": (SERVER.certificate, b"garbage", CA.pem, "--tls-key {} holds no unencrypted private key in PEM"),
    "encrypted-key": (P256.chain, encrypted(P256).key, CA.pem, "--tls-key {} holds no unencrypted private key in PEM"),
    "mismatch": (SERVER.certificate, CA.issue("a").private_key, CA.pem, "--tls-key {} doesn't belong to --tls-cert"),
    "no-authority": (SERVER.certificate, SERVER.private_key, b"", "--tls-client-ca {} holds no certificates in PEM"),
    "ed25519": (ED25519.chain, ED25519.key, CA.pem, "--tls-cert {} has a key that is neither RSA nor ECDSA"),
}


@pytest.mark.parametrize(("chain", "key", "authority", "complaint"), BAD.values(), ids=BAD)
def test_bad_files(mount: SecretMount, chain: bytes, key: bytes, authority: bytes, complaint: str) -> None:
    put(mount, chain, key, authority)
    with pytest.raises(TlsError) as error:
        ServerTls.load(mount.server)
    file = next(file for flag, file in files(mount).items() if complaint.startswith(flag))
    assert str(error.value).startswith(complaint.format(file))
    assert "PRIVATE" not in str(error.value)


def files(mount: SecretMount) -> dict[str, Path]:
    flags = mount.server_flags
    return {flag: Path(file) for flag, file in zip(flags[::2], flags[1::2], strict=True)}


def test_a_file_that_is_not_there(mount: SecretMount) -> None:
    (mount.folder / "tls.key").unlink()
    with pytest.raises(TlsError, match=r"--tls-key .*/tls\.key can't be read: No such file or directory"):
        ServerTls.load(mount.server)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048"])
async def test_grpc_takes_what_is_let_through(mount: SecretMount, kind: str) -> None:
    pair = certificate(SERVER_NAME, kind=kind)
    put(mount, pair.chain, pair.key)
    credentials = ServerTls.load(mount.server).credentials()
    assert grpc.aio.server().add_secure_port("127.0.0.1:0", credentials)


def test_a_private_key_shows_nowhere(mount: SecretMount) -> None:
    assert "PRIVATE" not in repr(ServerTls.load(mount.server)._current)


# Who gets in.


async def test_a_proxy_with_a_certificate_of_its_own(mount: SecretMount, variant: Variant) -> None:
    async with Plane(*site("web"), tls=mount.server) as plane:
        for names in (["envoy-1"], ["fleet"], ["x", "spiffe://a/b", "envoy-1"]):
            client = plane.client(variant, "envoy-1", CA.issue(*names))
            await client.subscribe(EDS, cluster("web"))
            await client.accept(EDS, cluster("web"))


@pytest.mark.parametrize(
    "issued",
    [STRANGER.issue("envoy-1"), CA.issue("envoy-1", server_only=True), Issued(b"", b"", CA.pem)],
    ids=["of-another-authority", "for-servers-only", "none"],
)
async def test_no_connection_without_a_certificate_of_the_authority(mount: SecretMount, issued: Issued) -> None:
    trusting = Issued(issued.certificate, issued.private_key, CA.pem)
    async with Plane(*site("web"), tls=mount.server) as plane:
        code, words = await end(plane.delta("envoy-1", trusting))
        assert (code, "handshaker" in words) == (REFUSED, False), "it's the server that refuses"
        assert (plane.ads.connected, pushes(plane)) == (0, 0)


async def test_no_connection_in_plaintext(mount: SecretMount) -> None:
    async with Plane(tls=mount.server) as plane:
        assert (await end(plane.delta()))[0] is REFUSED
        assert plane.ads.connected == 0


async def end(client: AdsClient) -> tuple[grpc.StatusCode, str]:
    """How the stream ends, without a message, of a client that asks for all there is."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await client.subscribe(CDS)
    return await client.expect_end()


def secrets() -> list[Any]:
    """An Ingress whose certificate chain has 100 KB."""
    pair = certificate("a.example")
    chain = pair.chain * (100_000 // len(pair.chain) + 1)
    rules = [rule("a.example", path("/", "web"))]
    return [
        ingress("a", *rules, tls=[tls("a.example", secret="a")]),
        service("web"),
        secret_of("a", chain, pair.key),
    ]


@pytest.mark.parametrize(
    "issued",
    [CA.issue("envoy-2"), CA.issue(), CA.issue(common_name="envoy-1"), CA.issue("spiffe://a/envoy-1")],
    ids=["other", "nobody", "common-name", "end-of-uri"],
)
async def test_a_proxy_that_is_called_otherwise_is_told_nothing(
    mount: SecretMount, variant: Variant, issued: Issued
) -> None:
    with capture_logs() as logs:
        async with Plane(*secrets(), tls=mount.server) as plane, relay_to(plane.address) as relay:
            client = plane.client(variant, "envoy-1", issued, relay.address)
            await client.subscribe(SDS, "default/a")
            code, words = await client.expect_end()
            assert (code, "neither the node 'envoy-1' nor its cluster 'fleet'" in words) == (
                grpc.StatusCode.PERMISSION_DENIED,
                True,
            )
            assert pushes(plane) == 0
            assert relay.received < 10_000
    (refused,) = [entry for entry in logs if entry["event"] == "proxy_refused"]
    assert (refused["error"], refused["node"]) == (words, "envoy-1")


async def test_the_same_with_its_own_certificate_is_told(mount: SecretMount, variant: Variant) -> None:
    """So the relay does see what is said."""
    async with Plane(*secrets(), tls=mount.server) as plane, relay_to(plane.address) as relay:
        client = plane.client(variant, "envoy-1", CA.issue("envoy-1"), relay.address)
        await client.subscribe(SDS, "default/a")
        await client.accept(SDS, "default/a")
        assert relay.received > 100_000


async def test_a_node_that_names_itself_late_is_asked_too(mount: SecretMount) -> None:
    async with Plane(*secrets(), tls=mount.server) as plane:
        client = plane.delta("envoy-1", CA.issue("envoy-2"))
        client._node = None
        await client.subscribe(SDS, "default/a")
        assert (await client.expect_end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert pushes(plane) == 0


def pushes(plane: Plane) -> float:
    values = (plane.metrics.registry.get_sample_value("xds_pushes_total", {"type": each.short}) for each in (CDS, SDS))
    return sum(value or 0 for value in values)


# New files.


async def serial(address: str, issued: Issued, folder: Path) -> str:
    """Of the certificate that a new connection is shown."""
    (folder / "client.pem").write_bytes(issued.certificate + issued.private_key)
    context = ssl.create_default_context(cadata=issued.authority.decode())
    context.load_cert_chain(folder / "client.pem")
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=SERVER_NAME)
    shown = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
    writer.transport.abort()
    return str(shown).lower().lstrip("0")


async def test_new_connections_get_the_new_certificate_and_streams_live_on(mount: SecretMount, tmp_path: Path) -> None:
    mine = CA.issue("envoy-1")
    async with Plane(*site("web"), tls=mount.server) as plane:
        assert plane.tls
        client = await plane.follow(plane.delta("envoy-1", mine))
        assert await serial(plane.address, mine, tmp_path) == SERVER.serial
        mount.put(renewed := CA.issue(SERVER_NAME))
        await plane.tls.look()
        assert await serial(plane.address, mine, tmp_path) == renewed.serial
        assert await serial(plane.address, mine, tmp_path) == renewed.serial
        plane.apply(*site("api"))
        await client.expect(CDS, cluster("api"))
        assert plane.ads.connected == 1


async def test_another_authority(mount: SecretMount) -> None:
    """Streams of the old one live on; its certificates are good for no new connection."""
    other = Authority("other")
    old, new = CA.issue("envoy-1"), other.issue("envoy-1")
    async with Plane(*site("web"), tls=mount.server) as plane:
        assert plane.tls
        client = await plane.follow(plane.delta("envoy-1", old))
        issued = other.issue(SERVER_NAME)
        mount.put(issued)
        await plane.tls.look()
        await plane.follow(plane.delta("envoy-1", new))
        late = plane.delta("envoy-1", Issued(old.certificate, old.private_key, other.pem))
        assert (await end(late))[0] is REFUSED
        assert plane.ads.connected == 2
        plane.apply(*site("api"))
        await client.expect(CDS, cluster("api"))


def break_key(mount: SecretMount) -> None:
    put(mount, SERVER.certificate, CA.issue("a").private_key)


def break_certificate(mount: SecretMount) -> None:
    put(mount, b"garbage", SERVER.private_key)


def remove(mount: SecretMount) -> None:
    (mount.folder / "..data").unlink()


@pytest.mark.parametrize("spoil", [break_key, break_certificate, remove])
async def test_bad_new_files_keep_the_old_and_are_logged_once(
    mount: SecretMount, tmp_path: Path, spoil: Callable[[SecretMount], None]
) -> None:
    mine = CA.issue("envoy-1")
    async with Plane(tls=mount.server) as plane:
        assert plane.tls
        with capture_logs() as logs:
            spoil(mount)
            for _ in range(4):
                await plane.tls.look()
            assert await serial(plane.address, mine, tmp_path) == SERVER.serial
            assert [(entry["event"], entry["log_level"]) for entry in logs] == [("tls_files_unusable", "error")]
            assert str(mount.folder) in logs[0]["error"]
            mount.put(renewed := CA.issue(SERVER_NAME))
            await plane.tls.look()
            assert [entry["event"] for entry in logs[1:]] == ["tls_files_loaded"]
            assert await serial(plane.address, mine, tmp_path) == renewed.serial


async def test_what_is_half_written_is_no_error(mount: SecretMount) -> None:
    with capture_logs() as logs:
        loaded = ServerTls.load(mount.server)
        renewed = CA.issue(SERVER_NAME)
        put(mount, renewed.certificate, SERVER.private_key)
        await loaded.look()
        mount.put(renewed)
        await loaded.look()
        await loaded.look()
    assert [entry["event"] for entry in logs] == ["tls_files_loaded"] * 2
    assert logs[1]["serial"] == renewed.serial


async def test_the_files_as_they_were_are_no_news(mount: SecretMount) -> None:
    with capture_logs() as logs:
        loaded = ServerTls.load(mount.server)
        break_key(mount)
        await loaded.look()
        mount.put(SERVER)
        await loaded.look()
        await loaded.look()
    assert [entry["event"] for entry in logs] == ["tls_files_loaded"]
