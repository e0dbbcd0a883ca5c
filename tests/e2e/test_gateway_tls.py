"""TLS by the Gateway API with a real Envoy: certificates that clients, proxies and backends show and verify.

Covers: BackendTLSPolicies, the certificate of a Gateway for backends, certificates of listeners, and those that clients
are asked for; objects that change under traffic. Excludes: conditions and messages (tests/translate/gateway), chains by
server name (test_gateway_listeners.py).
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.test_backend_identities import AUTHORITY, Seen, TlsBackend
from tests.support.authority import Authority, Issued
from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.http import get
from tests.support.objects import NS, config_map, service, slice_of
from tests.support.site import Site, site
from xds.kube.gateway_objects import BackendTLSPolicy, Gateway, GatewayClass
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
