"""The status of Ingresses.

Covers: addresses; whose a status is; what is written and what is left alone; and the writer against a mock of the API
server: on change only, other hands, conflicts, the Service of --publish-service, outages.
Excludes: what a real API server makes of it (tests/cluster/test_report.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_api import FakeApi, Object, managed, unavailable
from tests.support.waiting import until
from xds.kubeapi import backoff
from xds.problems.problem import Key, Problem
from xds.reporting import status_writer
from xds.reporting.failed_writes import FAILING_OBJECTS_OF_NAMESPACE
from xds.reporting.lease import Leadership
from xds.reporting.outcome import Outcome, no_writes
from xds.reporting.status import (
    LoadBalancerAddress,
    ObservedStatus,
    PublishOptions,
    ReadStatus,
    StatusQueue,
    WriteStatus,
    addresses_of,
    status_patch,
)
from xds.reporting.status_writer import StatusWriter

WEB = Key("shop", "web")
OURS, OTHERS = (LoadBalancerAddress(ip="192.0.2.7"),), (LoadBalancerAddress(hostname="lb.example.com"),)
GROUP = "/apis/networking.k8s.io/v1"
PATH = f"{GROUP}/namespaces/shop/ingresses/web"


def has(
    addresses: tuple[LoadBalancerAddress, ...] = (), *, ours: bool = False, uid: str = "u", version: str = "1"
) -> ObservedStatus:
    return ObservedStatus(uid, version, addresses, ours)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", LoadBalancerAddress(ip="192.0.2.7")),
        ("2001:DB8::0:1", LoadBalancerAddress(ip="2001:db8::1")),
        ("lb-1.example.com", LoadBalancerAddress(hostname="lb-1.example.com")),
    ],
)
def test_an_ip_is_an_ip_and_anything_else_a_hostname(text: str, address: LoadBalancerAddress) -> None:
    assert LoadBalancerAddress.parse(text) == address


@pytest.mark.parametrize("text", ["", "192.0.2.256", "LB.example.com", "*.example.com", "a b", "a" * 254, "::g"])
def test_addresses_that_the_api_server_rejects_are_invalid(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        LoadBalancerAddress.parse(text)


def test_a_status_is_read_with_its_writers() -> None:
    entries = [{"ip": "192.0.2.7", "ipMode": "VIP"}, {"hostname": "lb.example.com", "ports": []}]
    document: dict[str, Any] = {
        "metadata": {"uid": "u", "resourceVersion": "7", "managedFields": managed("nginx")},
        "status": {"loadBalancer": {"ingress": entries}},
    }
    assert addresses_of(document) == (*OURS, *OTHERS)
    assert ObservedStatus.parse(document) == ObservedStatus("u", "7", (*OURS, *OTHERS), ours=False, writers=("nginx",))
    document["metadata"]["managedFields"] = managed("xds-ingress")
    assert ObservedStatus.parse(document).ours
    assert ObservedStatus.parse({"metadata": {"uid": "u", "resourceVersion": "7"}}) == has(version="7")


def test_a_patch_is_bound_to_a_version() -> None:
    assert status_patch("7", (*OURS, *OTHERS)) == {
        "metadata": {"resourceVersion": "7"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"hostname": "lb.example.com"}]}},
    }
    assert status_patch("7", ())["status"] == {"loadBalancer": {"ingress": None}}


def queue(*published: tuple[LoadBalancerAddress, ...]) -> StatusQueue:
    made = StatusQueue()
    for each in published:
        made.publish(each)
    return made


@pytest.mark.parametrize(
    ("what", "is_ours", "it_has", "wanted"),
    [
        ("new", True, has(), OURS),
        ("as it should be", True, has(OURS, ours=True), None),
        ("another wrote the same", True, has(OURS), None),
        ("another's, taken over by class", True, has(OTHERS), OURS),
        ("an earlier address of ours", True, has(OTHERS, ours=True), OURS),
        ("not ours and nothing there", False, has(), None),
        ("not ours any more", False, has(OURS, ours=True), ()),
        ("not ours, same address by another controller", False, has(OURS), None),
        ("not ours, by another installation of ours", False, has(OTHERS, ours=True), None),
        ("not ours, another's", False, has(OTHERS), None),
    ],
)
def test_the_status_that_an_ingress_needs(
    what: str, is_ours: bool, it_has: ObservedStatus, wanted: tuple[LoadBalancerAddress, ...] | None
) -> None:
    it = queue(OURS)
    it.observe(WEB, it_has)
    assert it.next_step(WEB, "u" if is_ours else None) == (None if wanted is None else WriteStatus(WEB, it_has, wanted))


def test_without_an_address_only_statuses_published_here_are_cleared() -> None:
    it = queue(OURS, ())
    it.observe(WEB, has(OURS, ours=True))
    assert it.next_step(WEB, "u") == WriteStatus(WEB, has(OURS, ours=True), ())
    it.observe(WEB, has(OTHERS))
    assert it.next_step(WEB, "u") is None


def test_no_step_is_due_before_an_address_is_known() -> None:
    it = StatusQueue()
    it.observe(WEB, has(OTHERS, ours=True))
    assert it.next_step(WEB, "u") is None


def test_only_unknown_ingresses_of_our_class_are_read() -> None:
    it = queue(OURS)
    assert it.next_step(WEB, "u") == ReadStatus(WEB)
    assert it.next_step(WEB, None) is None
    it.observe(WEB, has(OURS, ours=True, uid="before"))
    assert it.next_step(WEB, "u") == ReadStatus(WEB)


def test_a_noted_ingress_is_checked_once() -> None:
    it = queue()
    it.note(WEB)
    it.note(WEB)
    assert [it.pop(), it.pop()] == [WEB, None]
    it.observe(WEB, has())
    it.publish(OURS)
    it.publish(OURS)
    assert [it.pop(), it.pop()] == [WEB, None]
    it.note(WEB)
    it.remove(WEB)
    assert it.pop() is None


addresses = st.sampled_from([(), OURS, OTHERS])


@given(
    published=st.lists(addresses, min_size=1), it_has=st.builds(has, addresses, ours=st.booleans()), mine=st.booleans()
)
def test_a_written_status_needs_no_further_step(
    published: list[tuple[LoadBalancerAddress, ...]], it_has: ObservedStatus, mine: bool
) -> None:
    it = queue(*published)
    it.observe(WEB, it_has)
    uid = "u" if mine else None
    step = it.next_step(WEB, uid)
    if step is not None:
        assert isinstance(step, WriteStatus)
        assert step.addresses != it_has.addresses
        it.observe(WEB, has(step.addresses, ours=True, version="2"))
        assert it.next_step(WEB, uid) is None


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@dataclass
class Site:
    """A writer that leads, and the mock."""

    api: FakeApi
    writer: StatusWriter
    ours: dict[Key, str] = field(default_factory=dict)

    problems: list[Problem] = field(default_factory=list)

    def ingress(
        self,
        name: str,
        status: list[dict[str, str]] | None = None,
        manager: str = "",
        namespace: str = "shop",
        **more: Any,
    ) -> Key:
        document: dict[str, Any] = {"metadata": {"managedFields": managed(manager)} if manager else {}, **more}
        if status is not None:
            document["status"] = {"loadBalancer": {"ingress": status}}
        self.api.put(f"{GROUP}/namespaces/{namespace}/ingresses/{name}", document)
        return Key(namespace, name)

    def own(self, *keys: Key) -> None:
        for key in keys:
            self.ours[key] = f"uid-{key.name}"
            self.writer.note(key)

    def status(self, name: str, namespace: str = "shop") -> Any:
        return (
            self.api.objects[f"{GROUP}/namespaces/{namespace}/ingresses/{name}"]
            .get("status", {})
            .get("loadBalancer", {})
            .get("ingress")
        )


@contextlib.asynccontextmanager
async def site(api: FakeApi, publish: PublishOptions, *namespaces: str) -> AsyncIterator[Site]:
    leadership = Leadership(api, Key("xds", "xds-ingress"), "me")
    ours: dict[Key, str] = {}
    problems: list[Problem] = []

    def report(found: tuple[Problem, ...]) -> None:
        problems[:] = found

    writer = StatusWriter(api, leadership, publish, ours.get, namespaces, report=report)
    it = Site(api, writer, ours, problems)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(leadership.run()), tasks.create_task(it.writer.run())]
        yield it
        for task in running:
            task.cancel()


async def test_an_ingress_of_our_class_is_written_once() -> None:
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        keys = [it.ingress(f"a{number}") for number in range(600)]
        it.ingress("others", [{"ip": "192.0.2.7"}], "nginx")
        it.own(*keys)
        await api.until(lambda: len(api.writes("/ingresses/")) == 600)
        for key in keys:
            it.writer.note(key)
        late = it.ingress("late")
        it.own(late)
        await api.until(lambda: it.status("late"))
        assert len(api.writes("/ingresses/")) == 601
        assert it.status("a0") == [{"ip": "192.0.2.7"}]


async def test_a_replica_that_does_not_lead_writes_no_status() -> None:
    api = FakeApi()
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15}
    api.put("/apis/coordination.k8s.io/v1/namespaces/xds/leases/xds-ingress", {"spec": spec})
    async with site(api, PublishOptions(OURS)) as it:
        it.own(it.ingress("web"))
        await api.until(lambda: api.log)
        assert not [each for each in api.log if "/leases" not in each[1]]


async def test_the_status_of_an_ingress_that_leaves_our_class_is_cleared_once() -> None:
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        web, other = it.ingress("web"), it.ingress("other", [{"ip": "192.0.2.7"}], "nginx")
        it.own(web)
        await api.until(lambda: it.status("web"))
        del it.ours[web]
        it.writer.note(web)
        it.writer.note(other)
        it.writer.note_all()
        await api.until(lambda: it.status("web") is None)
        it.own(it.ingress("late"))
        await api.until(lambda: it.status("late"))
        assert len(api.writes("/ingresses/")) == 3
        assert it.status("other") == [{"ip": "192.0.2.7"}]


async def test_a_status_is_read_and_written_again_after_a_conflict() -> None:
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        web = it.ingress("web")
        it.own(web)
        await api.until(lambda: it.status("web"))
        it.ingress("web", [{"ip": "203.0.113.9"}], "other")
        it.writer.note(web)  # an edit: what we saw last is thought to be there still
        it.writer._queue.publish(OTHERS)
        it.writer.note(web)
        await api.until(lambda: it.status("web") == [{"hostname": "lb.example.com"}])
        await until(lambda: it.writer.writes == {**no_writes(), Outcome.WRITTEN: 2, Outcome.CONFLICTED: 1})


@pytest.mark.parametrize("manager", ["nginx", "xds-ingress"])
async def test_a_status_that_another_controller_changes_is_a_warning_once(logs: list[Any], manager: str) -> None:
    """By another controller, or by another installation with the same field manager."""
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        web = it.ingress("web")
        it.own(web)
        await api.until(lambda: it.status("web"))
        for _ in range(2):
            it.ingress("web", [{"ip": "203.0.113.9"}], manager)
            it.writer.note_all()
            await api.until(lambda: it.status("web") == [{"ip": "192.0.2.7"}])
        [warning] = [each for each in logs if each["event"] == "status_changed_by_another"]
        assert (warning["ingress"], warning["error"]) == ("shop/web", f"written by {manager}")


async def test_a_changed_address_of_our_own_is_no_warning(logs: list[Any]) -> None:
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        it.own(it.ingress("web"))
        await api.until(lambda: it.status("web"))
        it.writer._queue.publish(OTHERS)
        it.writer.note_all()
        await api.until(lambda: it.status("web") == [{"hostname": "lb.example.com"}])
        assert "status_changed_by_another" not in {each["event"] for each in logs}


async def test_statuses_follow_the_service_and_stay_after_its_deletion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_writer, "SERVICE_POLL_SECONDS", 0.01)
    api = FakeApi()
    envoy = "/api/v1/namespaces/xds/services/envoy"
    async with site(api, PublishOptions(service=Key("xds", "envoy"))) as it:
        it.own(it.ingress("web"))
        await api.until(lambda: sum("/services" in each[1] for each in api.log) > 2)
        assert not api.writes("/ingresses/")
        api.put(envoy, {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}})
        await api.until(lambda: it.status("web") == [{"ip": "192.0.2.7"}])
        api.put(envoy, {"status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}})
        await api.until(lambda: it.status("web") == [{"hostname": "lb.example.com"}])
        del api.objects[envoy]
        before = len(api.log)
        await api.until(lambda: len(api.log) > before + 4)
        assert it.status("web") == [{"hostname": "lb.example.com"}]


@pytest.mark.parametrize("lost", [{}, {"spec": {"externalIPs": ["192.0.2.9"]}}])
async def test_a_service_that_loses_its_address_leaves_statuses_alone_with_a_problem(
    monkeypatch: pytest.MonkeyPatch, lost: Object
) -> None:
    monkeypatch.setattr(status_writer, "SERVICE_POLL_SECONDS", 0.01)
    api = FakeApi()
    envoy = "/api/v1/namespaces/xds/services/envoy"
    balanced = {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    async with site(api, PublishOptions(service=Key("xds", "envoy"))) as it:
        it.own(it.ingress("web"))
        api.put(envoy, balanced)
        await api.until(lambda: it.status("web") == [{"ip": "192.0.2.7"}])
        api.put(envoy, {**lost, "status": {"loadBalancer": {"ingress": None}}})
        await api.until(lambda: it.problems)
        [problem] = it.problems
        assert (str(problem.object), problem.reason) == ("Service xds/envoy", "PublishAddressUnknown")
        assert problem.message.endswith("has no address; statuses keep the last known addresses: 192.0.2.7.")
        it.own(it.ingress("late"))
        await api.until(lambda: it.status("late") == [{"ip": "192.0.2.7"}])
        assert it.status("web") == [{"ip": "192.0.2.7"}]
        api.put(envoy, {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.8"}]}}, "spec": {"externalIPs": None}})
        await api.until(lambda: it.status("web") == it.status("late") == [{"ip": "192.0.2.8"}])
        assert not it.problems


async def test_a_service_without_address_at_the_start_leaves_statuses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_writer, "SERVICE_POLL_SECONDS", 0.01)
    api = FakeApi()
    api.put("/api/v1/namespaces/xds/services/envoy", {"spec": {"type": "NodePort"}})
    async with site(api, PublishOptions(service=Key("xds", "envoy"))) as it:
        it.own(it.ingress("web", [{"ip": "192.0.2.7"}], "xds-ingress"))
        await api.until(lambda: sum("/services" in each[1] for each in api.log) > 3)
        assert it.problems[0].message.endswith("has no address; statuses stay as they are.")
        assert not api.writes("/ingresses/")


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        ({"type": "ClusterIP", "externalIPs": ["192.0.2.7"]}, [{"ip": "192.0.2.7"}]),
        (
            {"type": "NodePort", "externalIPs": ["192.0.2.7", "2001:db8::1"]},
            [{"ip": "192.0.2.7"}, {"ip": "2001:db8::1"}],
        ),
        ({"type": "LoadBalancer", "externalIPs": ["192.0.2.7"]}, [{"ip": "192.0.2.7"}]),
        ({"type": "ExternalName", "externalName": "lb.example.com"}, [{"hostname": "lb.example.com"}]),
    ],
)
async def test_a_service_without_load_balancer_publishes_its_other_addresses(
    spec: Object, addresses: list[dict[str, str]]
) -> None:
    api = FakeApi()
    api.put("/api/v1/namespaces/xds/services/envoy", {"spec": spec})
    async with site(api, PublishOptions(service=Key("xds", "envoy"))) as it:
        it.own(it.ingress("web"))
        await api.until(lambda: it.status("web") == addresses)
        assert not it.problems


@pytest.mark.parametrize("answer", [403, 500, None])
async def test_a_namespace_whose_statuses_fail_delays_no_other_namespace(
    answer: int | None, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 3600)  # any wait would exceed the limit of the test
    monkeypatch.setattr(backoff, "MAX_DELAY_SECONDS", 3600)

    def refuse(method: str, path: str) -> Any:
        if method != "PATCH" or "/namespaces/broken/" not in path:
            return None
        return unavailable(method, path) if answer is None else (answer, {"message": "denied by a webhook"})

    api = FakeApi(refuse=refuse)
    async with site(api, PublishOptions(OURS)) as it:
        it.own(*(it.ingress(f"b{number}", namespace="broken") for number in range(50)), it.ingress("web"))
        await api.until(lambda: it.status("web"))
        it.own(it.ingress("late"))
        await api.until(lambda: it.status("late"))
        assert len(it.writer.failed_writes) == FAILING_OBJECTS_OF_NAMESPACE
    [line] = [each for each in logs if each["event"] == "status_unavailable"]
    assert line["object"] == "broken/b0"


async def test_an_object_whose_status_fails_delays_no_other_object_of_the_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 3600)
    api = FakeApi(refuse=lambda _, path: (500, {}) if "/b/status" in path else None)
    async with site(api, PublishOptions(OURS)) as it:
        it.own(it.ingress("b"), *(it.ingress(f"a{number}") for number in range(10)))
        await api.until(lambda: all(it.status(f"a{number}") for number in range(10)))
        assert it.status("b") is None


async def test_a_namespace_that_can_not_be_listed_delays_no_other_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 3600)
    api = FakeApi(refuse=lambda _, path: (403, {}) if path.endswith("/namespaces/broken/ingresses") else None)
    async with site(api, PublishOptions(OURS), "broken", "shop") as it:
        it.own(it.ingress("b", namespace="broken"), it.ingress("web"))
        await api.until(lambda: it.status("web"))


async def test_statuses_of_another_installation_stay() -> None:
    api = FakeApi()
    async with site(api, PublishOptions(OURS)) as it:
        other = it.ingress("other", [{"ip": "192.0.2.7"}], "xds-ingress-internal")
        it.writer.note(other)
        it.own(it.ingress("web"))
        await api.until(lambda: it.status("web"))
        it.writer.note_all()
        it.own(it.ingress("late"))
        await api.until(lambda: it.status("late"))
        assert it.status("other") == [{"ip": "192.0.2.7"}]


@pytest.mark.parametrize("answer", [403, 500, None])
async def test_an_outage_delays_statuses(answer: int | None) -> None:
    api = FakeApi()

    def refuse(method: str, path: str) -> Any:
        if "/ingresses/" not in path or len(refusals) == 2:
            return None
        refusals.append(path)
        return unavailable(method, path) if answer is None else (answer, {"message": "no"})

    refusals: list[str] = []
    api.refuse = refuse
    async with site(api, PublishOptions(OURS)) as it:
        it.own(it.ingress("web"))
        await api.until(lambda: it.status("web"))
        assert len(refusals) == 2
        await until(lambda: it.writer.writes == {**no_writes(), Outcome.WRITTEN: 1, Outcome.FAILED: 2})


async def test_a_rejected_status_does_not_delay_further_statuses() -> None:
    api = FakeApi(refuse=lambda _, path: (422, {"message": "invalid"}) if "/a/status" in path else None)
    async with site(api, PublishOptions(OURS)) as it:
        it.own(it.ingress("a"), it.ingress("b"))
        await api.until(lambda: it.status("b"))
        assert it.status("a") is None
        await until(lambda: it.writer.writes == {**no_writes(), Outcome.WRITTEN: 1, Outcome.REJECTED: 1})


async def test_a_missing_service_is_polled_without_a_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0
    once = StatusWriter._round

    async def counted(writer: StatusWriter) -> None:
        nonlocal rounds
        rounds += 1
        await once(writer)

    monkeypatch.setattr(status_writer, "SERVICE_POLL_SECONDS", 0.05)
    monkeypatch.setattr(StatusWriter, "_round", counted)
    api = FakeApi()
    async with site(api, PublishOptions(service=Key("xds", "missing"))):
        await api.until(lambda: sum("/services" in each[1] for each in api.log) >= 3)
        asked = sum("/services" in each[1] for each in api.log)
        assert rounds <= asked + 1
