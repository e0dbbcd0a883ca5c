"""Mutual TLS on the port of ADS: authorized nodes, valid files, rejected connections, and reloads.

Covers that rejected peers learn no resources. Excludes Envoy's side and the command line (tests/e2e/test_xds_mtls.py).
"""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
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
NO_CONNECTION = grpc.StatusCode.UNAVAILABLE
"""Status of a connection that fails."""


@pytest.fixture
def mount(tmp_path: Path) -> SecretMount:
    return SecretMount(tmp_path / "server", SERVER)


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    assert isinstance(request.param, Variant)
    return request.param


# Nodes that a certificate allows.


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
def test_a_certificate_name_must_equal_the_node_or_its_cluster(names: set[str], allowed: bool) -> None:
    assert (must_name_the_node(frozenset(names), Node("envoy-1", "fleet")) is None) == allowed


def test_a_uri_allows_a_node_or_cluster_of_the_same_name() -> None:
    uri = "spiffe://example.org/ns/ingress/sa/envoy"
    assert must_name_the_node(frozenset({uri}), Node("envoy-1", uri)) is None


@pytest.mark.parametrize("names", [{""}, set(), {"a"}])
def test_a_node_without_a_name_is_never_allowed(names: set[str]) -> None:
    assert must_name_the_node(frozenset(names), Node("", "")) is not None


def test_the_reason_names_certificate_and_node_in_few_words() -> None:
    why_not = must_name_the_node(frozenset({"b", "a"}), Node("envoy-1", "x" * 10_000))
    assert why_not
    assert "names 'a', 'b', and neither the node 'envoy-1' nor its cluster 'xxx" in why_not
    assert len(why_not) < 500
    assert "names nobody" in (must_name_the_node(frozenset(), Node("envoy-1", "")) or "")


def test_only_dns_and_uri_names_of_a_certificate_count() -> None:
    context: dict[str, Any] = {
        "x509_common_name": [b"common"],
        "x509_subject_alternative_name": [b"a.example", b"spiffe://a/b", b"a@b.c", b"10.0.0.1"],
        "peer_dns": [b"a.example"],
        "peer_uri": [b"spiffe://a/b"],
        "peer_email": [b"a@b.c"],
    }
    assert names_of(context) == {"a.example", "spiffe://a/b"}
    assert names_of({}) == frozenset()


# Valid files.


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


@pytest.mark.parametrize(("chain", "key", "authority", "message"), BAD.values(), ids=BAD)
def test_invalid_files_are_an_error_that_names_the_file(
    mount: SecretMount, chain: bytes, key: bytes, authority: bytes, message: str
) -> None:
    put(mount, chain, key, authority)
    with pytest.raises(TlsError) as error:
        ServerTls.load(mount.server)
    file = next(file for flag, file in files(mount).items() if message.startswith(flag))
    assert str(error.value).startswith(message.format(file))
    assert "PRIVATE" not in str(error.value)


def files(mount: SecretMount) -> dict[str, Path]:
    flags = mount.server_flags
    return {flag: Path(file) for flag, file in zip(flags[::2], flags[1::2], strict=True)}


def test_a_missing_file_is_an_error(mount: SecretMount) -> None:
    (mount.folder / "tls.key").unlink()
    with pytest.raises(TlsError, match=r"--tls-key .*/tls\.key can't be read: No such file or directory"):
        ServerTls.load(mount.server)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048"])
async def test_grpc_accepts_valid_files(mount: SecretMount, kind: str) -> None:
    pair = certificate(SERVER_NAME, kind=kind)
    put(mount, pair.chain, pair.key)
    credentials = ServerTls.load(mount.server).credentials()
    assert grpc.aio.server().add_secure_port("127.0.0.1:0", credentials)


def test_a_private_key_is_not_in_the_repr(mount: SecretMount) -> None:
    assert "PRIVATE" not in repr(ServerTls.load(mount.server)._current)


# Connections.


async def test_a_proxy_with_a_certificate_for_its_node_is_served(mount: SecretMount, variant: Variant) -> None:
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
        code, text = await end(plane.delta("envoy-1", trusting))
        assert (code, "handshaker" in text) == (NO_CONNECTION, False), "the server must reject, not the client"
        assert (plane.ads.connected, pushes(plane)) == (0, 0)


async def test_no_connection_in_plaintext(mount: SecretMount) -> None:
    async with Plane(tls=mount.server) as plane:
        assert (await end(plane.delta()))[0] is NO_CONNECTION
        assert plane.ads.connected == 0


async def end(client: AdsClient) -> tuple[grpc.StatusCode, str]:
    """The status that ends the stream of a client without a response."""
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
async def test_a_proxy_of_another_node_gets_no_response(mount: SecretMount, variant: Variant, issued: Issued) -> None:
    with capture_logs() as logs:
        async with Plane(*secrets(), tls=mount.server) as plane, relay_to(plane.address) as relay:
            client = plane.client(variant, "envoy-1", issued, relay.address)
            await client.subscribe(SDS, "default/a")
            code, text = await client.expect_end()
            assert (code, "neither the node 'envoy-1' nor its cluster 'fleet'" in text) == (
                grpc.StatusCode.PERMISSION_DENIED,
                True,
            )
            assert pushes(plane) == 0
            assert relay.received < 10_000
            refused = plane.metrics.registry.get_sample_value
            assert refused("xds_ingress_proxies_refused_total", {"reason": "certificate"}) == 1
            assert refused("xds_ingress_proxies_refused_total", {"reason": "invalid_request"}) == 0
    (ended,) = [entry for entry in logs if entry["event"] == "stream_ended_with_error"]
    assert (ended["error"], ended["node"]) == (text, "envoy-1")


async def test_a_proxy_of_the_certificates_node_gets_the_secret(mount: SecretMount, variant: Variant) -> None:
    """The control case: the relay sees large responses."""
    async with Plane(*secrets(), tls=mount.server) as plane, relay_to(plane.address) as relay:
        client = plane.client(variant, "envoy-1", CA.issue("envoy-1"), relay.address)
        await client.subscribe(SDS, "default/a")
        await client.accept(SDS, "default/a")
        assert relay.received > 100_000


async def test_a_first_request_without_a_node_gets_no_response(mount: SecretMount) -> None:
    async with Plane(*secrets(), tls=mount.server) as plane:
        client = plane.delta("envoy-1", CA.issue("envoy-2"))
        client._node = None
        await client.subscribe(SDS, "default/a")
        assert (await client.expect_end())[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert pushes(plane) == 0


def pushes(plane: Plane) -> float:
    values = (
        plane.metrics.registry.get_sample_value("xds_ingress_pushes_total", {"type": each.short}) for each in (CDS, SDS)
    )
    return sum(value or 0 for value in values)


# Reloads.


async def serial(address: str, issued: Issued, folder: Path) -> str:
    """Serial number of the server certificate on a new connection."""
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
        await plane.tls.reload()
        assert await serial(plane.address, mine, tmp_path) == renewed.serial
        assert await serial(plane.address, mine, tmp_path) == renewed.serial
        plane.apply(*site("api"))
        await client.expect(CDS, cluster("api"))
        assert plane.ads.connected == 1


async def test_a_new_client_authority_applies_to_new_connections(mount: SecretMount) -> None:
    """Open streams with certificates of the old authority live on."""
    other = Authority("other")
    old, new = CA.issue("envoy-1"), other.issue("envoy-1")
    async with Plane(*site("web"), tls=mount.server) as plane:
        assert plane.tls
        client = await plane.follow(plane.delta("envoy-1", old))
        issued = other.issue(SERVER_NAME)
        mount.put(issued)
        await plane.tls.reload()
        await plane.follow(plane.delta("envoy-1", new))
        late = plane.delta("envoy-1", Issued(old.certificate, old.private_key, other.pem))
        assert (await end(late))[0] is NO_CONNECTION
        assert plane.ads.connected == 2
        plane.apply(*site("api"))
        await client.expect(CDS, cluster("api"))


def replace_key(mount: SecretMount) -> None:
    put(mount, SERVER.certificate, CA.issue("a").private_key)


def write_garbage(mount: SecretMount) -> None:
    put(mount, b"garbage", SERVER.private_key)


def remove(mount: SecretMount) -> None:
    (mount.folder / "..data").unlink()


@pytest.mark.parametrize("damage", [replace_key, write_garbage, remove])
async def test_invalid_new_files_are_logged_once_and_leave_the_old_files_in_use(
    mount: SecretMount, tmp_path: Path, damage: Callable[[SecretMount], None]
) -> None:
    mine = CA.issue("envoy-1")
    async with Plane(tls=mount.server) as plane:
        assert plane.tls
        with capture_logs() as logs:
            damage(mount)
            for _ in range(4):
                await plane.tls.reload()
            assert await serial(plane.address, mine, tmp_path) == SERVER.serial
            assert [(entry["event"], entry["log_level"]) for entry in logs] == [("tls_files_unusable", "error")]
            assert str(mount.folder) in logs[0]["error"]
            mount.put(renewed := CA.issue(SERVER_NAME))
            await plane.tls.reload()
            assert [entry["event"] for entry in logs[1:]] == ["tls_files_loaded"]
            assert await serial(plane.address, mine, tmp_path) == renewed.serial


async def test_half_written_files_are_not_logged(mount: SecretMount) -> None:
    with capture_logs() as logs:
        loaded = ServerTls.load(mount.server)
        renewed = CA.issue(SERVER_NAME)
        put(mount, renewed.certificate, SERVER.private_key)
        await loaded.reload()
        mount.put(renewed)
        await loaded.reload()
        await loaded.reload()
    assert [entry["event"] for entry in logs] == ["tls_files_loaded"] * 2
    assert logs[1]["serial"] == renewed.serial


async def test_restored_files_are_not_logged(mount: SecretMount) -> None:
    with capture_logs() as logs:
        loaded = ServerTls.load(mount.server)
        replace_key(mount)
        await loaded.reload()
        mount.put(SERVER)
        await loaded.reload()
        await loaded.reload()
    assert [entry["event"] for entry in logs] == ["tls_files_loaded"]


# Dates.


def days_before_the_end(issued: Issued, days: float) -> datetime.datetime:
    end = x509.load_pem_x509_certificate(issued.certificate).not_valid_after_utc
    return end - datetime.timedelta(days=days)


def test_each_date_is_logged_once_when_it_passes(tmp_path: Path) -> None:
    authority = Authority("for-years", ends=datetime.timedelta(days=1000))
    issued = authority.issue(SERVER_NAME, ends=datetime.timedelta(days=90))
    with capture_logs() as logs:
        loaded = ServerTls.load(SecretMount(tmp_path / "server", issued).server)
        for days in (100_000, 100_000, 30, 7.1, 6.9, 6.9, 1, 0.1, -0.1, -3):
            loaded.check_dates(days_before_the_end(issued, days))
    assert [(each["event"], each["log_level"]) for each in logs[1:]] == [
        *[("tls_certificate_not_yet_valid", "error")] * 2,  # of the two files
        ("tls_certificate_expires_soon", "warning"),
        ("tls_certificate_expired", "error"),
    ]
    assert loaded.not_after()["server"] == days_before_the_end(issued, 0).timestamp()


def test_a_renewed_certificate_ends_the_warning(tmp_path: Path) -> None:
    mount = SecretMount(tmp_path / "server", CA.issue(SERVER_NAME))
    loaded = ServerTls.load(mount.server)
    now = datetime.datetime.now(datetime.UTC)
    authority = Authority("for-years", ends=datetime.timedelta(days=1000))
    with capture_logs() as logs:
        loaded.check_dates(now)
        mount.put(authority.issue(SERVER_NAME, ends=datetime.timedelta(days=90)))
        asyncio.run(loaded.reload())
        loaded.check_dates(now)
    assert [each["event"] for each in logs] == ["tls_certificate_expires_soon"] * 2 + ["tls_files_loaded"]
    assert loaded.not_after()["server"] > now.timestamp() + 80 * 86_400


def test_a_name_of_operators_is_no_proxy_s() -> None:
    names, operators = frozenset({"xds-operator", "fleet"}), frozenset({"xds-operator"})
    for node in (Node("xds-operator", "x"), Node("x", "xds-operator")):
        assert "not among those of --tls-operators" in (must_name_the_node(names, node, operators) or "")
        assert must_name_the_node(names, node) is None
    assert must_name_the_node(names, Node("xds-operator", "fleet"), operators) is None
