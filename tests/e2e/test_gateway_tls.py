"""TLS by the Gateway API with a real Envoy: certificates that clients, proxies and backends show and verify.

Covers: BackendTLSPolicies, the certificate of a Gateway for backends, certificates of listeners, and those that clients
are asked for; objects that change under traffic. Excludes: conditions and messages (tests/translate/gateway), chains by
server name (test_gateway_listeners.py).
"""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from tests.e2e.test_backend_identities import AUTHORITY, Seen, TlsBackend
from tests.support.authority import Authority, Issued
from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import gateway_object, http_route, reference_grant, to
from tests.support.http import CLOSED, Connection, Reply, get
from tests.support.objects import NS, certificate, config_map, service, slice_of
from tests.support.objects import secret as secret_of_pair
from tests.support.site import Site, echoes, site
from xds.kube.gateway_objects import BackendTLSPolicy, Gateway, GatewayClass, TLSRoute
from xds.kube.objects import ConfigMap, KubeObject, Metadata, Secret, SecretData
from xds.snapshot.resource import ResourceType
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

AT: Final = "127.0.0.9"
HOST: Final = "shop.example.com"
NAME: Final = "backend.internal"
SPIFFE: Final = "spiffe://cluster.local/ns/default/sa/web"
OTHER: Final = Authority("other")


def authority(of: Authority = AUTHORITY, name: str = "ca") -> ConfigMap:
    return config_map(name, **{"ca.crt": of.pem.decode()})


def secret(issued: Issued, name: str = "cert") -> Secret:
    return Secret(Metadata(name, NS), SecretData(issued.certificate, issued.private_key))


def gateway_class() -> KubeObject:
    return gateway_object(GatewayClass, "envoy", "", controllerName=CONTROLLER)


def gateway(*listeners: dict[str, Any], **spec: Any) -> KubeObject:
    return gateway_object(Gateway, "gate", gatewayClassName="envoy", listeners=list(listeners), **spec)


def policy(name: str = "web", ca: str = "ca", **validation: Any) -> KubeObject:
    return gateway_object(
        BackendTLSPolicy,
        name,
        targetRefs=[{"group": "", "kind": "Service", "name": "web"}],
        validation={"hostname": NAME, "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": ca}]}
        | validation,
    )


def route(**spec: Any) -> KubeObject:
    return http_route(to("web:443"), parentRefs=[{"name": "gate"}], **spec)


@contextlib.asynccontextmanager
async def gate_site(folder: Path, *objects: KubeObject) -> AsyncIterator[Site]:
    options = TranslateOptions(gateway=GatewayOptions(addresses=(AT,)))
    async with site(folder, gateway_class(), *objects, translate=options) as running:
        yield running


@contextlib.asynccontextmanager
async def in_front_of_tls(
    folder: Path, *objects: KubeObject, issued: Issued | None = None, tls: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Site, TlsBackend, int]]:
    """A Gateway of plain HTTP in front of a backend with TLS: yields the port of the Gateway, too."""
    port = free_port()
    gate = gateway({"name": "http", "port": port, "protocol": "HTTP"}, **({"tls": tls} if tls else {}))
    backend = TlsBackend(folder / "backend", issued or AUTHORITY.issue(NAME))
    web = service("web", {"port": 443, "name": "https"})
    async with backend.serving() as target:
        endpoints = slice_of("web", "127.0.0.1", ports=[{"name": "https", "port": target}])
        async with gate_site(folder, gate, route(), web, endpoints, *objects) as running:
            yield running, backend, port


async def status(port: int, host: str = HOST) -> int:
    return (await get(port, host, at=AT)).status


@pytest.mark.parametrize(
    ("objects", "names", "expected"),
    [
        ((policy(), authority()), (NAME,), 200),
        ((policy(), authority()), ("*.internal",), 200),
        ((policy(hostname="BACKEND.internal"), authority()), (NAME,), 200),
        ((policy(hostname="other.internal"), authority()), (NAME,), 503),
        ((policy(), authority(OTHER)), (NAME,), 503),
        ((policy(), authority()), (), 503),
        ((policy(subjectAltNames=[{"type": "URI", "uri": SPIFFE}]), authority()), (SPIFFE,), 200),
        ((policy(subjectAltNames=[{"type": "URI", "uri": f"{SPIFFE}x"}]), authority()), (SPIFFE,), 503),
        ((policy(subjectAltNames=[{"type": "URI", "uri": SPIFFE}]), authority()), (NAME,), 503),
        ((policy(subjectAltNames=[{"type": "Hostname", "hostname": "b.org"}]), authority()), (NAME,), 503),
        ((policy(subjectAltNames=[{"type": "Hostname", "hostname": "b.org"}]), authority()), ("B.org",), 200),
        ((policy(subjectAltNames=[{"type": "Hostname", "hostname": "*.b.org"}]), authority()), ("*.b.org",), 200),
        ((policy(subjectAltNames=[{"type": "Hostname", "hostname": "*.b.org"}]), authority()), ("a.b.org",), 200),
        ((policy(subjectAltNames=[{"type": "Hostname", "hostname": "*.b.org"}]), authority()), ("xb.org",), 503),
        (
            (
                policy(subjectAltNames=[{"type": "Hostname", "hostname": "b.org"}, {"type": "URI", "uri": SPIFFE}]),
                authority(),
            ),
            (SPIFFE, NAME),
            200,
        ),
        ((policy(caCertificateRefs=[], wellKnownCACertificates="System"), authority()), (NAME,), 503),
        ((policy(ca="absent"), authority()), (NAME,), 500),
    ],
)
async def test_a_backend_must_prove_its_name_by_an_authority(
    tmp_path: Path, objects: tuple[KubeObject, ...], names: tuple[str, ...], expected: int
) -> None:
    issued = AUTHORITY.issue(*names, common_name=NAME)
    async with in_front_of_tls(tmp_path, *objects, issued=issued) as (running, backend, port):
        assert await status(port) == expected
        assert not running.rejections
    hostname = objects[0].spec.validation.hostname.lower()  # type: ignore[attr-defined]
    assert backend.seen == ([Seen("", "TLSv1.3", hostname)] if expected == 200 else [])


async def test_several_config_maps_verify_together(tmp_path: Path) -> None:
    refs = [{"group": "", "kind": "ConfigMap", "name": name} for name in ("other", "ca")]
    objects = policy(caCertificateRefs=refs), authority(OTHER, "other")
    async with in_front_of_tls(tmp_path, *objects) as (running, _, port):
        assert await status(port) == 503
        await running.apply(authority())
        while await status(port) != 200:
            pass
        assert not running.rejections


async def test_authorities_that_change_or_vanish_are_followed(tmp_path: Path) -> None:
    async with in_front_of_tls(tmp_path, policy(), authority(OTHER)) as (running, _, port):
        assert await status(port) == 503
        clusters = dict(running.plane.pipeline.store.resources(ResourceType.CLUSTER))
        await running.apply(authority())
        while await status(port) != 200:
            pass
        assert running.plane.pipeline.store.resources(ResourceType.CLUSTER) == clusters
        await running.delete(authority())
        while await status(port) != 500:
            pass
        secrets = running.plane.pipeline.store.resources(ResourceType.SECRET)
        assert not [name for name in secrets if name.startswith("default/")]
        await running.apply(authority())
        while await status(port) != 200:
            pass
        await running.delete(policy())
        while await status(port) == 200:  # a backend of TLS answers no plain request
            pass
        assert not running.rejections


async def test_a_gateway_shows_its_certificate_to_backends_with_a_policy(tmp_path: Path) -> None:
    tls = {"backend": {"clientCertificateRef": {"group": "", "kind": "Secret", "name": "identity"}}}
    objects = policy(), authority(), secret(AUTHORITY.issue(common_name="gate"), "identity")
    async with in_front_of_tls(tmp_path, *objects, tls=tls) as (running, backend, port):
        assert await status(port) == 200
        assert backend.seen == [Seen("gate", "TLSv1.3", NAME)]
        await running.apply(secret(AUTHORITY.issue(common_name="renewed"), "identity"))
        while backend.seen[-1].client != "renewed":
            assert await status(port) == 200
        await running.delete(secret(AUTHORITY.issue(), "identity"))
        while backend.seen[-1].client:
            assert await status(port) == 200
        assert not running.rejections


def https(port: int, *refs: str, name: str = "https", **listener: Any) -> dict[str, Any]:
    tls = {"certificateRefs": [{"name": ref} for ref in refs]}
    return {"name": name, "port": port, "protocol": "HTTPS", "tls": tls, **listener}


WEB: Final = service("web", {"port": 443, "name": "https"})


@contextlib.asynccontextmanager
async def behind_https(
    folder: Path, listeners: list[dict[str, Any]], *objects: KubeObject, tls: dict[str, Any] | None = None
) -> AsyncIterator[Site]:
    """A Gateway of HTTPS in front of an echo backend."""
    gate = gateway(*listeners, **({"tls": tls} if tls else {}))
    async with echoes([WEB]) as slices, gate_site(folder, gate, route(), WEB, *slices, *objects) as running:
        yield running


def offering(*issued: Issued, folder: Path) -> ssl.SSLContext:
    """A client with a certificate, or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for each in issued:
        file = folder / "client.pem"
        file.write_bytes(each.certificate + each.private_key)
        context.load_cert_chain(file)
    return context


async def asked(port: int, context: ssl.SSLContext, host: str = HOST) -> Reply:
    try:
        connection = await Connection.open(port, tls=True, sni=host, context=context, at=AT)
    except (ssl.SSLError, ConnectionError):
        return CLOSED
    with contextlib.closing(connection):
        return await connection.get(host, Connection="close")


async def served(port: int, sni: str = HOST, context: ssl.SSLContext | None = None) -> tuple[str, str]:
    """The first DNS name and the kind of key of the certificate that the listener shows; empty: it closes."""
    try:
        connection = await Connection.open(port, tls=True, sni=sni, context=context, at=AT)
    except (ssl.SSLError, ConnectionError):
        return "", ""
    connection.close()
    found = x509.load_der_x509_certificate(connection.peer)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kind = type(found.public_key()).__name__.removesuffix("PublicKey").removeprefix("_")
    return str(names.get_values_for_type(x509.DNSName)[0]), kind


def validating(mode: str = "AllowValidOnly", *refs: str) -> dict[str, Any]:
    written = [{"group": "", "kind": "ConfigMap", "name": each} for each in refs or ("ca",)]
    return {"validation": {"mode": mode, "caCertificateRefs": written}}


async def test_a_listener_shows_each_client_the_certificate_for_its_name_and_kind_of_key(tmp_path: Path) -> None:
    port = free_port()
    certificates = (
        secret_of_pair("a", certificate("a.example.com")),
        secret_of_pair("b", certificate("b.example.com")),
        secret_of_pair("rsa", certificate("a.example.com", kind="rsa2048")),
    )
    async with behind_https(tmp_path, [https(port, "a", "b", "rsa")], *certificates) as running:
        found = {name: (await served(port, name))[0] for name in ("a.example.com", "b.example.com")}
        assert found == {"a.example.com": "a.example.com", "b.example.com": "b.example.com"}
        rsa_only = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        rsa_only.check_hostname, rsa_only.verify_mode = False, ssl.CERT_NONE
        rsa_only.maximum_version = ssl.TLSVersion.TLSv1_2
        rsa_only.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        assert (await served(port, "a.example.com", rsa_only)) == ("a.example.com", "RSA")
        assert (await get(port, HOST, tls=True, sni="a.example.com", at=AT)).backend == "web"
        assert not running.rejections


async def test_a_listener_is_closed_until_its_secret_exists_and_again_when_it_is_gone(tmp_path: Path) -> None:
    port, pair = free_port(), secret(AUTHORITY.issue(HOST))
    async with behind_https(tmp_path, [https(port, "cert")]) as running:
        assert await served(port) == ("", "")
        await running.apply(pair)
        while await served(port) == ("", ""):
            pass
        assert (await get(port, HOST, tls=True, sni=HOST, at=AT)).backend == "web"
        await running.delete(pair)
        while await served(port) != ("", ""):
            pass
        assert not running.rejections


async def test_names_whose_listener_has_no_certificate_do_not_fall_to_a_wider_listener(tmp_path: Path) -> None:
    port, pair = free_port(), secret(AUTHORITY.issue("*.example.com"))
    listeners = [
        https(port, "absent", name="narrow", hostname="shop.example.com"),
        https(port, "cert", name="wide", hostname="*.example.com"),
    ]
    async with behind_https(tmp_path, listeners, pair) as running:
        assert await served(port, "shop.example.com") == ("", "")
        assert (await served(port, "blog.example.com"))[0] == "*.example.com"
        reply = await get(port, "shop.example.com", tls=True, sni="blog.example.com", at=AT)
        assert reply.status in (404, 421)
        assert not running.rejections


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_only_clients_with_a_certificate_of_the_authority_are_let_in(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    port, open_port = free_port(), free_port()
    listeners = [https(port, "cert"), https(open_port, "cert", name="open")]
    tls = {"frontend": {"default": validating(), "perPort": [{"port": open_port, "tls": {}}]}}
    objects = secret(AUTHORITY.issue(HOST)), authority()
    good, bad = (offering(each.issue(common_name="client"), folder=tmp_path) for each in (AUTHORITY, OTHER))
    none = offering(folder=tmp_path)
    for each in (good, bad, none):
        each.minimum_version = each.maximum_version = version
    async with behind_https(tmp_path, listeners, *objects, tls=tls) as running:
        assert (await asked(port, good)).backend == "web"
        assert await asked(port, bad) == CLOSED
        assert await asked(port, none) == CLOSED
        assert (await asked(open_port, none)).backend == "web"
        await running.apply(authority(OTHER))
        while await asked(port, bad) == CLOSED:
            pass
        assert await asked(port, good) == CLOSED
        await running.delete(authority())
        while await asked(port, bad) != CLOSED:
            pass
        assert await asked(port, none) == CLOSED
        assert (await asked(open_port, none)).backend == "web"
        assert not running.rejections


async def test_a_fallback_lets_every_client_in(tmp_path: Path) -> None:
    port = free_port()
    tls = {"frontend": {"default": validating("AllowInsecureFallback")}}
    objects = secret(AUTHORITY.issue(HOST)), authority()
    async with behind_https(tmp_path, [https(port, "cert")], *objects, tls=tls) as running:
        for issuer in (AUTHORITY, OTHER):
            client = offering(issuer.issue(common_name="client"), folder=tmp_path)
            assert (await asked(port, client)).backend == "web"
        assert (await asked(port, offering(folder=tmp_path))).backend == "web"
        assert not running.rejections


async def test_clients_of_a_listener_without_authorities_are_never_let_in(tmp_path: Path) -> None:
    port = free_port()
    tls = {"frontend": {"default": validating("AllowValidOnly", "absent")}}
    client = offering(AUTHORITY.issue(common_name="client"), folder=tmp_path)
    async with behind_https(tmp_path, [https(port, "cert")], secret(AUTHORITY.issue(HOST)), tls=tls) as running:
        assert await asked(port, client) == CLOSED
        assert await asked(port, offering(folder=tmp_path)) == CLOSED
        await running.apply(authority(name="absent"))
        while await asked(port, client) == CLOSED:
            assert await asked(port, offering(folder=tmp_path)) == CLOSED
        assert not running.rejections


async def test_a_resumed_session_does_not_outlive_the_authority(tmp_path: Path) -> None:
    port = free_port()
    tls = {"frontend": {"default": validating()}}
    client = offering(AUTHORITY.issue(common_name="client"), folder=tmp_path)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    async with behind_https(
        tmp_path, [https(port, "cert")], secret(AUTHORITY.issue(HOST)), authority(), tls=tls
    ) as running:
        first = await Connection.open(port, tls=True, sni=HOST, context=client, at=AT)
        session = first.writer.get_extra_info("ssl_object").session
        first.close()
        assert not session.has_ticket
        await running.apply(authority(OTHER))
        while await asked(port, client) != CLOSED:
            pass


async def test_equal_certificates_and_equal_authorities_of_several_objects_are_no_fault(tmp_path: Path) -> None:
    port, issued = free_port(), AUTHORITY.issue(HOST)
    tls = {"frontend": {"default": validating("AllowValidOnly", "ca", "again")}}
    objects = secret(issued), secret(issued, "again"), secret(AUTHORITY.issue(HOST), "other"), authority()
    client = offering(AUTHORITY.issue(common_name="client"), folder=tmp_path)
    listeners = [https(port, "cert", "again", "other")]
    async with behind_https(tmp_path, listeners, *objects, authority(name="again"), tls=tls) as running:
        assert (await asked(port, client)).backend == "web"
        assert not running.rejections


async def test_a_listener_may_have_as_many_certificates_as_the_api_lets_name(tmp_path: Path) -> None:
    port, names = free_port(), [f"s{number}.example.com" for number in range(64)]
    secrets = [secret(AUTHORITY.issue(name), name) for name in names]
    async with behind_https(tmp_path, [https(port, *names)], *secrets) as running:
        assert (await served(port, "s63.example.com"))[0] == "s63.example.com"
        assert (await served(port, "s0.example.com"))[0] == "s0.example.com"
        assert not running.rejections


async def test_connections_for_another_gateway_meet_no_route_of_one_that_verifies_clients(tmp_path: Path) -> None:
    """Two Gateways share an address and a port: a connection that was let in by one asks for hosts of the other."""
    port = free_port()
    addresses = [{"type": "IPAddress", "value": AT}]
    strict = gateway(
        https(port, "cert", hostname="safe.example.com"),
        tls={"frontend": {"default": validating()}},
        addresses=addresses,
    )
    listeners = [https(port, "cert", name="any"), https(port, "cert", name="wide", hostname="*.example.com")]
    lax = gateway_object(Gateway, "lax", gatewayClassName="envoy", listeners=listeners, addresses=addresses)
    safe = route(hostnames=["safe.example.com"])
    open_to_all = http_route(to("web:443"), name="open", parentRefs=[{"name": "lax"}])
    cert = secret(AUTHORITY.issue("*.example.com"))
    client, none = offering(AUTHORITY.issue(common_name="client"), folder=tmp_path), offering(folder=tmp_path)
    async with (
        echoes([WEB]) as slices,
        gate_site(tmp_path, strict, lax, safe, open_to_all, WEB, *slices, cert, authority()) as running,
    ):
        for sni in ("blog.example.com", "other.test", ""):
            connection = await Connection.open(port, tls=True, sni=sni, context=none, at=AT)
            with contextlib.closing(connection):
                assert (await connection.get(sni or "other.test")).backend == "web"
                for host in ("safe.example.com", "SAFE.example.com", "safe.example.com.", "safe.example.com:443"):
                    assert (await connection.get(host)).status in (404, 421), (sni, host)
        assert await asked(port, none, "safe.example.com") == CLOSED
        assert (await asked(port, client, "safe.example.com")).backend == "web"
        assert not running.rejections


async def test_a_secret_is_served_only_as_long_as_a_grant_permits_it(tmp_path: Path) -> None:
    port, issued = free_port(), AUTHORITY.issue(HOST)
    grant = reference_grant("safe", kind="Gateway", to_kind="Secret")
    listener = https(port)
    listener["tls"] = {"certificateRefs": [{"name": "cert", "namespace": "safe"}]}
    other = Secret(Metadata("cert", "safe"), SecretData(issued.certificate, issued.private_key))
    async with behind_https(tmp_path, [listener], other) as running:
        assert await served(port) == ("", "")
        await running.apply(grant)
        while await served(port) == ("", ""):
            pass
        await running.delete(grant)
        while await served(port) != ("", ""):
            pass
        assert "safe/cert" not in running.plane.pipeline.store.resources(ResourceType.SECRET)
        assert not running.rejections


@pytest.mark.parametrize(("hostname", "expected"), [(NAME, 200), ("other.internal", 0)])
async def test_bytes_of_a_tls_route_are_encrypted_again_for_a_backend_with_a_policy(
    tmp_path: Path, hostname: str, expected: int
) -> None:
    port, backend = free_port(), TlsBackend(tmp_path / "backend", AUTHORITY.issue(NAME))
    listener = https(port, "cert", protocol="TLS", hostname=HOST)
    written = {"backendRefs": [{"name": "web", "port": 443}]}
    passing = gateway_object(TLSRoute, "route", parentRefs=[{"name": "gate"}], hostnames=[HOST], rules=[written])
    objects = gateway(listener), passing, WEB, secret(AUTHORITY.issue(HOST)), authority(), policy(hostname=hostname)
    async with backend.serving() as target:
        endpoints = slice_of("web", "127.0.0.1", ports=[{"name": "https", "port": target}])
        async with gate_site(tmp_path, *objects, endpoints) as running:
            assert (await get(port, HOST, tls=True, sni=HOST, at=AT)).status == expected
            assert not running.rejections
    assert backend.seen == ([Seen("", "TLSv1.3", hostname)] if expected else [])
