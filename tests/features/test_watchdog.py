"""The treatment of a stuck proxy: its status shows the reason, and its stream is ended once. The criteria are in
tests/protocol/test_stuck.
"""

import pytest
from grpc import StatusCode

from tests.support.ads_client import EDS
from tests.support.objects import slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.protocol.messages import Variant
from xds.protocol.stuck import StuckReason


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.protocol.stuck.ACK_DEADLINE_SECONDS", 0.0)


def look(plane: Plane) -> None:
    for stream in list(plane.ads._streams):
        plane.ads.watchdog.check(stream)


async def test_a_silent_proxy_is_reported_and_loses_its_stream_once(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    for life in range(2):
        client = await plane.proxy(variant)
        plane.apply(slice_of("web", f"10.0.0.{life + 2}"))
        await client.expect(EDS, cluster("web"))
        await until(lambda: [each.type for each in plane.status().types if each.in_flight] == [EDS])
        look(plane)
        assert plane.ads.watchdog.stuck_counts() == {
            StuckReason.SILENT: 1,
            StuckReason.NOT_SUBSCRIBED: 0,
            StuckReason.FLAPPING: 0,
            StuckReason.UNSUPPORTED: 0,
        }
        ((status,),) = (each.stuck for each in plane.ads.proxies())
        assert (status.reason, status.type) == (StuckReason.SILENT, EDS)
        if life == 0:
            code, words = await client.expect_end()
            assert code is StatusCode.UNAVAILABLE
            assert "silent: eds" in words
            await until(lambda: plane.ads.connected == 0)
            assert plane.ads.watchdog.stuck_counts()[StuckReason.SILENT] == 0
        else:
            look(plane)
            await client.expect_nothing()


async def test_a_synced_proxy_keeps_its_stream(plane: Plane, variant: Variant) -> None:
    plane.apply(*site("web"))
    client = await plane.proxy(variant)
    await until(lambda: all(each.settled for each in plane.status().types))
    look(plane)
    await client.expect_nothing()
    assert sum(plane.ads.watchdog.stuck_counts().values()) == 0


async def test_proxies_are_counted_that_are_behind_and_that_reject(
    plane: Plane, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.protocol.stuck.ACK_DEADLINE_SECONDS", 3600.0)
    monkeypatch.setattr("xds.server.watchdog.BEHIND_SECONDS", 0.0)
    plane.apply(*site("web"))
    rejecting, behind, synced = [await plane.proxy(variant, f"envoy-{number}") for number in range(3)]
    await until(lambda: all(each.settled for number in range(3) for each in plane.status(f"envoy-{number}").types))
    await plane.ads.watchdog.check_all()
    assert (plane.ads.behind_counts(), plane.ads.rejecting_counts()) == ({}, {})
    plane.apply(slice_of("web", "10.0.0.9"))
    await rejecting.reject(EDS, cluster("web"))
    await behind.expect(EDS, cluster("web"))
    await synced.accept(EDS, cluster("web"))
    await until(lambda: plane.status_of(EDS, "envoy-0").rejected_count == 1)
    await until(lambda: plane.status_of(EDS, "envoy-2").settled)
    await plane.ads.watchdog.check_all()
    assert plane.ads.rejecting_counts() == {EDS: 1}
    assert plane.ads.behind_counts() == {EDS: 1}
    await behind.close()
    await until(lambda: plane.ads.connected == 2)
    await plane.ads.watchdog.check_all()
    assert plane.ads.behind_counts() == {}
