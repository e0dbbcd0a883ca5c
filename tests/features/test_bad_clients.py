"""Clients that break the protocol or do not read: a clear message ends their stream, and other streams go on.

Covers bytes that are no request, missing nodes, unknown types, too many names, hostile names, and proxies that stop
reading. Excludes rejected resources (test_answers) and invalid manifests (tests/kube, tests/translate).
"""

import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from tests.support.ads_client import CDS, EDS, LDS, VHDS, AdsClient
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.unread import unread
from tests.support.waiting import until
from xds.envoyapi import codec
from xds.envoyapi.messages import DeltaDiscoveryRequest, DiscoveryRequest, Node
from xds.protocol.messages import Variant
from xds.protocol.session import UNSERVED_LIMIT
from xds.protocol.subscription import NAMES_LIMIT
from xds.server.ads import GRPC_SERVER_OPTIONS
from xds.snapshot.resource import ResourceType

WEB = cluster("web")
MISSING_NODE = "the first request of a stream must have a node"
MANY = [f"10.1.{number // 250}.{number % 250 + 1}" for number in range(5000)]
"""Endpoints whose assignment is larger than the bytes that a connection takes before its other end reads."""

NO_REQUEST = b"GET / HTTP/1.1\r\n\r\n"


async def test_invalid_bytes_end_the_stream_with_a_clear_message(plane: Plane, variant: Variant) -> None:
    other = await plane.proxy(variant, "other")
    client = plane.client(variant)
    await client.send(NO_REQUEST)
    code, words = await client.expect_end()
    kind = "DeltaDiscoveryRequest" if variant is Variant.DELTA else "DiscoveryRequest"
    assert code is StatusCode.INVALID_ARGUMENT
    assert words == f"the message is not a {kind}; this is an xDS v3 server"
    await go_on(plane, other)


async def test_a_stream_may_break_in_the_middle(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("api"))
    other, client = await plane.proxy(variant, "other"), await plane.proxy(variant)
    await client.send(NO_REQUEST)
    assert (await client.expect_end())[0] is StatusCode.INVALID_ARGUMENT
    await until(lambda: plane.ads.connected == 1)
    await go_on(plane, other)


async def test_an_empty_request_is_an_error(plane: Plane, variant: Variant) -> None:
    """No bytes are a message with every field unset, so the node is missing."""
    client = plane.client(variant)
    await client.send(b"")
    assert await client.expect_end() == (StatusCode.INVALID_ARGUMENT, MISSING_NODE)


async def test_the_first_request_must_have_a_node(plane: Plane, variant: Variant) -> None:
    """Rule 1."""
    other, client = await plane.proxy(variant, "other"), plane.client(variant)
    kind = DeltaDiscoveryRequest if variant is Variant.DELTA else DiscoveryRequest
    await client.send(codec.encode(kind(type_url=CDS)))
    assert await client.expect_end() == (StatusCode.INVALID_ARGUMENT, MISSING_NODE)
    await go_on(plane, other)


async def test_a_node_without_an_id_is_served(plane: Plane, variant: Variant) -> None:
    client = plane.client(variant, node="")
    await client.subscribe(LDS)
    await client.accept(LDS, "http")


async def test_an_unserved_type_is_noted_and_the_stream_lives(plane: Plane, variant: Variant) -> None:
    """An Envoy may be configured for more types than this server has."""
    client = plane.client(variant)
    unknown = [f"type.googleapis.com/unknown.v{number}" for number in range(100)]
    for type_url in [*unknown, "", "\0", "type.googleapis.com/envoy.api.v2.Cluster"]:
        await client.request(type_url)  # type: ignore[attr-defined]
    await client.subscribe(LDS)
    await client.accept(LDS, "http")
    await client.expect_nothing()
    assert plane.status().unserved == tuple(unknown[:UNSERVED_LIMIT])


async def test_a_million_names_are_too_many(plane: Plane, variant: Variant) -> None:
    other, client = await plane.proxy(variant, "other"), plane.client(variant)
    await client.send(asking_for(variant, EDS, 1_000_000))
    code, words = await client.expect_end()
    assert code is StatusCode.RESOURCE_EXHAUSTED
    assert words == f"more than {NAMES_LIMIT} names of {EDS}"
    await go_on(plane, other)


async def test_too_many_names_little_by_little_are_too_many(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.protocol.subscription.NAMES_LIMIT", 100)
    client = plane.delta()
    for start in range(0, 100, 20):
        await client.subscribe(EDS, *map(str, range(start, start + 20)))
        await client.ack(await client.receive())
    await client.subscribe(EDS, "one more")
    assert (await client.expect_end())[0] is StatusCode.RESOURCE_EXHAUSTED


async def test_too_many_names_dropped_under_a_wildcard_are_an_error(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.protocol.subscription.NAMES_LIMIT", 3)
    client = plane.delta()
    for names in (("*",), ("a", "b")):
        await client.subscribe(CDS, *names)
        await client.ack(await client.receive())
    await client.request(CDS, subscribe=("c", "d"), unsubscribe=("a", "b"))
    assert (await client.expect_end())[0] is StatusCode.RESOURCE_EXHAUSTED


async def test_as_many_names_as_are_allowed_are_answered(plane: Plane) -> None:
    """A message of more than gRPC's default of 4 MiB."""
    plane.apply(*site("web"))
    client = plane.delta()
    names = [f"default/a-service-with-a-long-name-{number}/80" for number in range(NAMES_LIMIT - 1)]
    await client.subscribe(EDS, WEB, *names)
    received = await client.receive()
    assert received.news == {WEB}
    assert len(received.removed) == NAMES_LIMIT - 1
    await client.ack(received)
    await client.unsubscribe(EDS, *names)
    await client.expect_nothing()
    assert plane.status_of(EDS).subscribed == 1


@pytest.mark.parametrize("name", ["", "\0", "💥" * 1000, "../../etc/passwd", "%s%n", "a\r\nb", "x" * 100_000], ids=repr)
async def test_hostile_names_do_not_exist(plane: Plane, name: str) -> None:
    client = plane.delta()
    await client.subscribe(EDS, name)
    await client.accept(EDS, removed=(name,))
    await client.unsubscribe(EDS, name)
    await client.expect_nothing()


async def test_a_hostile_node_id_is_accepted(plane: Plane, variant: Variant) -> None:
    node = "\0\x1b[31m' OR 1=1 💥"
    client = plane.client(variant, node)
    await client.subscribe(LDS)
    await client.accept(LDS, "http")
    assert plane.status(node).node


async def test_a_silent_client_holds_up_no_stream(plane: Plane, variant: Variant) -> None:
    other, silent = await plane.proxy(variant, "other"), plane.client(variant)
    await silent.arrived()
    await go_on(plane, other)
    await silent.close()
    await until(lambda: plane.ads.connected == 1)


async def test_a_client_without_reads_costs_one_response_a_type(plane: Plane, variant: Variant) -> None:
    """2,000 changes are merged for the client that stops reading, and sent one by one to the other."""
    plane.apply(*site("web"), *site("api"))
    other, stuck = await plane.proxy(variant, "other"), await plane.proxy(variant, "stuck")
    for number in range(1, 2001):
        plane.apply(slice_of("web", f"10.0.{number // 250}.{number % 250 + 1}"))
        await other.accept(EDS, WEB)
    status = plane.status("stuck")
    assert sum(each.in_flight for each in status.types) == 1
    assert sum(each.pending for each in status.types) == 1
    assert plane.metrics.streams.pushes.counts[EDS] == 2 + 2000 + 1
    first = await stuck.accept(EDS, WEB)
    last = await stuck.accept(EDS, WEB)
    assert "10.0.0.2" in str(first.content(WEB))
    assert "10.0.8.1" in str(last.content(WEB))
    await stuck.expect_nothing()


async def test_a_client_answering_without_reads_is_held_by_its_connection(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    """Guessed nonces answer each response, so that more is always due; unread bytes hold the next response back.

    The client leaves during a write, as many proxies will: no error of the server.
    """
    plane.apply(*site("web", *MANY))
    other, stuck = await plane.delta_proxy("other"), await plane.delta_proxy("stuck")
    unread = 0
    while not plane.status_of(EDS, "stuck").pending:
        unread += 1
        plane.apply(slice_of("web", *MANY[unread:]))
        received = await other.accept(EDS, WEB)
        await stuck.request(EDS, nonce=received.nonce)
        await until(lambda: not plane.status_of(EDS, "stuck").in_flight)
    plane.apply(*site("web"))
    await other.accept(EDS, WEB)
    assert plane.status_of(EDS, "stuck").pending == 1
    await stuck.close()
    await until(lambda: plane.ads.connected == 1)
    await go_on(plane, other)
    assert not caplog.records


async def test_a_server_with_a_stuck_client_stops(variant: Variant) -> None:
    async with Plane(*site("web", *MANY)) as plane:
        stuck = plane.client(variant)
        await stuck.subscribe(EDS, WEB)
        await until(lambda: plane.ads.connected == 1)
    await until(lambda: plane.ads.connected == 0)


async def go_on(plane: Plane, client: AdsClient) -> None:
    """A synced proxy still receives the next change."""
    plane.apply(*site("later"))
    await client.accept(CDS, cluster("later"))
    await client.subscribe(EDS, cluster("later"))
    await client.accept(EDS, cluster("later"))
    await client.accept_hosts("http@3/later.example")
    await client.expect_nothing()


def asking_for(variant: Variant, type_: ResourceType, count: int) -> bytes:
    """A request for so many names."""
    names, node = [str(number) for number in range(count)], Node(id="envoy-1")
    if variant is Variant.DELTA:
        return codec.encode(DeltaDiscoveryRequest(node=node, type_url=type_, resource_names_subscribe=names))
    return codec.encode(DiscoveryRequest(node=node, type_url=type_, resource_names=names))


async def test_a_proxy_without_room_for_a_response_loses_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection takes some unread megabytes, which then wait for an ACK; a longer response is cut off."""
    monkeypatch.setattr("xds.server.writes.WRITE_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("xds.server.ads.UNREAD_SECONDS", 0.5)
    monkeypatch.setattr("xds.server.writes.WRITE_CHECK_SECONDS", 0.1)
    monkeypatch.setattr("xds.server.stream_errors.ABORT_TIMEOUT_SECONDS", 0.1)
    paths = [path(f"/{number}/{'x' * 4000}") for number in range(6000)]
    async with Plane(service("web"), ingress("long", rule("long.example.com", *paths))) as plane:
        client = plane.delta()
        await client.subscribe(VHDS)
        await until(lambda: plane.ads.connected == 1)
        await until(lambda: plane.ads.connected == 0)
        assert plane.metrics.registry.get_sample_value("xds_ingress_streams_ended_unread_total") == 1


async def test_a_proxy_with_an_unread_connection_loses_it_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC answers no pings and the kernel takes no more bytes, as with a stopped Envoy."""
    for module in ("ads", "writes"):
        monkeypatch.setattr(f"xds.server.{module}.UNREAD_SECONDS", 0.1)
    sooner = {"grpc.keepalive_time_ms": 1000, "grpc.keepalive_timeout_ms": 1000}
    monkeypatch.setattr(
        "tests.support.plane.GRPC_SERVER_OPTIONS", tuple({**dict(GRPC_SERVER_OPTIONS), **sooner}.items())
    )
    paths = [path(f"/{number}/{'x' * 4000}") for number in range(3000)]
    request = codec.encode(
        DiscoveryRequest(node=Node(id="stopped"), type_url=ResourceType.ROUTES, resource_names=["http@3"])
    )
    async with Plane(service("web"), ingress("long", rule("long.example.com", *paths))) as plane:
        with capture_logs() as logs, unread(plane.address, request):
            await until(lambda: plane.ads.connected == 1)
            await until(lambda: plane.ads.connected == 0)
        assert [log["error"] for log in logs if log["event"] == "stream_ended_with_error" and log["node"] == "stopped"]
        assert plane.metrics.registry.get_sample_value("xds_ingress_streams_ended_unread_total") == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_a_proxy_gone_without_an_answer_leaves_a_reason(monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    """The response is in buffers larger than itself, so that no write fails."""
    monkeypatch.setattr("xds.server.ads.UNREAD_SECONDS", 0.0)
    async with Plane(*site("web")) as plane:
        client = plane.delta("silent")
        with capture_logs() as logs:
            await client.subscribe(CDS)
            await (client.accept(CDS, WEB) if answers else client.expect(CDS, WEB))
            await until(lambda: plane.status_of(CDS, "silent").in_flight is not answers)
            await client.close()
            await until(lambda: plane.ads.connected == 0)
        silent = [log for log in logs if log["event"] == "stream_ended_unread"]
        assert ["read nothing" in log["error"] for log in silent] == ([] if answers else [True])
        assert plane.metrics.registry.get_sample_value("xds_ingress_streams_ended_unread_total") == len(silent)
