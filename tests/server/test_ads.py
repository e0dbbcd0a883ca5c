"""The ADS service around the sessions: metrics, pushes in turn, and the end of streams.

Excludes the content of responses (tests/features).
"""

import grpc
import pytest
from structlog.testing import capture_logs

from tests.support.ads_client import EDS, LDS, AdsClient
from tests.support.debug_server import figures
from tests.support.objects import slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.protocol.messages import Response, Variant
from xds.protocol.session import Session
from xds.server.debug.messages import ProxyFigures

WEB = cluster("web")


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    assert isinstance(request.param, Variant)
    return request.param


def sample(plane: Plane, name: str, **labels: str) -> float:
    return plane.metrics.registry.get_sample_value(name, labels) or 0.0


def counts(plane: Plane, kind: str) -> tuple[float, float, float]:
    """Number of pushes, ACKs and NACKs of a type."""
    pushes, acks, nacks = (
        sample(plane, f"xds_ingress_{name}_total", type=kind) for name in ("pushes", "acks", "nacks")
    )
    return pushes, acks, nacks


async def answered(plane: Plane, client: AdsClient) -> None:
    """Wait until the server has read the client's last answer."""
    await client.expect_nothing()


async def test_pushes_and_answers_are_counted_by_type(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        await answered(plane, client)
        assert counts(plane, "eds") == (1, 1, 0)
        plane.apply(slice_of("web", "10.0.0.2"))
        await client.reject(EDS, WEB)
        await answered(plane, client)
        assert counts(plane, "eds") == (2, 1, 1)
        assert counts(plane, "rds") == (1, 1, 0)


async def test_convergence_is_observed_once_a_revision_at_the_last_answer(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        one, other = await plane.proxy(variant, "one"), await plane.proxy(variant, "other")
        plane.apply(slice_of("web", "10.0.0.2"))
        await one.accept(EDS, WEB)
        await answered(plane, one)
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 0
        await other.accept(EDS, WEB)
        await answered(plane, other)
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 1
        assert 0 < sample(plane, "xds_ingress_convergence_seconds_sum") < WAIT_LIMIT_SECONDS


async def test_convergence_of_merged_revisions_is_observed(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        first = await client.expect(EDS, WEB)
        plane.apply(slice_of("web", "10.0.0.3"))
        plane.apply(slice_of("web", "10.0.0.4"))
        await client.ack(first)
        await client.accept(EDS, WEB)
        await answered(plane, client)
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 3


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Push every revision to one stream after the other, in the order of connection."""
    monkeypatch.setattr("xds.server.fanout.randrange", lambda _: 0)
    monkeypatch.setattr("xds.server.fanout.LARGE_REVISION_CHANGES", 1)
    monkeypatch.setattr("xds.server.fanout.PUSH_SLICE_SECONDS", 0.0)


@pytest.mark.usefixtures("in_turn")
async def test_queued_streams_get_every_revision(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        clients = [await plane.proxy(variant, name) for name in ("one", "two", "three")]
        plane.apply(slice_of("web", "10.0.0.2"))
        plane.apply(slice_of("web", "10.0.0.3"))
        for _ in range(2):  # the first was pushed before the second came
            await clients[0].accept(EDS, WEB)
        await answered(plane, clients[0])
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 0
        for client in clients[1:]:
            await client.accept(EDS, WEB)
            await answered(plane, client)
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 2


@pytest.mark.usefixtures("in_turn")
async def test_the_status_of_a_queued_stream_includes_its_pending_revisions(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        for name in ("one", "two"):
            await answered(plane, await plane.proxy(variant, name))
        plane.apply(slice_of("web", "10.0.0.2"))
        types = [status for proxy in plane.ads.proxies() for status in proxy.stream.types]
        assert [status.pending + status.in_flight for status in types if status.type is EDS] == [1, 1]


@pytest.mark.usefixtures("in_turn")
async def test_a_rejecting_stream_still_gets_other_pending_endpoints_when_the_fleet_is_rolled_back(
    variant: Variant,
) -> None:
    """The rollback is queued for the fleet while the rejecting stream waits for an unrelated change."""
    async with Plane(*site("web"), *site("api")) as plane:
        _, client = [await plane.proxy(variant, name) for name in ("first", "rejects")]
        plane.apply(slice_of("web", "10.0.0.2"))
        received = await client.expect(EDS, WEB)
        plane.apply(slice_of("api", "10.0.0.2"))
        await answered(plane, client)
        await client.nack(received, "rejected")
        await client.accept(EDS, cluster("api"))


async def test_an_exception_in_a_session_ends_only_the_stream_of_the_session(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Session.take_responses

    def fail(session: Session, now: float) -> list[Response]:
        if session.node is not None and session.node.id == "fails":
            raise RuntimeError("a bug")
        return take(session, now)

    async with Plane(*site("web")) as plane:
        fails, other = [await plane.proxy(variant, name) for name in ("fails", "other")]
        monkeypatch.setattr(Session, "take_responses", fail)
        with capture_logs() as logs:
            plane.apply(slice_of("web", "10.0.0.2"))
            await other.accept(EDS, WEB)
            assert (await fails.expect_end())[0] is grpc.StatusCode.UNKNOWN
        assert [line["node"] for line in logs if line["event"] == "stream_failed"] == ["fails"]


async def test_only_an_unanswered_endpoint_push_debounces(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.server.debounce.UNDEBOUNCED_STREAMS", 0)
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        assert plane.ads.debounce.is_unanswered
        await client.accept(EDS, WEB)
        await answered(plane, client)
        assert not plane.ads.debounce.is_unanswered
        plane.apply(*site("api"))
        assert not plane.ads.debounce.is_unanswered


async def test_a_nack_counts_as_answer_for_convergence(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        await client.reject(EDS, WEB)
        await answered(plane, client)
        assert sample(plane, "xds_ingress_convergence_seconds_count") == 1


async def test_closing_ends_streams_with_ok(variant: Variant) -> None:
    """OK without a message, so that proxies connect elsewhere."""
    async with Plane(*site("web")) as plane:
        client, silent = await plane.proxy(variant, "one"), plane.client(variant, "silent")
        await silent.arrived()
        plane.ads.close()
        assert await client.expect_end() == (grpc.StatusCode.OK, "")
        assert await silent.expect_end() == (grpc.StatusCode.OK, "")
        await until(lambda: plane.ads.connected == 0)


async def test_streams_opened_during_shutdown_end_with_ok(variant: Variant) -> None:
    async with Plane() as plane:
        plane.ads.close()
        client = plane.client(variant)
        assert await client.expect_end() == (grpc.StatusCode.OK, "")


async def test_streams_without_a_snapshot_end_at_shutdown(variant: Variant) -> None:
    async with Plane(listed=False) as plane:
        client = plane.client(variant)
        await client.arrived()
        assert plane.ads.connected == 0
        plane.ads.close()
        assert await client.expect_end() == (grpc.StatusCode.OK, "")


async def test_proxies_lists_address_variant_and_node(variant: Variant) -> None:
    async with Plane() as plane:
        client = plane.client(variant)
        await client.subscribe(LDS)
        await client.accept(LDS, "http")
        (proxy,) = plane.ads.proxies()
        assert proxy.peer.startswith("ipv4:127.0.0.1:")
        assert proxy.stream.variant is variant
        assert proxy.stream.node
        assert (proxy.stream.node.id, proxy.stream.node.cluster) == ("envoy-1", "fleet")


async def test_the_figures_of_a_proxy_are_those_of_its_status(variant: Variant) -> None:
    """At each state of a stream: new, waiting for an answer, in sync, with a pending revision, and rejecting."""

    def check(plane: Plane, expected: ProxyFigures) -> None:
        (of_status,), (found,) = map(figures, plane.ads.proxies()), plane.ads.proxy_figures()
        assert found == of_status == expected

    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        await until(lambda: next(plane.ads.proxy_figures()).is_in_sync)
        check(plane, ProxyFigures(is_in_sync=True))
        plane.apply(slice_of("web", "10.0.0.2"))
        assert not next(plane.ads.proxy_figures()).is_in_sync, "queued or in flight"
        check(plane, ProxyFigures())
        await client.reject(EDS, WEB)
        await until(lambda: next(plane.ads.proxy_figures()).is_rejecting)
        check(plane, ProxyFigures(is_rejecting=True))


async def test_services_other_than_ads_are_unimplemented() -> None:
    """Streams beside ADS would get resources out of order."""
    async with Plane() as plane, grpc.aio.insecure_channel(plane.address) as channel:
        call = channel.unary_unary("/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets")  # type: ignore[call-arg]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
