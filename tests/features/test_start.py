"""The start: responses before and with the first snapshot, and after the server's next start.

Covers the wait until every kind is listed, an empty source, and that versions depend neither on the process nor on the
order of arrival. Excludes resources from a proxy's last stream (test_reconnect).
"""

from itertools import chain

from tests.support.ads_client import CDS, EDS, LDS, RDS
from tests.support.objects import certificate, ingress, ingress_class, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane, cluster, site
from xds.kube.change import Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject
from xds.protocol.messages import Variant
from xds.snapshot.resource import ResourceType


async def test_no_response_comes_before_every_kind_is_listed(variant: Variant) -> None:
    async with Plane(*site("web"), listed=False) as plane:
        client = plane.client(variant)
        await client.subscribe(CDS)
        await client.arrived()
        assert plane.change(*map(Listed, KINDS[:-1])) is None
        assert plane.apply(*site("api")) is None
        plane.list_all()
        await client.accept(CDS, cluster("api"), cluster("web"))
        await client.expect_nothing()


async def test_clients_of_an_empty_source_are_answered_too(plane: Plane, variant: Variant) -> None:
    """Rule 14: without an answer, Envoy is not ready for half a minute."""
    client = plane.client(variant)
    await client.subscribe(CDS)
    await client.accept(CDS)
    await client.subscribe(LDS)
    await client.accept(LDS, "http")
    await client.subscribe(RDS, "http@3")
    await client.accept(RDS, "http@3")
    await client.expect_nothing()


async def test_a_service_without_a_route_has_no_cluster(plane: Plane, variant: Variant) -> None:
    client = await plane.proxy(variant)
    assert plane.apply(service("web"), slice_of("web", "10.0.0.1"), secret("cert")) is None
    assert plane.apply(ingress("other", rule("web.example", path("/")), class_name="nginx")) is None
    await client.expect_nothing()


async def test_every_cluster_has_an_assignment(plane: Plane, variant: Variant) -> None:
    """Rule 10: an empty assignment where the Service has no slices."""
    plane.apply(ingress("web", rule("web.example", path("/", "web"))), service("web"))
    client = await plane.proxy(variant)
    assert client.versions(CDS).keys() == client.versions(EDS).keys() == {cluster("web")}


async def test_the_order_in_which_objects_come_makes_no_difference() -> None:
    """Two replicas, or two lives of one process, give the same versions and bytes."""
    objects = _many_objects()
    async with Plane(*objects) as one, Plane() as other:
        for each in reversed(objects):
            other.apply(each)
        for type_ in ResourceType:
            assert one.pipeline.store.version(type_) == other.pipeline.store.version(type_)
            assert one.pipeline.store.resources(type_) == other.pipeline.store.resources(type_)


async def test_deleted_objects_leave_no_trace_in_versions() -> None:
    objects = _many_objects()
    async with Plane(*objects) as one, Plane(*objects) as other:
        other.apply(*site("passing"), slice_of("site-1", "10.9.9.9"), name_all("site-2.example", "site-3"))
        other.delete(*site("passing"), name_all("site-2.example", "site-3"))
        other.apply(*objects)
        for type_ in ResourceType:
            assert one.pipeline.store.resources(type_) == other.pipeline.store.resources(type_)


def name_all(host: str, to: str) -> KubeObject:
    """An Ingress in the way of another."""
    return ingress("all", rule(host, path("/all", to)), default=to)


def _many_objects() -> list[KubeObject]:
    hosts = [f"site-{number}.example" for number in range(5)]
    return [
        *chain.from_iterable(site(f"site-{number}", f"10.0.0.{number}", "10.0.1.1") for number in range(5)),
        slice_of("site-1", "10.0.2.1", "10.0.0.7", name="site-1-more"),
        ingress("tls", rule(hosts[0], path("/more", "site-4")), tls=[tls(hosts[0], hosts[1], secret="cert")]),
        secret("cert", certificate(*hosts[:2])),
        ingress_class("envoy"),
    ]
