"""The Services of `--gateway-services`: target ports, documents, and the writer against a mock of the API server.

Covers: target ports stay and are nobody else's, with any sequence of Gateways and leaders; deletion only of Services
whose Gateway is gone; failures. Excludes: what a Gateway asks for (tests/translate/gateway/test_services.py), a real
API server (tests/cluster/test_gateway_services.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_api import FakeApi, unavailable
from xds.problems.problem import Key
from xds.reporting import gateway_service_writer
from xds.reporting.gateway_service import assign, gateway_of, manifest, targets_of
from xds.reporting.gateway_service_writer import GatewayServiceWriter
from xds.reporting.lease import Leadership
from xds.reporting.outcome import Outcome
from xds.traffic.layer4 import Transport
from xds.translate.gateway.listening.service_record import GatewayPort, service_name
from xds.translate.gateway.listening.services import GatewayService
from xds.translate.gateway.options import TargetPorts

EDGE, OTHER = Key("shop", "edge"), Key("team", "other")
SERVICES = "/api/v1/namespaces/fleet/services"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces"
PUBLISHED = {"spec": {"type": "LoadBalancer", "selector": {"app": "envoy"}, "externalTrafficPolicy": "Local"}}
WITHIN = TargetPorts(20000, 20003)
HTTP, HTTPS, DNS = GatewayPort(80), GatewayPort(443), GatewayPort(53, Transport.UDP)


def of(gateway: Key, *ports: GatewayPort, **fields: Any) -> GatewayService:
    return GatewayService(gateway, frozenset(ports or (HTTP,)), **fields)


# Target ports


def test_recorded_target_ports_stay_and_new_ones_are_the_first_that_are_free() -> None:
    assert assign([HTTP, HTTPS, DNS], {HTTPS: 20001}, {20000}, WITHIN) == {HTTPS: 20001, DNS: 20002, HTTP: 20003}


def test_ports_are_left_out_once_target_ports_are_used_up() -> None:
    assert assign([HTTP, HTTPS], {}, {20000, 20001, 20002}, WITHIN) == {HTTP: 20003}


def test_a_recorded_target_port_that_another_gateway_has_is_given_up() -> None:
    assert assign([HTTP], {HTTP: 20000}, {20000}, WITHIN) == {HTTP: 20001}
    assert assign([HTTP], {HTTP: 9}, set(), WITHIN) == {HTTP: 20000}


ports = st.sets(st.builds(GatewayPort, st.integers(1, 4), st.sampled_from(Transport)))


@given(st.lists(st.tuples(st.sampled_from("abc"), ports), max_size=8))
def test_no_target_port_has_two_owners_after_any_sequence_of_changes(steps: list[tuple[str, set[GatewayPort]]]) -> None:
    records: dict[str, dict[GatewayPort, int]] = {}
    for name, wanted in steps:
        taken = {target for other, each in records.items() if other != name for target in each.values()}
        before = records.get(name, {})
        after = records[name] = assign(wanted, before, taken, TargetPorts(1, 40))
        assert after.keys() == wanted
        assert all(after[port] == before[port] for port in after.keys() & before.keys())
        used = [target for each in records.values() for target in each.values()]
        assert len(used) == len(set(used))


# Documents


def test_a_service_is_like_that_of_the_fleet() -> None:
    wanted = of(EDGE, HTTP, DNS, labels={"team": "shop"}, annotations={"example.com/pool": "public"})
    body = manifest(wanted, {HTTP: 20000, DNS: 20001}, PUBLISHED, "fleet", "xds-ingress")
    assert body["metadata"] == {
        "name": service_name(EDGE),
        "namespace": "fleet",
        "labels": {
            "team": "shop",
            "gateway.networking.k8s.io/gateway-name": "edge",
            "xds-ingress.dev/gateway-namespace": "shop",
            "app.kubernetes.io/managed-by": "xds-ingress",
        },
        "annotations": {"example.com/pool": "public", "gateway.xds-ingress.dev/owner": "shop/edge"},
    }
    assert body["spec"] == {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": {"app": "envoy"},
        "ports": [
            {"name": "udp-53", "port": 53, "protocol": "UDP", "targetPort": 20001},
            {"name": "tcp-80", "port": 80, "protocol": "TCP", "targetPort": 20000},
        ],
    }
    assert targets_of(body) == {HTTP: 20000, DNS: 20001}
    assert gateway_of(body) == EDGE


def test_infrastructure_can_not_take_over_the_labels_of_the_record() -> None:
    taken = {"app.kubernetes.io/managed-by": "nobody", "xds-ingress.dev/gateway-namespace": "kube-system"}
    body = manifest(of(EDGE, labels=taken), {HTTP: 20000}, PUBLISHED, "fleet", "xds-ingress")
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "xds-ingress"
    assert gateway_of(body) == EDGE


def test_infrastructure_can_not_expose_ports_of_the_fleet() -> None:
    wanted = of(EDGE, annotations={"xds-ingress.dev/expose": "5432", "example.com/pool": "public"})
    body = manifest(wanted, {HTTP: 20000}, PUBLISHED, "fleet", "xds-ingress")
    assert body["metadata"]["annotations"].keys() == {"example.com/pool", "gateway.xds-ingress.dev/owner"}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}),
        ({"type": "NodePort"}, {"type": "NodePort", "externalTrafficPolicy": "Local"}),
        ({"type": "ClusterIP"}, {"type": "ClusterIP"}),
    ],
)
def test_parameters_win_and_fields_that_the_type_lacks_go(chosen: dict[str, str], expected: dict[str, str]) -> None:
    body = manifest(of(EDGE, parameters=chosen), {HTTP: 20000}, PUBLISHED, "fleet", "xds-ingress")
    assert {name: body["spec"][name] for name in body["spec"].keys() - {"selector", "ports"}} == expected


def test_a_fleet_behind_an_external_name_has_load_balancers() -> None:
    body = manifest(of(EDGE), {HTTP: 20000}, {"spec": {"type": "ExternalName"}}, "fleet", "xds-ingress")
    assert body["spec"]["type"] == "LoadBalancer"


@pytest.mark.parametrize("annotation", ["", "shop", "shop/else"])
def test_other_services_are_no_gateways(annotation: str) -> None:
    body = manifest(of(EDGE), {HTTP: 20000}, PUBLISHED, "fleet", "xds-ingress")
    body["metadata"]["annotations"] = {"gateway.xds-ingress.dev/owner": annotation}
    assert gateway_of(body) is None


# The writer


@dataclass
class Site:
    api: FakeApi
    writer: GatewayServiceWriter
    wanted: dict[Key, GatewayService]
    given_up: set[Key] = field(default_factory=set)

    def want(self, *services: GatewayService) -> None:
        """The Gateways exist, with these Services."""
        self.wanted.clear()
        for each in services:
            self.wanted[each.gateway] = each
            self.api.put(f"{GATEWAYS}/{each.gateway.namespace}/gateways/{each.gateway.name}", {})
        self.writer.note()

    def drop(self, gateway: Key) -> None:
        """The Gateway is no longer served."""
        del self.wanted[gateway]
        self.writer.note()

    def targets(self, gateway: Key) -> dict[int, int]:
        found = self.api.objects.get(f"{SERVICES}/{service_name(gateway)}", {})
        return {port.port: target for port, target in targets_of(found).items()}

    async def rounds(self) -> None:
        """Let the writer make some rounds."""
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def site(api: FakeApi, *services: GatewayService) -> AsyncIterator[Site]:
    api.put(f"{SERVICES}/envoy", PUBLISHED)
    leadership = Leadership(api, Key("fleet", "xds-ingress"), "me")
    given_up = set[Key]()
    wanted = dict[Key, GatewayService]()
    writer = GatewayServiceWriter(
        api,
        leadership,
        wanted,
        given_up.__contains__,
        published=Key("fleet", "envoy"),
        within=WITHIN,
        manager="xds-ingress",
    )
    made = Site(api, writer, wanted, given_up)
    made.want(*services)
    tasks = [asyncio.create_task(each) for each in (leadership.run(), writer.run())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_service_writer, "ROUND_SECONDS", 0.001)
    monkeypatch.setattr(gateway_service_writer, "RESYNC_SECONDS", 0.01)
    monkeypatch.setattr(gateway_service_writer, "DELETION_GRACE_SECONDS", 0.01)
    monkeypatch.setattr("xds.kubeapi.backoff.FIRST_DELAY_SECONDS", 0.001)


async def test_each_gateway_gets_a_service_that_stays_over_leaders() -> None:
    api = FakeApi()
    async with site(api, of(EDGE), of(OTHER)) as it:
        await api.until(lambda: it.targets(EDGE) and it.targets(OTHER))
        first, second = it.targets(EDGE), it.targets(OTHER)
        assert first[80] != second[80]
        await it.rounds()
        assert (it.targets(EDGE), it.targets(OTHER)) == (first, second)
    async with site(api, of(OTHER), of(EDGE, HTTP, HTTPS)) as it:
        await api.until(lambda: 443 in it.targets(EDGE))
        assert (it.targets(EDGE)[80], it.targets(OTHER)) == (first[80], second)


async def test_a_service_whose_gateway_is_gone_is_deleted_also_by_a_later_leader() -> None:
    api = FakeApi()
    async with site(api, of(EDGE), of(OTHER)) as it:
        await api.until(lambda: it.targets(EDGE) and it.targets(OTHER))
        del api.objects[f"{GATEWAYS}/shop/gateways/edge"]
        it.drop(EDGE)
        await api.until(lambda: not it.targets(EDGE))
    del api.objects[f"{GATEWAYS}/team/gateways/other"]
    async with site(api) as it:
        await api.until(lambda: not it.targets(OTHER))
        assert f"{SERVICES}/envoy" in api.objects


async def test_services_of_another_installation_stay_with_their_target_ports() -> None:
    api = FakeApi()
    theirs = manifest(of(OTHER), {HTTP: 20000}, PUBLISHED, "fleet", "other")
    api.put(f"{SERVICES}/{service_name(OTHER)}", theirs)
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.targets(EDGE))
        await it.rounds()
        assert (it.targets(EDGE), it.targets(OTHER)) == ({80: 20001}, {80: 20000})


async def test_a_gateway_created_again_keeps_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_service_writer, "DELETION_GRACE_SECONDS", 0.2)
    api = FakeApi()
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.targets(EDGE))
        del api.objects[f"{GATEWAYS}/shop/gateways/edge"]
        it.drop(EDGE)
        await it.rounds()
        it.want(of(EDGE, HTTP, HTTPS))
        await api.until(lambda: len(it.targets(EDGE)) == 2)
        await asyncio.sleep(0.3)
        assert it.targets(EDGE)[80] == 20000
        assert not [each for each in api.log if each[0] == "DELETE"]


async def test_the_service_of_a_gateway_that_exists_stays_until_the_gateway_is_given_up() -> None:
    api = FakeApi()
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.targets(EDGE))
        it.drop(EDGE)
        await it.rounds()
        assert it.targets(EDGE)
        it.given_up.add(EDGE)
        await api.until(lambda: not it.targets(EDGE))


async def test_nothing_is_deleted_while_the_kinds_are_gone_or_the_api_server_fails() -> None:
    api = FakeApi()
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.targets(EDGE))
        del api.objects[f"{GATEWAYS}/shop/gateways/edge"]
        for status in (404, 403, 500):
            api.refuse = lambda _method, path, status=status: (status, {}) if "gateways" in path else None  # type: ignore[misc]
            it.wanted.pop(EDGE, None)
            it.writer.note()
            await it.rounds()
            assert it.targets(EDGE)
        api.refuse = lambda _method, _path: None
        await api.until(lambda: not it.targets(EDGE))


async def test_a_rejected_service_does_not_stop_the_others() -> None:
    api = FakeApi()
    refused = f"{SERVICES}/{service_name(EDGE)}"
    api.refuse = lambda method, path: (422, {"message": "bad annotation"}) if path == refused else None
    async with site(api, of(EDGE), of(OTHER)) as it:
        await api.until(lambda: it.targets(OTHER))
        assert it.writer.writes[Outcome.REJECTED] > 0
        api.refuse = lambda _method, _path: None
        await api.until(lambda: it.targets(EDGE))


async def test_a_forbidden_write_is_tried_again() -> None:
    api = FakeApi()
    api.refuse = lambda method, path: (403, {}) if method == "PATCH" and "/services/" in path else None
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.writer.failed_writes)
        api.refuse = lambda _method, _path: None
        await api.until(lambda: it.targets(EDGE))
        await it.rounds()
        assert not it.writer.failed_writes


async def test_nothing_is_written_before_all_services_are_listed() -> None:
    api = FakeApi()
    api.refuse = lambda method, path: unavailable(method, path) if path == SERVICES else None
    async with site(api, of(EDGE)) as it:
        await it.rounds()
        assert not api.writes("/services")
        api.refuse = lambda _method, _path: None
        await api.until(lambda: it.targets(EDGE))


async def test_a_service_that_somebody_deleted_comes_back() -> None:
    api = FakeApi()
    async with site(api, of(EDGE)) as it:
        await api.until(lambda: it.targets(EDGE))
        del api.objects[f"{SERVICES}/{service_name(EDGE)}"]
        await api.until(lambda: it.targets(EDGE))


async def test_ports_beyond_the_target_ports_are_left_out() -> None:
    api = FakeApi()
    async with site(api, of(EDGE, *(GatewayPort(port) for port in range(1, 7)))) as it:
        await api.until(lambda: it.targets(EDGE))
        assert sorted(it.targets(EDGE).values()) == [20000, 20001, 20002, 20003]
        it.want(of(EDGE, GatewayPort(1)), of(OTHER))
        await api.until(lambda: len(it.targets(EDGE)) == 1 and it.targets(OTHER))
