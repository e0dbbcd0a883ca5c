"""The connected proxies that have the resources of an answer, and the reasons of the rest, over real streams.

Excludes the answer itself (tests/explain, tests/e2e).
"""

from tests.support.ads_client import CDS, EDS
from tests.support.objects import slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.explain.narration import explain_now
from xds.explain.url import question
from xds.protocol.messages import Variant
from xds.protocol.status import DeliveryState

WEB = cluster("web")


def lacks(plane: Plane) -> dict[str, dict[str, str]]:
    """By node: the delivery states of the missing resources among those of `http://web.example/`."""
    told = explain_now(plane.pipeline.state_reader, question("http://web.example/", "GET", ()))
    return {
        each.node.id: {missing.type.short: missing.state.value for missing in each.out_of_sync}
        for each in plane.ads.deliveries(told.resources)
        if each.node
    }


async def test_a_synced_proxy_lacks_no_resource(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    await plane.proxy(variant)
    await until(lambda: lacks(plane) == {"envoy-1": {}})


async def test_a_proxy_without_subscriptions_is_not_subscribed(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = plane.client(variant)
    await client.subscribe(CDS)
    await client.accept(CDS, WEB)
    not_asked = dict.fromkeys(
        ("eds", "lds", "rds", *(("vhds",) if variant is Variant.DELTA else ())), DeliveryState.NOT_SUBSCRIBED.value
    )
    await until(lambda: lacks(plane) == {"envoy-1": not_asked})


async def test_a_silent_proxy_has_a_response_in_flight(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    await until(lambda: lacks(plane) == {"envoy-1": {}})
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    assert lacks(plane) == {"envoy-1": {"eds": "in flight"}}
    plane.apply(slice_of("web", "10.0.0.3"))
    assert lacks(plane) == {"envoy-1": {"eds": "pending"}}
    await client.ack(received)
    await client.accept(EDS, WEB)
    await until(lambda: lacks(plane) == {"envoy-1": {}})


async def test_a_rejecting_proxy_has_the_rejection(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client, other = await plane.proxy(variant), await plane.proxy(variant, "other")
    plane.apply(slice_of("web", "10.0.0.2"))
    await other.accept(EDS, WEB)
    await client.reject(EDS, WEB, message="no such address")
    await until(lambda: lacks(plane) == {"envoy-1": {"eds": "rejected"}, "other": {}})


async def test_unrelated_resources_do_not_count(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    await until(lambda: lacks(plane) == {"envoy-1": {}})
    plane.apply(slice_of("api", "10.0.0.2"))
    await client.expect(EDS, cluster("api"))
    assert lacks(plane) == {"envoy-1": {}}
