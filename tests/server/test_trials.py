"""Trials on the event loop: a request during a trial leaves queued streams in their turns, and the timer as it is.

Excludes the rounds (tests/protocol/rejection) and their effect on proxies (tests/features/test_rejection_reports.py).
"""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.ads_client import EDS, DeltaClient
from tests.support.objects import slice_of
from tests.support.plane import Plane, cluster, site
from tests.support.waiting import until
from xds.protocol.fleet import BuildFleet
from xds.server.trials import Trials

WEB, API = cluster("web"), cluster("api")
NODES = ("one", "two", "three", "four", "five")


@pytest.fixture(autouse=True)
def endless_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.protocol.rejection.trial.ROUND_SECONDS", 3600.0)


def trials_of(plane: Plane) -> tuple[Trials, BuildFleet]:
    (build,) = plane.ads._fleet.builds
    return plane.ads._trials, build


@contextlib.asynccontextmanager
async def on_trial() -> AsyncIterator[tuple[Plane, list[DeltaClient]]]:
    """A version on trial that the first proxy rejected, with an open round: the others still have to answer an earlier
    response.
    """
    async with Plane(*site("web"), *site("api")) as plane:
        clients = [await plane.delta_proxy(node) for node in NODES]
        plane.apply(slice_of("api", "10.0.0.2"))
        await clients[0].accept(EDS, API)
        plane.apply(slice_of("web", "10.0.0.2"))
        await clients[0].reject(EDS, WEB)
        await until(lambda: plane.last_good.is_any_on_trial)
        yield plane, clients


async def test_a_request_during_a_trial_leaves_queued_streams_in_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_trial() as (plane, _):
        monkeypatch.setattr("xds.server.fanout.LARGE_REVISION_CHANGES", 1)
        monkeypatch.setattr("xds.server.fanout.PUSH_SLICE_SECONDS", 0.0)
        trials, build = trials_of(plane)
        plane.apply(slice_of("api", "10.0.0.3"))
        queued = list(plane.ads._fanout.queued)
        assert len(queued) == len(NODES) - 1
        trials.advance(build)
        assert list(plane.ads._fanout.queued) == queued


async def test_the_timer_of_a_round_stays_during_the_round() -> None:
    async with on_trial() as (plane, _):
        trials, build = trials_of(plane)
        trials.advance(build)
        timer = trials._timers.get(build)
        assert timer is not None
        trials.advance(build)
        assert trials._timers[build] is timer


async def test_the_timer_ends_with_the_trial() -> None:
    async with on_trial() as (plane, _):
        trials, build = trials_of(plane)
        plane.apply(slice_of("web", "10.0.0.3"))
        trials.advance(build)
        assert not trials._timers
