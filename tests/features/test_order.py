"""Make before break: the order in which a change of several types reaches a proxy, and the answer that each response
waits for.

Covers new and removed Services and TLS hosts, changed clusters, and rejections on the way, in delta and state of the
world. Excludes single types (test_answers), and whether an Envoy loses requests (tests/e2e).
"""

import pytest

from tests.support.ads_client import BEACON, CDS, EDS, LDS, RDS, SDS, VHDS
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.kube.change import Applied, Batch
from xds.kube.objects import KubeObject
from xds.protocol.messages import Variant
from xds.snapshot.resource import resource

WEB, API = cluster("web"), cluster("api")
H2C = {"port": 80, "appProtocol": "kubernetes.io/h2c"}
HTTPS_ROUTES = "https@3/default/cert"


def secure(name: str) -> tuple[KubeObject, ...]:
    """The Ingress of a site with TLS, and the certificate."""
    host = f"{name}.example"
    return (
        ingress(name, rule(host, path("/", name)), tls=[tls(host, secret="cert")]),
        secret("cert", certificate(host)),
    )


async def test_a_new_service_reaches_a_proxy_before_its_routes(plane: Plane, variant: Variant) -> None:
    """Rules 12 and 13: the cluster, its endpoints, and only then the route, as routes don't warm."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(*site("api"))
    clusters = await client.expect(CDS, API)
    await client.expect_nothing()
    await client.ack(clusters)
    await client.expect_nothing()
    await client.subscribe(EDS, API)
    endpoints = await client.expect(EDS, API)
    routes = await client.expect_hosts("http@3/api.example")
    await client.ack(endpoints)
    await client.ack(routes)
    await client.expect_nothing()


async def test_routes_wait_a_bounded_time_for_a_subscription_to_endpoints(
    plane: Plane, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.protocol.warming.WARMING_GRACE_SECONDS", 0.1)
    client = await plane.proxy(variant)
    plane.apply(*site("web"))
    await client.accept(CDS, WEB)
    await client.accept_hosts("http@3/web.example")
    await client.expect_nothing()


async def test_routes_do_not_wait_for_a_rejected_cluster(plane: Plane, variant: Variant) -> None:
    """A rejected cluster may never be accepted, and one bad Service must not hold up the rest."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(*site("api"))
    await client.reject(CDS, API)
    await client.accept_hosts("http@3/api.example")
    await client.expect_nothing()


async def test_a_removed_service_leaves_a_proxy_after_its_routes(plane: Plane, variant: Variant) -> None:
    """Rules 9 and 13: the state of the world has no word for removed endpoints, which go with their cluster."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.delete(*site("api"))
    routes = await client.expect_hosts(removed=("http@3/api.example",))
    await client.expect_nothing()
    await client.ack(routes)
    clusters = await client.expect(CDS, removed=(API,))
    await client.expect_nothing()
    await client.ack(clusters)
    if variant is Variant.DELTA:
        await client.accept(EDS, removed=(API,))
    await client.expect_nothing()


async def test_a_cluster_stays_while_routes_without_it_are_rejected(plane: Plane, variant: Variant) -> None:
    """The proxy still uses the cluster."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.delete(*site("api"))
    await client.reject_hosts(removed=("http@3/api.example",))
    if variant is Variant.SOTW:  # a removal alone is never refused
        await client.expect_nothing()
        plane.apply(ingress("web", rule("web.example", path("/moved", "web"))))
        await client.accept_hosts("http@3/web.example")
    await client.accept(CDS, removed=(API,))


async def test_a_service_is_replaced_without_a_gap(plane: Plane, variant: Variant) -> None:
    """Rule 13: the new cluster first, the old one last; a full set in between holds both clusters."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(*site("api")[1:], ingress("web", rule("web.example", path("/", "api"))))
    await client.accept(CDS, API)
    await client.subscribe(EDS, API)
    await client.accept(EDS, API)
    await client.accept_hosts("http@3/web.example")
    await client.accept(CDS, removed=(WEB,))
    if variant is Variant.DELTA:
        await client.accept(EDS, removed=(WEB,))
    await client.expect_nothing()


async def test_a_service_restored_before_its_removal_stays(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.delete(*site("api"))
    routes = await client.expect_hosts(removed=("http@3/api.example",))
    plane.apply(*site("api"))
    await client.ack(routes)
    await client.accept_hosts("http@3/api.example")
    await client.expect_nothing()


async def test_after_a_changed_cluster_its_endpoints_are_sent_again(plane: Plane, variant: Variant) -> None:
    """Rules 4 and 12: the cluster warms until its endpoints come, and Envoy doesn't ask for endpoints that it has."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(service("web", H2C))
    await client.accept(CDS, WEB)
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_the_endpoints_of_a_changed_cluster_do_not_wait_for_its_ack(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(service("web", H2C))
    clusters = await client.expect(CDS, WEB)
    await client.accept(EDS, WEB)
    await client.ack(clusters)
    await client.expect_nothing()


async def test_a_new_tls_host_sends_its_certificate_listener_and_routes(plane: Plane, variant: Variant) -> None:
    """Rule 13. A new listener's names are subscribed to, and answered at once."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(*secure("web"))
    await client.accept(LDS, "https")
    await client.subscribe(SDS, "default/cert")
    await client.accept(SDS, "default/cert")
    await client.subscribe(RDS, HTTPS_ROUTES)
    await client.accept(RDS, HTTPS_ROUTES)
    if variant is Variant.DELTA:
        await client.accept(VHDS, f"{HTTPS_ROUTES}/*", f"{HTTPS_ROUTES}/web.example")
    await client.expect_nothing()


async def test_a_removed_tls_host_takes_its_listener_before_its_routes_and_certificate(
    plane: Plane, variant: Variant
) -> None:
    """Rule 13: a referring resource goes before its target. In the state of the world only the listener goes."""
    plane.apply(*site("web"), *secure("web"))
    client = await plane.proxy(variant)
    plane.apply(*site("web"))
    listeners = await client.expect(LDS, removed=("https",))
    if variant is Variant.DELTA:
        await client.ack(listeners)
        await client.accept(SDS, removed=("default/cert",))
        await client.accept(RDS, removed=(HTTPS_ROUTES,))
    else:
        await client.expect_nothing()
        await client.ack(listeners)
    await client.expect_nothing()


async def test_a_new_listener_waits_for_new_clusters(plane: Plane, variant: Variant) -> None:
    """Rule 13: LDS updates come after the CDS and EDS updates of their clusters."""
    client = await plane.proxy(variant)
    plane.apply(*site("web"), *secure("web"))
    await client.accept(CDS, WEB)
    await client.expect_nothing()
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    await client.accept(LDS, "https")
    await client.accept_hosts("http@3/web.example")
    await client.expect_nothing()


async def test_a_large_change_is_sent_at_its_end_and_endpoints_meanwhile(
    plane: Plane, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large change is committed in stages. An Envoy rebuilds all its routes for each response with virtual hosts."""
    monkeypatch.setattr("xds.controlplane.routing_job.STAGE_SIZE", 1)
    names = ("web", "api", "shop")
    plane.apply(*(each for name in names for each in site(name)))
    client = await plane.proxy(variant)
    edited = (Applied(ingress(name, rule(f"{name}.example", path("/new", name)))) for name in names)
    plane.pipeline.put(Batch(tuple(edited), 0.0))
    portions = plane.portions()
    assert next(portions).unfinished
    await client.expect_nothing()
    plane.pipeline.put(Batch((Applied(slice_of("web", "10.0.0.2")),), 0.0))
    next(portions)
    await client.accept(EDS, WEB)
    await client.expect_nothing()
    assert not [*portions][-1].unfinished
    await client.accept_hosts(*(f"http@3/{name}.example" for name in names))
    await client.expect_nothing()


async def test_a_large_change_is_sent_when_its_last_stage_is_empty(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    old = plane.pipeline.store.resources(VHDS)["http@3/web.example"]
    plane.commit({(VHDS, old.name): resource(VHDS, old.name, old.body + old.body)}, unfinished=True)
    await client.expect_nothing()
    await until(lambda: BEACON not in plane.asked(SDS))  # nothing else wakes the stream
    plane.commit({}, unfinished=False)
    await client.accept_hosts("http@3/web.example")
    await client.expect_nothing()
