"""Ingress changes: the types that an edit of an Ingress sends, and the types that stay unchanged.

Covers edits of routes, TLS and certificates over the wire, in delta and state of the world. Excludes the content of
routes (tests/golden) and the order of several types (test_order).
"""

from tests.support.ads_client import CDS, LDS, SDS
from tests.support.objects import certificate, ingress, path, rule, secret, tls
from tests.support.plane import Plane, site
from xds.kube.objects import Ingress
from xds.protocol.messages import Variant

HOST, OTHER = "web.example", "other.example"
CERT, HTTPS_ROUTES = "default/cert", "https@3/default/cert"
PAIR, RENEWED = certificate(HOST), certificate(HOST, serial=2)


def secure(*paths: str, hosts: tuple[str, ...] = (HOST,), cert: str = "cert") -> Ingress:
    """The Ingress of the site `web` with TLS."""
    rules = rule(HOST, *(path(each, "web") for each in paths or ("/",)))
    return ingress("web", rules, tls=[tls(*hosts, secret=cert)])


async def test_an_edited_ingress_sends_only_routes(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(ingress("web", rule(HOST, path("/", "web"), path("/more", "web"))))
    received = await client.accept_hosts("http@3/web.example")
    assert "/more" in received.text
    await client.expect_nothing()


async def test_an_ingress_edited_without_effect_sends_no_response(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    assert plane.apply(ingress("web", rule(HOST.upper(), path("/", "web")), class_name="envoy")) is None
    await client.expect_nothing()


async def test_a_thousand_edits_of_routes_send_no_listener(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secure(), secret("cert", PAIR))
    client = await plane.proxy(variant)
    for number in range(1000):
        plane.apply(secure(f"/{number}"))
        await client.accept_hosts("http@3/web.example", f"{HTTPS_ROUTES}/web.example")
    await client.expect_nothing()


async def test_a_tls_host_leaves_the_plain_listener_alone(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secret("cert", PAIR))
    client = await plane.proxy(variant)
    plain = client.versions(LDS)["http"]
    plane.apply(secure())
    await client.accept(LDS, "https")
    assert client.versions(LDS)["http"] == plain
    await client.expect_nothing()


async def test_a_further_tls_host_sends_the_listener_and_its_routes(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secure(), secret("cert", PAIR))
    client = await plane.proxy(variant)
    plane.apply(secure(hosts=(HOST, OTHER)))
    await client.accept(LDS, "https")
    await client.accept_hosts(f"{HTTPS_ROUTES}/other.example")
    await client.expect_nothing()


async def test_a_new_certificate_reaches_the_fleet_by_sds_alone(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secure(), secret("cert", PAIR))
    client = await plane.proxy(variant)
    plane.apply(secret("cert", RENEWED))
    received = await client.expect(SDS, CERT)
    assert received.items[CERT].body.find(RENEWED.chain) > 0
    await client.ack(received)
    await client.expect_nothing()


async def test_a_broken_certificate_leaves_the_last_good_version(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secure(), secret("cert", PAIR))
    client = await plane.proxy(variant)
    plane.apply(secret("cert", certificate("web.example", kind="rsa1024")))
    await client.expect_nothing()
    assert plane.pipeline.problems


async def test_a_certificate_for_two_ingresses_is_sent_once(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), secure(), secret("cert", PAIR))
    client = await plane.proxy(variant)
    plane.apply(ingress("other", rule(OTHER, path("/", "web")), tls=[tls(OTHER, secret="cert")]))
    await client.accept(LDS, "https")
    await client.accept_hosts("http@3/other.example", f"{HTTPS_ROUTES}/other.example")
    await client.expect_nothing()
    assert client.versions(SDS).keys() == {CERT}


async def test_the_default_backend_changes_routes_alone(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(ingress("default", default="web"))
    await client.accept_hosts("http@3/*", "http@3/web.example")
    await client.expect_nothing()


async def test_a_missing_service_costs_only_its_paths(plane: Plane, variant: Variant) -> None:
    """The missing Service has no cluster; its path answers 503."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(ingress("other", rule(OTHER, path("/", "missing"))))
    received = await client.accept_hosts("http@3/other.example")
    assert "503" in received.text
    await client.expect_nothing()
    assert len(client.versions(CDS)) == 1
