"""Subscriptions: a client receives the resources that it subscribed to, at once.

Covers wildcards in both forms, names, missing names, and unsubscribing, in delta and state of the world. Excludes
resources from a proxy's last stream (test_reconnect) and nonces (test_answers).
"""

import pytest

from tests.support.ads_client import CDS, EDS, LDS, RDS
from tests.support.objects import service, slice_of
from tests.support.plane import Plane, cluster, site
from xds.protocol.messages import Variant
from xds.snapshot.resource import ResourceType

WEB, API = cluster("web"), cluster("api")
H2C = {"port": 80, "appProtocol": "kubernetes.io/h2c"}


async def test_an_empty_first_request_is_a_wildcard(plane: Plane, variant: Variant) -> None:
    """Rule 6, and rule 1: only the first request has a node."""
    plane.apply(*site("web"))
    client = plane.client(variant)
    await client.subscribe(CDS)
    await client.accept(CDS, WEB)
    await client.subscribe(LDS)
    await client.accept(LDS, "http")
    plane.apply(*site("api"))
    await client.accept(CDS, API)
    await client.expect_nothing()


@pytest.mark.parametrize("type_", [EDS, RDS], ids=lambda type_: type_.short)
async def test_an_empty_first_request_of_a_type_without_wildcard_subscribes_to_no_name(
    plane: Plane, variant: Variant, type_: ResourceType
) -> None:
    """Rule 6."""
    plane.apply(*site("web"))
    client = plane.client(variant)
    await client.subscribe(type_)
    await client.expect_nothing()
    await client.subscribe(type_, *plane.names(type_))
    await client.accept(type_, *plane.names(type_))


@pytest.mark.parametrize("type_", [CDS, EDS, LDS, RDS], ids=lambda type_: type_.short)
async def test_a_star_is_a_wildcard_of_any_type(plane: Plane, variant: Variant, type_: ResourceType) -> None:
    """Rule 6."""
    plane.apply(*site("web"), *site("api"))
    client = plane.client(variant)
    await client.subscribe(type_, "*")
    await client.accept(type_, *plane.names(type_))
    await client.expect_nothing()


async def test_a_star_covers_later_resources(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = plane.client(variant)
    await client.subscribe(EDS, "*")
    await client.accept(EDS, WEB)
    plane.apply(*site("api"))
    await client.accept(EDS, API)


async def test_a_first_request_with_names_is_no_wildcard(plane: Plane, variant: Variant) -> None:
    """Rule 6: once a name was given, the empty form is over."""
    plane.apply(*site("web"), *site("api"))
    client = plane.client(variant)
    await client.subscribe(CDS, WEB)
    await client.accept(CDS, WEB)
    plane.apply(service("api", H2C))
    await client.subscribe(CDS)
    await client.expect_nothing()
    plane.apply(service("api"))
    await client.expect_nothing()


async def test_names_replace_an_empty_request_in_the_state_of_the_world(plane: Plane) -> None:
    """Rule 6: and an empty request then asks for nothing."""
    plane.apply(*site("web"), *site("api"))
    client = plane.sotw()
    await client.subscribe(CDS)
    await client.accept(CDS, API, WEB)
    await client.subscribe(CDS, WEB)
    await client.accept(CDS, WEB)
    plane.apply(service("api", H2C))
    await client.expect_nothing()
    await client.unsubscribe(CDS, WEB)
    await client.expect_nothing()
    plane.apply(service("web", H2C))
    await client.expect_nothing()


async def test_names_beside_a_star_are_covered_twice(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = plane.client(variant)
    await client.subscribe(EDS, "*", WEB)
    await client.accept(EDS, API, WEB)
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_a_client_receives_only_its_subscriptions(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = plane.client(variant)
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    plane.apply(slice_of("api", "10.0.0.2"))
    await client.expect_nothing()
    await client.subscribe(EDS, API)
    await client.accept(EDS, API)


async def test_a_missing_name_is_sent_when_it_appears(plane: Plane, variant: Variant) -> None:
    """Rule 10: delta names a missing resource as removed; the state of the world has no word for it."""
    client = plane.client(variant)
    await client.subscribe(EDS, WEB)
    if variant is Variant.DELTA:
        await client.accept(EDS, removed=(WEB,))
    await client.expect_nothing()
    plane.apply(*site("web"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_a_deleted_name_is_sent_when_it_comes_back(plane: Plane) -> None:
    """Rule 9, delta."""
    plane.apply(*site("web"))
    client = plane.delta()
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    plane.delete(*site("web"))
    await client.accept(EDS, removed=(WEB,))
    plane.apply(*site("web"))
    await client.accept(EDS, WEB)


async def test_an_omitted_resource_is_removed_in_the_state_of_the_world(plane: Plane) -> None:
    """Rules 7 and 9: the last cluster goes with an empty response."""
    plane.apply(*site("web"), *site("api"))
    client = plane.sotw()
    await client.subscribe(CDS)
    await client.accept(CDS, API, WEB)
    plane.delete(*site("api"))
    await client.accept(CDS, removed=(API,))
    plane.delete(*site("web"))
    await client.accept(CDS, removed=(WEB,))


async def test_unsubscribing_needs_no_answer(plane: Plane, variant: Variant) -> None:
    """Rule 11."""
    plane.apply(*site("web"), *site("api"))
    client = plane.client(variant)
    await client.subscribe(EDS, WEB, API)
    await client.accept(EDS, API, WEB)
    await client.unsubscribe(EDS, WEB)
    await client.expect_nothing()
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.expect_nothing()
    plane.apply(slice_of("api", "10.0.0.2"))
    await client.accept(EDS, API)


async def test_unsubscribing_every_name_leaves_the_stream_open(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = plane.client(variant)
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    await client.unsubscribe(EDS, WEB)
    await client.expect_nothing()
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.expect_nothing()
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)


async def test_unsubscribing_a_name_under_a_star_is_answered(plane: Plane) -> None:
    """Rule 11: with the resource, or with its removal."""
    plane.apply(*site("web"))
    client = plane.delta()
    await client.subscribe(EDS, "*", WEB, "default/gone/80")
    await client.accept(EDS, WEB, removed=("default/gone/80",))
    await client.unsubscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    await client.unsubscribe(EDS, "default/gone/80")
    await client.accept(EDS, removed=("default/gone/80",))


async def test_unsubscribing_the_star_leaves_the_names(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    client = plane.delta()
    await client.subscribe(EDS, "*", WEB)
    await client.accept(EDS, API, WEB)
    await client.unsubscribe(EDS, "*")
    await client.expect_nothing()
    plane.apply(slice_of("web", "10.0.0.2"), slice_of("api", "10.0.0.2"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_unsubscribing_an_unknown_name_is_ignored(plane: Plane) -> None:
    plane.apply(*site("web"))
    client = plane.delta()
    await client.subscribe(CDS)
    await client.accept(CDS, WEB)
    await client.unsubscribe(CDS, API)
    await client.expect_nothing()
    plane.apply(service("web", H2C))
    await client.accept(CDS, WEB)


async def test_a_repeated_subscription_is_answered(plane: Plane) -> None:
    """Rule 5."""
    plane.apply(*site("web"), *site("api"))
    client = plane.delta()
    await client.subscribe(EDS, WEB, API)
    await client.accept(EDS, API, WEB)
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_a_renewed_subscription_is_answered(plane: Plane) -> None:
    """Rule 5, in the state of the world."""
    plane.apply(*site("web"), *site("api"))
    client = plane.sotw()
    await client.subscribe(EDS, WEB, API)
    await client.accept(EDS, API, WEB)
    await client.unsubscribe(EDS, WEB)
    await client.subscribe(EDS, WEB)
    await client.accept(EDS, WEB)
    await client.expect_nothing()
