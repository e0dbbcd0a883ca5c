"""The Lease against a mock of the API server.

Covers: what is sent and how answers are understood, that only the holder writes, and that the Lease is given up.
Excludes: who may hold it when (test_election.py), a real API server (tests/cluster/test_report.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fake_api import FakeApi, unavailable
from tests.support.waiting import until
from xds.problems.problem import Key
from xds.reporting import lease
from xds.reporting.election import TERMS
from xds.reporting.lease import Leadership, NotLeader
from xds.reporting.outcome import Outcome

NAME = Key("xds", "xds-ingress")
COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/xds/leases"
PATH = f"{COLLECTION}/xds-ingress"


@contextlib.asynccontextmanager
async def standing(api: FakeApi, identity: str = "me") -> AsyncIterator[Leadership]:
    leadership = Leadership(api, NAME, identity)
    task = asyncio.create_task(leadership.run())
    yield leadership
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def spec(api: FakeApi) -> dict[str, Any]:
    found = api.objects[PATH]["spec"]
    assert isinstance(found, dict)
    return found


async def test_the_lease_is_made_held_and_given_up() -> None:
    api = FakeApi()
    async with standing(api) as me:
        await me.elected()
        assert [(method, path) for method, path, _ in api.log] == [("GET", PATH), ("POST", COLLECTION)]
        held = spec(api)
        assert (held["holderIdentity"], held["leaseDurationSeconds"], held["leaseTransitions"]) == ("me", 15, 0)
        assert held["acquireTime"]
        assert held["renewTime"]
    assert not me.is_leader()
    assert "holderIdentity" not in spec(api)


async def test_a_released_lease_is_taken_with_foreign_fields_kept() -> None:
    api = FakeApi()
    api.put(PATH, {"metadata": {"labels": {"team": "edge"}}, "spec": {"leaseTransitions": 4}})
    async with standing(api) as me:
        await me.elected()
        assert (spec(api)["holderIdentity"], spec(api)["leaseTransitions"]) == ("me", 5)
        assert api.objects[PATH]["metadata"]["labels"] == {"team": "edge"}


async def test_a_renewal_keeps_the_acquire_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(lease, "boot_time", lambda: float(next(clock)))
    api = FakeApi()
    async with standing(api) as me:
        await me.elected()
        since = spec(api)["acquireTime"]
        await api.until(lambda: len(api.writes("/leases")) >= 3)
        assert spec(api)["acquireTime"] == since
        assert spec(api)["renewTime"] > since


async def test_only_the_holder_writes() -> None:
    api = FakeApi()
    api.put(PATH, {"spec": {"holderIdentity": "another"}})
    async with standing(api) as me:
        await api.until(lambda: api.log)
        with pytest.raises(NotLeader):
            await me.write("POST", "/somewhere", {})
    assert not api.writes("")


async def test_a_write_ends_before_another_may_write() -> None:
    timeouts: list[float] = []

    class Slow(FakeApi):
        async def request(self, *args: Any, **how: Any) -> tuple[int, dict[str, Any]]:
            timeouts.append(how["timeout"])
            return await super().request(*args, **how)

    api = Slow()
    async with standing(api) as me:
        await me.elected()
        await me.write("POST", "/events", {"metadata": {"name": "a"}})
    assert max(timeouts) < TERMS.duration - TERMS.deadline


@pytest.mark.parametrize("answer", [(500, {}), (403, {"message": "no"}), (200, {}), (200, {"spec": []}), None])
async def test_useless_answers_elect_no_leader(answer: Any) -> None:
    api = FakeApi(refuse=lambda method, path: answer or unavailable(method, path))
    async with standing(api) as me:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await me.elected()
        assert not me.is_leader()


async def test_an_unreachable_api_server_does_not_delay_the_shutdown() -> None:
    api = FakeApi()
    async with standing(api) as me:
        await me.elected()
        api.refuse = unavailable
    assert not me.is_leader()
    assert spec(api)["holderIdentity"] == "me"


async def test_two_candidates_for_a_lease() -> None:
    api = FakeApi()
    async with standing(api, "a") as a:
        await a.elected()
        async with standing(api, "b") as b:
            await api.until(lambda: len(api.log) >= 3)
            assert (a.is_leader(), b.is_leader()) == (True, False)


async def test_writes_are_counted_by_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(lease, "boot_time", lambda: float(next(clock)))
    api = FakeApi()
    async with standing(api) as me:
        await me.elected()
        assert me.writes[Outcome.WRITTEN] == 1
        assert me.writes[Outcome.FAILED] == me.writes[Outcome.CONFLICTED] == 0
        api.refuse = lambda method, _: (409, {}) if method == "PATCH" else None
        await until(lambda: me.writes[Outcome.CONFLICTED] > 0)
        api.refuse = lambda method, _: (500, {}) if method == "PATCH" else None
        await until(lambda: me.writes[Outcome.FAILED] > 0)
    assert me.writes[Outcome.REJECTED] == 0
