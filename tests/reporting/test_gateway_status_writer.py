"""The writer of statuses of the Gateway API against a mock of the API server.

Covers: writes on change only, foreign entries and conditions, conflicts, outages, the rate, objects created again.
Excludes: patches (test_gateway_status.py), a real API server (tests/cluster/test_gateway_status.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.support.fake_api import FakeApi, Object, unavailable
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import Gateway, GatewayMetadata, GatewaySpec, HTTPRoute, ParentReference
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef
from xds.reporting import gateway_status_writer
from xds.reporting.gateway_status_writer import GatewayStatusWriter
from xds.reporting.lease import Leadership
from xds.reporting.outcome import Outcome
from xds.translate.gateway.status import (
    Condition,
    GatewayStatus,
    ListenerStatus,
    ParentStatus,
    RouteStatus,
    WantedStatus,
)

GROUP = "/apis/gateway.networking.k8s.io/v1/namespaces/shop"
EDGE, WEB = ObjectRef("Gateway", "shop", "edge"), ObjectRef("HTTPRoute", "shop", "web")
PATHS = {EDGE: f"{GROUP}/gateways/edge", WEB: f"{GROUP}/httproutes/web"}
ACCEPTED = Condition("Accepted", status=True, reason="Accepted")


def of_gateway(routes: int = 0, generation: int = 1) -> GatewayStatus:
    return GatewayStatus(generation, (ACCEPTED,), (ListenerStatus("http", (), routes, (ACCEPTED,)),))


def of_route(generation: int = 1) -> RouteStatus:
    return RouteStatus(generation, (ParentStatus(ParentReference("edge"), (ACCEPTED,)),))


@dataclass
class Site:
    api: FakeApi
    writer: GatewayStatusWriter
    wanted: dict[ObjectRef, WantedStatus]
    state: KubeState
    uids: dict[ObjectRef, int] = field(default_factory=dict)

    def create(self, about: ObjectRef) -> None:
        """Create an object, or create one again after a deletion."""
        self.uids[about] = self.uids.get(about, 0) + 1
        metadata = GatewayMetadata(about.name, about.namespace, str(self.uids[about]), generation=1)
        spec = GatewaySpec("envoy")
        made = Gateway(metadata, spec) if about is EDGE else HTTPRoute(metadata)
        self.state.apply(Applied(made))
        self.api.objects.pop(PATHS[about], None)
        self.api.put(PATHS[about], {"metadata": {"uid": metadata.uid, "generation": 1}})

    def want(self, about: ObjectRef, status: WantedStatus | None) -> None:
        if status is None:
            del self.wanted[about]
        else:
            self.wanted[about] = status
        self.writer.note(about)

    def status(self, about: ObjectRef) -> Object:
        found: Object = self.api.objects[PATHS[about]].get("status", {})
        return found

    def has_status(self, about: ObjectRef) -> bool:
        return bool(self.status(about))

    def routes(self) -> int | None:
        listeners = self.status(EDGE).get("listeners") or [{"attachedRoutes": None}]
        count: int | None = listeners[0]["attachedRoutes"]
        return count

    async def settle(self) -> None:
        """Let the writer come to rest."""
        for _ in range(100):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def site(*existing: ObjectRef) -> AsyncIterator[Site]:
    api, state, wanted = FakeApi(), KubeState(), dict[ObjectRef, WantedStatus]()
    leadership = Leadership(api, Key("xds", "xds-ingress"), "me")
    writer = GatewayStatusWriter(api, leadership, wanted, state, manager="xds-ingress")
    made = Site(api, writer, wanted, state)
    for each in existing:
        made.create(each)
        wanted[each] = of_gateway() if each is EDGE else of_route()
    tasks = [asyncio.create_task(each) for each in (leadership.run(), writer.run())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_statuses_are_written_at_the_start_of_a_term_and_on_change_only() -> None:
    async with site(EDGE, WEB) as it:
        await it.api.until(lambda: it.has_status(EDGE) and it.has_status(WEB))
        it.writer.note(EDGE)
        it.writer.note(WEB)
        await it.settle()
        assert len(it.api.writes("gateway.networking")) == 2
        [parent] = it.status(WEB)["parents"]
        assert parent["controllerName"] == "xds-ingress.dev/gateway-controller"
        assert it.writer.writes[Outcome.WRITTEN] == 2


async def test_a_status_that_is_as_wanted_is_not_written_again_by_a_new_leader() -> None:
    async with site(EDGE) as it:
        await it.api.until(lambda: it.has_status(EDGE))
        stored = it.api.objects[PATHS[EDGE]]
    async with site() as it:
        it.create(EDGE)
        it.api.objects[PATHS[EDGE]] = stored
        it.want(EDGE, of_gateway())
        await it.api.until(lambda: any(path.endswith("/gateways") for _, path, _ in it.api.log))
        await it.settle()
        assert not it.api.writes("gateway.networking")


async def test_changes_within_a_second_are_written_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_status_writer, "OBJECT_INTERVAL_SECONDS", 0.05)
    async with site(EDGE) as it:
        await it.api.until(lambda: it.has_status(EDGE))
        for count in range(1, 100):
            it.want(EDGE, of_gateway(count))
            await asyncio.sleep(0)
        await it.api.until(lambda: it.routes() == 99)
        assert len(it.api.writes("gateways")) == 2


async def test_an_object_created_again_gets_its_status_again() -> None:
    async with site(WEB) as it:
        await it.api.until(lambda: it.has_status(WEB))
        it.state.apply(Deleted(HTTPRoute, WEB.key))
        it.writer.remove(WEB)
        it.create(WEB)
        it.want(WEB, of_route())
        await it.api.until(lambda: it.has_status(WEB))


async def test_an_entry_of_a_route_that_is_no_longer_ours_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_status_writer, "OBJECT_INTERVAL_SECONDS", 0.05)
    async with site(WEB) as it:
        await it.api.until(lambda: it.has_status(WEB))
        it.api.put(PATHS[WEB], {"status": {"parents": [*it.status(WEB)["parents"], foreign_entry()]}})
        it.want(WEB, None)
        await it.api.until(lambda: it.status(WEB)["parents"] == [foreign_entry()])


def foreign_entry() -> dict[str, Any]:
    conditions = [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}]
    return {"parentRef": {"name": "other"}, "controllerName": "example.com/other", "conditions": conditions}


async def test_a_conflict_is_solved_by_reading_again() -> None:
    async with site(EDGE) as it:
        conflicts = iter(range(2))

        def conflict(method: str, path: str) -> tuple[int, Object] | None:
            if method == "PATCH" and "gateways" in path and next(conflicts, None) is not None:
                it.api.put(PATHS[EDGE], {"status": {"conditions": [{"type": "example.com/Up", "status": "True"}]}})
                return 409, {}
            return None

        it.api.refuse = conflict
        await it.api.until(lambda: len(it.status(EDGE).get("conditions", ())) == 2)
        assert it.writer.writes[Outcome.CONFLICTED] == 2
        assert [each["type"] for each in it.status(EDGE)["conditions"]] == ["example.com/Up", "Accepted"]


async def test_an_object_that_is_gone_is_left_alone() -> None:
    async with site(EDGE, WEB) as it:
        del it.api.objects[PATHS[WEB]]
        await it.api.until(lambda: it.has_status(EDGE))
        await it.settle()
        assert not it.writer.failed_writes
        assert PATHS[WEB] not in it.api.objects


async def test_a_forbidden_status_is_tried_again_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.kubeapi.backoff.FIRST_DELAY_SECONDS", 0.01, raising=False)
    async with site(EDGE, WEB) as it:
        it.api.refuse = lambda method, path: (403, {}) if method == "PATCH" and "gateways" in path else None
        await it.api.until(lambda: it.has_status(WEB) and it.writer.failed_writes)
        it.api.refuse = lambda _method, _path: None
        await it.api.until(lambda: it.has_status(EDGE))
        await it.settle()
        assert not it.writer.failed_writes


async def test_an_unreachable_api_server_is_asked_again() -> None:
    async with site(EDGE) as it:
        it.api.refuse = lambda method, path: unavailable(method, path) if "gateway.networking" in path else None
        await it.settle()
        it.api.refuse = lambda _method, _path: None
        await it.api.until(lambda: it.has_status(EDGE))


async def test_a_newer_generation_is_left_to_the_next_translation() -> None:
    async with site(EDGE) as it:
        await it.api.until(lambda: it.has_status(EDGE))
        newer = [each | {"observedGeneration": 2} for each in it.status(EDGE)["conditions"]]
        it.api.put(PATHS[EDGE], {"metadata": {"generation": 2}, "status": {"conditions": newer}})
        refused = replace(of_gateway(), conditions=(replace(ACCEPTED, status=False, reason="Invalid"),))
        it.want(EDGE, refused)
        await it.settle()
        assert it.status(EDGE)["conditions"] == newer
