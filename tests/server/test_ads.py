"""The ADS service around the sessions: its counters, and the end of its streams.

Excludes what the streams say (tests/features).
"""

import grpc
import pytest
from structlog.testing import capture_logs

from tests.support.ads_client import EDS, LDS, AdsClient
from tests.support.objects import slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.protocol.messages import Response, Variant
from xds.protocol.session import Session

WEB = cluster("web")


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    assert isinstance(request.param, Variant)
    return request.param


def sample(plane: Plane, name: str, **labels: str) -> float:
    return plane.metrics.registry.get_sample_value(name, labels) or 0.0


def counts(plane: Plane, kind: str) -> tuple[float, float, float]:
    """Pushes, ACKs and NACKs of a type."""
    pushes, acks, nacks = (sample(plane, f"xds_{name}_total", type=kind) for name in ("pushes", "acks", "nacks"))
    return pushes, acks, nacks


async def answered(plane: Plane, client: AdsClient) -> None:
    """The server has read the last answer."""
    await client.expect_nothing()


async def test_pushes_and_answers_are_counted_by_type(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        await answered(plane, client)
        assert counts(plane, "eds") == (1, 1, 0)
        plane.apply(slice_of("web", "10.0.0.2"))
        await client.refuse(EDS, WEB)
        await answered(plane, client)
        assert counts(plane, "eds") == (2, 1, 1)
        assert counts(plane, "rds") == (1, 1, 0)


async def test_the_time_to_the_last_answer_is_observed_once_for_a_revision(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        one, other = await plane.proxy(variant, "one"), await plane.proxy(variant, "other")
        plane.apply(slice_of("web", "10.0.0.2"))
        await one.accept(EDS, WEB)
        await answered(plane, one)
        assert sample(plane, "xds_propagation_seconds_count") == 0
        await other.accept(EDS, WEB)
        await answered(plane, other)
        assert sample(plane, "xds_propagation_seconds_count") == 1
        assert 0 < sample(plane, "xds_propagation_seconds_sum") < WAIT_LIMIT_SECONDS


async def test_revisions_that_were_merged_are_observed_too(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        first = await client.expect(EDS, WEB)
        plane.apply(slice_of("web", "10.0.0.3"))
        plane.apply(slice_of("web", "10.0.0.4"))
        await client.ack(first)
        await client.accept(EDS, WEB)
        await answered(plane, client)
        assert sample(plane, "xds_propagation_seconds_count") == 3


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stream by itself, whatever changes."""
    monkeypatch.setattr("xds.server.ads.MANY", 1)
    monkeypatch.setattr("xds.server.ads.PORTION", 0.0)


@pytest.mark.usefixtures("in_turn")
async def test_streams_that_are_told_in_turn_are_all_told(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        clients = [await plane.proxy(variant, name) for name in ("one", "two", "three")]
        plane.apply(slice_of("web", "10.0.0.2"))
        plane.apply(slice_of("web", "10.0.0.3"))
        for _ in range(2):  # it was told of one before the other came
            await clients[0].accept(EDS, WEB)
        await answered(plane, clients[0])
        assert sample(plane, "xds_propagation_seconds_count") == 0
        for client in clients[1:]:
            await client.accept(EDS, WEB)
            await answered(plane, client)
        assert sample(plane, "xds_propagation_seconds_count") == 2


@pytest.mark.usefixtures("in_turn")
async def test_a_stream_that_has_still_to_be_told_shows_what_it_lacks(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        for name in ("one", "two"):
            await answered(plane, await plane.proxy(variant, name))
        plane.apply(slice_of("web", "10.0.0.2"))
        types = [status for proxy in plane.ads.proxies() for status in proxy.stream.types]
        assert [status.waiting + status.in_flight for status in types if status.type is EDS] == [1, 1]


@pytest.mark.usefixtures("in_turn")
async def test_what_waits_for_an_answer_goes_behind_one_that_is_told_to_all_in_turn(variant: Variant) -> None:
    """A refusal sends the fleet back; the one who refused has something else to be sent."""
    async with Plane(*site("web"), *site("api")) as plane:
        _, client = [await plane.proxy(variant, name) for name in ("told first", "refuses")]
        plane.apply(slice_of("web", "10.0.0.2"))
        received = await client.expect(EDS, WEB)
        plane.apply(slice_of("api", "10.0.0.2"))
        await answered(plane, client)
        await client.nack(received, "refused")
        await client.accept(EDS, cluster("api"))


async def test_a_mistake_with_one_stream_ends_no_other(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Session.take_responses

    def fail(session: Session, now: float) -> list[Response]:
        if session.node is not None and session.node.id == "fails":
            raise RuntimeError("a mistake")
        return take(session, now)

    async with Plane(*site("web")) as plane:
        fails, other = [await plane.proxy(variant, name) for name in ("fails", "other")]
        monkeypatch.setattr(Session, "take_responses", fail)
        with capture_logs() as logs:
            plane.apply(slice_of("web", "10.0.0.2"))
            await other.accept(EDS, WEB)
            assert (await fails.expect_end())[0] is grpc.StatusCode.UNKNOWN
        assert [line["node"] for line in logs if line["event"] == "stream_failed"] == ["fails"]


async def test_more_endpoints_are_waited_for_and_nothing_else(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.server.debounce.FEW", 0)
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        assert plane.ads.pace.is_unanswered
        await client.accept(EDS, WEB)
        await answered(plane, client)
        assert not plane.ads.pace.is_unanswered
        plane.apply(*site("api"))
        assert not plane.ads.pace.is_unanswered


async def test_a_nack_is_an_answer(variant: Variant) -> None:
    async with Plane(*site("web")) as plane:
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", "10.0.0.2"))
        await client.refuse(EDS, WEB)
        await answered(plane, client)
        assert sample(plane, "xds_propagation_seconds_count") == 1


async def test_closing_ends_the_streams_in_order(variant: Variant) -> None:
    """OK and no words: the proxies go elsewhere."""
    async with Plane(*site("web")) as plane:
        client, silent = await plane.proxy(variant, "one"), plane.client(variant, "silent")
        await silent.arrived()
        plane.ads.close()
        assert await client.expect_end() == (grpc.StatusCode.OK, "")
        assert await silent.expect_end() == (grpc.StatusCode.OK, "")
        await until(lambda: plane.ads.connected == 0)


async def test_streams_that_come_while_it_closes_end_too(variant: Variant) -> None:
    async with Plane() as plane:
        plane.ads.close()
        client = plane.client(variant)
        assert await client.expect_end() == (grpc.StatusCode.OK, "")


async def test_streams_that_wait_for_the_first_snapshot_end_when_it_closes(variant: Variant) -> None:
    async with Plane(listed=False) as plane:
        client = plane.client(variant)
        await client.arrived()
        assert plane.ads.connected == 0
        plane.ads.close()
        assert await client.expect_end() == (grpc.StatusCode.OK, "")


async def test_a_proxy_shows_with_its_address(variant: Variant) -> None:
    async with Plane() as plane:
        client = plane.client(variant)
        await client.subscribe(LDS)
        await client.accept(LDS, "http")
        (proxy,) = plane.ads.proxies()
        assert proxy.peer.startswith("ipv4:127.0.0.1:")
        assert proxy.stream.variant is variant
        assert proxy.stream.node
        assert (proxy.stream.node.id, proxy.stream.node.cluster) == ("envoy-1", "fleet")


async def test_the_other_methods_of_xds_are_not_there() -> None:
    """ADS is the only way: nothing of what is asked for elsewhere would be in order."""
    async with Plane() as plane, grpc.aio.insecure_channel(plane.address) as channel:
        call = channel.unary_unary("/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets")  # type: ignore[call-arg]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
