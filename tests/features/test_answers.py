"""ACK and NACK: what a client's answer means, what waits for it, and what is remembered of it.

Covers nonces, one response in flight, merging, and rejections, in delta and state of the world. Excludes what waits for
the answer of another type (test_order).
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


async def test_what_changes_before_the_answer_is_merged(plane: Plane, variant: Variant) -> None:
    """At most one response of a type in flight; the latest wins."""
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


async def test_what_changes_back_before_the_answer_is_not_sent(plane: Plane, variant: Variant) -> None:
    """Rule 4."""
    plane.apply(*site("web", "10.0.0.1"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    first = await client.expect(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.3"))
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.ack(first)
    await client.expect_nothing()


async def test_a_type_in_flight_does_not_keep_others_waiting(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(slice_of("web", "10.0.0.2"))
    endpoints = await client.expect(EDS, WEB)
    plane.apply(moved("/moved"))
    await client.accept_hosts("http/web.example")
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


async def test_a_nack_is_remembered_in_the_proxys_words(plane: Plane, variant: Variant) -> None:
    """Rule 2: error_detail makes it one."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    received = await client.refuse_hosts("http/web.example", words="I don't like it")
    await client.expect_nothing()
    status = plane.status_of(client.routing)
    assert status.last_rejection
    assert (status.last_rejection.message, status.last_rejection.version) == ("I don't like it", received.version)
    assert [name for name, _ in status.last_rejection.resources] == [*received.items]
    assert (status.rejected_count, status.in_flight, status.pending) == (1, False, 0)
    assert status.acknowledged
    assert status.acknowledged.version != received.version
    assert plane.metrics.nacks.counts[client.routing] == 1


async def test_what_was_refused_is_not_sent_again_but_what_replaces_it_is(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"), *site("api"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.refuse_hosts("http/web.example")
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()
    plane.apply(moved("/moved/again"))
    await client.accept_hosts("http/web.example")
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 0


async def test_what_was_refused_and_is_taken_back_is_over(plane: Plane, variant: Variant) -> None:
    """It was refused alone, so the proxy has what it had."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.refuse_hosts("http/web.example")
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 1
    plane.apply(moved("/"))
    await client.expect_nothing()
    assert plane.status_of(client.routing).rejected_count == 0


async def test_what_was_refused_is_sent_to_those_who_ask_again(plane: Plane) -> None:
    """Rule 5."""
    plane.apply(*site("web"))
    client = await plane.delta_proxy()
    plane.apply(moved("/moved"))
    await client.refuse_hosts("http/web.example")
    await client.subscribe(VHDS, "http/web.example")
    await client.accept_hosts("http/web.example")


async def test_what_changes_while_the_answer_is_a_nack_is_sent(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    received = await client.expect_hosts("http/web.example")
    plane.apply(moved("/moved/again"))
    await client.nack(received, "no")
    await client.accept_hosts("http/web.example")
    await client.expect_nothing()


async def test_after_a_nack_of_one_resource_others_of_the_type_go_on(plane: Plane, variant: Variant) -> None:
    """Rule 17: in the state of the world a full set has what was refused as it was before."""
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(service("web", H2C))
    await client.refuse(CDS, WEB)
    await client.accept(EDS, WEB)
    plane.apply(*site("api"))
    await client.accept(CDS, API)
    await client.subscribe(EDS, API)
    await client.accept(EDS, API)
    await client.accept_hosts("http/api.example")
    await client.expect_nothing()


async def test_the_words_of_a_nack_are_kept_in_bounds(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    plane.apply(moved("/moved"))
    await client.refuse_hosts("http/web.example", words="no " * 1_000_000)
    await client.expect_nothing()
    status = plane.status_of(client.routing)
    assert status.last_rejection
    assert len(status.last_rejection.message) == MESSAGE_LIMIT


async def test_a_stale_request_is_ignored_in_the_state_of_the_world(plane: Plane) -> None:
    """Rule 3: the client will ask again once it has seen what was sent meanwhile."""
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
    """Rule 3: and it answers nothing."""
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
async def test_an_answer_to_what_was_never_sent_is_ignored(plane: Plane, error: str | None) -> None:
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
