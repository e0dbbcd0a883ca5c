"""A fleet: many streams on one server, none of which holds up another.

Covers proxies that reject, leave, come late, share a node id or speak the other variant. Excludes clients that break
the protocol (test_bad_clients).
"""

import gc

from tests.support.ads_client import CDS, EDS, LDS, SDS
from tests.support.objects import ingress, path, rule, slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.protocol.messages import Variant
from xds.server import wire

WEB = cluster("web")


async def test_a_rejection_holds_up_no_other_proxy(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    good, bad = await plane.proxy(variant, "good"), await plane.proxy(variant, "bad")
    plane.apply(ingress("web", rule("web.example", path("/moved", "web"))))
    await good.accept_hosts("http@3/web.example")
    await bad.reject_hosts("http@3/web.example")
    plane.apply(slice_of("web", "10.0.0.2"))
    for client in (good, bad):
        await client.accept(EDS, WEB)
        await client.expect_nothing()
    assert plane.status_of(bad.routing, "bad").rejected_count == 1
    assert plane.status_of(good.routing, "good").last_rejection is None


async def test_a_silent_proxy_holds_up_no_other_proxy(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    good, slow = await plane.proxy(variant, "good"), await plane.proxy(variant, "slow")
    plane.apply(slice_of("web", "10.0.0.2"))
    unanswered = await slow.expect(EDS, WEB)
    await good.accept(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.3"))
    await good.accept(EDS, WEB)
    await slow.ack(unanswered)
    last = await slow.accept(EDS, WEB)
    assert "10.0.0.3" in str(last.content(WEB))


async def test_streams_of_one_node_are_independent(plane: Plane) -> None:
    """Any number of streams may share a node id, of either variant."""
    plane.apply(*site("web"), *site("api"))
    one, two, three = plane.delta("same"), plane.delta("same"), plane.sotw("same")
    await one.subscribe(EDS, WEB)
    await one.accept(EDS, WEB)
    await two.subscribe(EDS, cluster("api"))
    await two.accept(EDS, cluster("api"))
    await three.subscribe(EDS, WEB)
    await three.accept(EDS, WEB)
    plane.apply(slice_of("web", "10.0.0.2"))
    await one.accept(EDS, WEB)
    await three.accept(EDS, WEB)
    await two.expect_nothing()
    assert [each.stream.node.id for each in plane.ads.proxies() if each.stream.node] == ["same"] * 3


async def test_delta_and_state_of_the_world_get_the_same_resources(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    delta, sotw = await plane.proxy(Variant.DELTA, "delta"), await plane.proxy(Variant.SOTW, "sotw")
    for type_ in (CDS, EDS, SDS, LDS):
        assert delta.versions(type_) == sotw.versions(type_)


async def test_a_late_proxy_gets_the_current_resources(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    early = await plane.proxy(variant, "early")
    plane.apply(slice_of("web", "10.0.0.2"))
    await early.accept(EDS, WEB)
    late = await plane.proxy(variant, "late")
    assert late.versions(EDS) == early.versions(EDS)
    await early.expect_nothing()
    await late.expect_nothing()


async def test_a_disconnected_proxy_is_forgotten(plane: Plane, variant: Variant) -> None:
    """Killed or closed: unanswered responses keep nothing alive."""
    plane.apply(*site("web"))
    killed, ended, stays = [await plane.proxy(variant, node) for node in ("killed", "ended", "stays")]
    assert plane.ads.connected == 3
    plane.apply(slice_of("web", "10.0.0.2"))
    await killed.close()
    await ended.expect(EDS, WEB)
    await ended.done()
    await ended.expect_end()
    await until(lambda: plane.ads.connected == 1)
    await stays.accept(EDS, WEB)
    assert [each.stream.node.id for each in plane.ads.proxies() if each.stream.node] == ["stays"]


async def test_fifty_proxies_share_an_encoded_response(plane: Plane, variant: Variant) -> None:
    """Streams with the same subscription share the same bytes."""
    plane.apply(*site("web"))
    clients = [await plane.proxy(variant, f"envoy-{number}") for number in range(50)]
    plane.apply(slice_of("web", "10.0.0.2"))
    received = [await client.accept(EDS, WEB) for client in clients]
    assert len({each.nonce for each in received}) == 1


async def test_disconnected_clients_leave_no_state(plane: Plane) -> None:
    plane.apply(*site("web"))
    for number in range(20):
        client = plane.delta(f"envoy-{number}")
        await client.subscribe(CDS)
        await client.expect(CDS, WEB)
        await client.close()
    await until(lambda: plane.ads.connected == 0)
    assert list(plane.ads.proxies()) == []


async def test_removed_resources_are_not_kept_encoded(plane: Plane) -> None:
    """The encoder forgets resources that no stream, snapshot, revision of the history or last good version has."""
    encoder: wire.Encoder = plane.ads._encoder
    client = await plane.proxy(Variant.DELTA)
    empty = len(encoder._entries)
    for number in range(5):
        plane.apply(*site(f"site-{number}"))
        other = plane.delta(f"envoy-{number}")
        await plane.follow(other)
        plane.delete(*site(f"site-{number}"))
        await other.close()
    await client.close()
    await until(lambda: plane.ads.connected == 0)
    plane.pipeline.store._history.clear()
    plane.last_good.served._history.clear()
    plane.last_good._removed.clear()
    gc.collect()
    assert len(encoder._entries) <= empty + 1
