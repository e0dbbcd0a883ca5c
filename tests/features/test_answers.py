"""ACK and NACK: the effect of an answer, responses that wait for an answer, and the memory of a rejection.

Covers nonces, one response in flight, merging, and rejections, in delta and state of the world. Excludes the order of
several types (test_order).
"""

import pytest

from tests.support.ads_client import CDS, EDS, VHDS
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.plane import Plane, cluster, site
from xds.kube.objects import KubeObject
from xds.protocol.messages import Variant
from xds.protocol.rejection.nack import MESSAGE_LIMIT

WEB, API = cluster("web"), cluster("api")
H2C = {"port": 80, "appProtocol": "kubernetes.io/h2c"}


def moved(where: str) -> KubeObject:
    """The Ingress of the site `web`, under another path."""
    return ingress("web", rule("web.example", path(where, "web")))


async def test_changes_before_the_answer_are_merged(plane: Plane, variant: Variant) -> None:
    """At most one response of a type is in flight; the latest version wins."""
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    first = await client.expect(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.3"))
    plane.apply(slice_of("api", "10.0.0.3"))
    plane.apply(slice_of("web", "10.0.0.4"))
    await client.expect_nothing()
    await client.ack(first)
    second = await client.accept(EDS, API, WEB)
    assert "10.0.0.4" in str(second.content(WEB))
    await client.expect_nothing()


async def test_a_change_reverted_before_the_answer_is_not_sent(plane: Plane, variant: Variant) -> None:
    """Rule 4."""
    plane.apply(*site("web", "10.0.0.1"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    first = await client.expect(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.3"))
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.ack(first)
    await client.expect_nothing()


async def test_a_type_in_flight_holds_up_no_other_type(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    endpoints = await client.expect(EDS, WEB)
    plane.apply(moved("/moved"))
    await client.accept_hosts("http@3/web.example")
    await client.ack(endpoints)
    await client.expect_nothing()


async def test_an_ack_is_remembered(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    status = plane.status_of(EDS)
    assert status.sent
    assert status.acknowledged
    assert (status.in_flight, status.sent.version == received.version) == (True, True)
    assert status.acknowledged.version != received.version
    await client.ack(received)
    await client.expect_nothing()
    status = plane.status_of(EDS)
    assert status.acknowledged
    assert (status.in_flight, status.acknowledged.version) == (False, received.version)


async def test_a_nack_is_remembered_with_its_message(plane: Plane, variant: Variant) -> None:
    """Rule 2: error_detail makes a request a NACK."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    received = await client.reject_hosts("http@3/web.example", message="I don't like it")
    await client.expect_nothing()
    status = plane.status_of(client.routing)
    assert status.last_rejection
    assert (status.last_rejection.message, status.last_rejection.version) == ("I don't like it", received.version)
    assert [name for name, _ in status.last_rejection.resources] == [*received.items]
    assert (status.rejected_count, status.in_flight, status.pending) == (1, False, 0)
    assert status.acknowledged
    assert status.acknowledged.version != received.version
    assert plane.metrics.streams.nacks.counts[client.routing] == 1


async def test_a_rejected_resource_is_not_sent_again_but_its_successor_is(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.reject_hosts("http@3/web.example")
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()
    plane.apply(moved("/moved/again"))
    await client.accept_hosts("http@3/web.example")
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 0


async def test_a_rejection_is_over_when_its_change_is_reverted(plane: Plane, variant: Variant) -> None:
    """The rejected resource was alone in its response, so the proxy still has the last good version."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.reject_hosts("http@3/web.example")
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 1
    plane.apply(moved("/"))
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 0


async def test_a_rejected_resource_is_sent_on_a_new_subscription(plane: Plane) -> None:
    """Rule 5."""
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(moved("/moved"))
    await client.reject_hosts("http@3/web.example")
    await client.subscribe(VHDS, "http@3/web.example")
    await client.accept_hosts("http@3/web.example")


async def test_a_change_before_a_nack_is_sent(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    received = await client.expect_hosts("http@3/web.example")
    plane.apply(moved("/moved/again"))
    await client.nack(received, "no")
    await client.accept_hosts("http@3/web.example")
    await client.expect_nothing()


async def test_after_a_nack_the_rest_of_the_type_is_served(plane: Plane, variant: Variant) -> None:
    """Rule 17: in the state of the world a full set holds the rejected resource in its last good version."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(service("web", H2C))
    await client.reject(CDS, WEB)
    await client.accept(EDS, WEB)
    plane.apply(*site("api"))
    await client.accept(CDS, API)
    await client.subscribe(EDS, API)
    await client.accept(EDS, API)
    await client.accept_hosts("http@3/api.example")
    await client.expect_nothing()


async def test_the_words_of_a_nack_are_kept_in_bounds(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.reject_hosts("http@3/web.example", message="no " * 1_000_000)
    await client.expect_nothing()
    status = plane.status_of(client.routing)
    assert status.last_rejection
    assert len(status.last_rejection.message) == MESSAGE_LIMIT


async def test_a_stale_request_is_ignored_in_the_state_of_the_world(plane: Plane) -> None:
    """Rule 3: the client asks again after the response that crossed its request."""
    plane.apply(*site("web"), *site("api"))
    client = plane.sotw()
    await client.subscribe(EDS, WEB)
    old = await client.accept(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    await client.request(EDS, (API, WEB), version=old.version, nonce=old.nonce)
    await client.expect_nothing()
    status = plane.status_of(EDS)
    assert (status.in_flight, status.subscribed) == (True, 1)
    await client.ack(received)
    await client.expect_nothing()


async def test_a_stale_nack_is_ignored_in_the_state_of_the_world(plane: Plane) -> None:
    """Rule 3."""
    plane.apply(*site("web"))
    client = plane.sotw()
    await client.subscribe(EDS, WEB)
    old = await client.accept(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    await client.request(EDS, (WEB,), nonce=old.nonce, error="too late")
    await client.expect_nothing()
    assert plane.status_of(EDS).last_rejection is None
    await client.ack(received)


async def test_a_stale_nonce_in_delta_keeps_the_change_of_subscription(plane: Plane) -> None:
    """Rule 3: a stale nonce answers no response."""
    plane.apply(*site("web"), *site("api"))
    client = plane.delta()
    await client.subscribe(EDS, WEB)
    old = await client.accept(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    await client.subscribe(EDS, API, nonce=old.nonce)
    await client.expect_nothing()
    assert plane.status_of(EDS).in_flight
    await client.ack(received)
    await client.accept(EDS, API)
    await client.unsubscribe(EDS, WEB, nonce=old.nonce)
    await client.expect_nothing()
    plane.apply(slice_of("web", "10.0.0.3"))
    await client.expect_nothing()


@pytest.mark.parametrize("error", [None, "no"], ids=["ack", "nack"])
async def test_an_answer_to_no_response_is_ignored(plane: Plane, error: str | None) -> None:
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.expect(EDS, WEB)
    for nonce in ("", "0", "999999", "not ours", "\0"):
        await client.request(EDS, nonce=nonce, error=error)
    await client.expect_nothing()
    status = plane.status_of(EDS)
    assert (status.in_flight, status.last_rejection) == (True, None)
    await client.ack(received)


async def test_an_answer_given_twice_counts_once(plane: Plane) -> None:
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(slice_of("web", "10.0.0.2"))
    received = await client.accept(EDS, WEB)
    await client.request(EDS, nonce=received.nonce, error="on second thoughts")
    await client.expect_nothing()
    assert plane.status_of(EDS).last_rejection is None


async def test_a_request_may_answer_and_ask_at_once(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    client = plane.delta()
    await client.subscribe(EDS, WEB)
    received = await client.expect(EDS, WEB)
    await client.subscribe(EDS, API, nonce=received.nonce)
    client.answered(received)
    await client.accept(EDS, API)
