"""Endpoints: the responses that a changed EndpointSlice causes, and their receivers.

Covers the endpoint path over the wire, in delta and state of the world. Excludes how slices merge (tests/translate),
and which clusters come and go with a Service (test_order).
"""

from tests.support.ads_client import EDS
from tests.support.objects import endpoint, slice_of
from tests.support.plane import Plane, cluster, site
from xds.protocol.messages import Variant

WEB, API = cluster("web"), cluster("api")


async def test_a_changed_endpoint_sends_only_its_assignment(plane: Plane, variant: Variant) -> None:
    """Rules 4 and 7: unchanged assignments are not sent."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.accept(EDS, WEB)
    assert "10.0.0.2" in str(received.content(WEB))
    await client.expect_nothing()


async def test_an_equal_slice_sends_no_response(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web", "10.0.0.1", "10.0.0.2"))
    client = await plane.proxy(variant)
    assert plane.apply(slice_of("web", "10.0.0.2", "10.0.0.1")) is None
    await client.expect_nothing()


async def test_the_last_endpoint_goes_without_its_cluster(plane: Plane, variant: Variant) -> None:
    """Routes don't depend on how many endpoints there are: an empty assignment, no removal."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.delete(slice_of("web"))
    received = await client.accept(EDS, WEB)
    assert received.content(WEB) == {"cluster_name": WEB}
    await client.expect_nothing()


async def test_a_terminating_endpoint_is_sent_as_draining(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    leaving = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    plane.apply(slice_of("web", leaving, "10.0.0.2"))
    received = await client.accept(EDS, WEB)
    assert "DRAINING" in str(received.content(WEB))


async def test_changes_of_several_services_share_a_response(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"), slice_of("api", "10.0.0.2"))
    await client.accept(EDS, API, WEB)
    await client.expect_nothing()


async def test_only_subscribers_are_told(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    one, other = plane.client(variant, "one"), plane.client(variant, "other")
    await one.subscribe(EDS, WEB)
    await one.accept(EDS, WEB)
    await other.subscribe(EDS, API)
    await other.accept(EDS, API)
    plane.apply(slice_of("web", "10.0.0.2"))
    await one.accept(EDS, WEB)
    await other.expect_nothing()


async def test_a_hundred_changes_come_singly_to_a_client_that_answers(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    for number in range(2, 102):
        plane.apply(slice_of("web", f"10.0.0.{number}"))
        await client.accept(EDS, WEB)
    await client.expect_nothing()
