"""The kinds of the Gateway API as the source sees them: installed or not, later or no longer, and the objects named.

Excludes a real API server with the CustomResourceDefinitions (tests/cluster/test_gateway_kinds).
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.sources.apiserver.test_source import Follower, kubeconfig, requests
from tests.support.waiting import until
from tests.support.watched_api import WatchedApi, refuse
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import (
    GATEWAY_KINDS,
    BackendTLSPolicy,
    Gateway,
    GatewayClass,
    GatewayMetadata,
    HTTPRoute,
    ListenerSet,
    Namespace,
    ReferenceGrant,
)
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, Ingress, Secret, Service
from xds.problems.problem import Key
from xds.sources.apiserver import optional_watches, secret_watch
from xds.sources.apiserver import source as source_module
from xds.sources.apiserver import watch as watch_module
from xds.sources.apiserver.source import ApiServer
from xds.translate.gateway.options import CONTROLLER, GatewayOptions

INSTALLED = set(GATEWAY_KINDS) - {Namespace}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_watches, "DISCOVERY_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(optional_watches, "REMOVAL_SECONDS", 0.05)
    monkeypatch.setattr(watch_module, "CATCH_UP_SECONDS", 0.005)
    monkeypatch.setattr(watch_module, "MIN_WATCH_SECONDS", 0.005)
    monkeypatch.setattr(source_module, "CATCH_UP_TIMEOUT_SECONDS", 0.5)


@pytest.fixture
async def api() -> AsyncIterator[WatchedApi]:
    async with WatchedApi() as api:
        api.installed = set(INSTALLED)
        write_class(api, "envoy", CONTROLLER)
        yield api


@pytest.fixture(params=[()])
def namespaces(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def follower(api: WatchedApi, tmp_path: Path, namespaces: tuple[str, ...]) -> AsyncIterator[Follower]:
    source = ApiServer(kubeconfig(tmp_path / "kubeconfig", api.url), namespaces, owns_class=GatewayOptions().owns_class)
    async with aclosing(source.batches()) as batches:
        yield Follower(source, batches, api)


def write_class(api: WatchedApi, name: str, controller: str) -> int:
    return api.write(GatewayClass, name, spec={"controllerName": controller})


def certificate_refs(*refs: dict[str, str]) -> dict[str, Any]:
    tls = {"certificateRefs": list(refs)}
    return {"listeners": [{"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}]}


def write_gateway(api: WatchedApi, name: str, *refs: dict[str, str], namespace: str = "default") -> int:
    spec = {"gatewayClassName": "envoy", **certificate_refs(*refs)}
    return api.write(Gateway, name, namespace, spec=spec)


async def test_each_kind_is_followed(api: WatchedApi, follower: Follower) -> None:
    for kind in GATEWAY_KINDS:
        api.write(kind, "a")
    await follower.until_synced()
    assert {kind for kind, _ in follower.objects} == set(GATEWAY_KINDS)
    assert sorted(follower.listed, key=KINDS.index) == list(KINDS), "once for each kind"
    for kind in GATEWAY_KINDS:
        api.write(kind, "b")
    await follower.until(lambda: all(follower.of(kind).keys() >= {"a", "b"} for kind in GATEWAY_KINDS))
    assert follower.problems == ()
    assert all(follower.source.up().values())
    assert "HTTPRoute" in follower.source.up()


async def test_the_generation_and_the_recorded_addresses_are_read(api: WatchedApi, follower: Follower) -> None:
    metadata = {
        "name": "a",
        "namespace": "default",
        "resourceVersion": "11",
        "generation": 7,
        "labels": {"number": "11"},
    }
    status = {"addresses": [{"type": "IPAddress", "value": "192.0.2.1"}], "conditions": [{"type": "Accepted"}]}
    api.write(Gateway, "a", metadata=metadata, status=status)
    await follower.until_synced()
    gateway = follower.objects[Gateway, Key("default", "a")]
    assert isinstance(gateway, Gateway)
    assert isinstance(gateway.metadata, GatewayMetadata)
    assert gateway.metadata.generation == 7
    assert [each.value for each in gateway.status.addresses or ()] == ["192.0.2.1"]


async def test_kinds_that_are_not_installed_are_not_watched_and_not_waited_for(
    api: WatchedApi, follower: Follower, capsys: pytest.CaptureFixture[str]
) -> None:
    api.installed = set()
    await follower.until_synced()
    await until(lambda: api.discoveries >= 3)
    assert not [kind for kind, _ in api.requests if kind in GATEWAY_KINDS]
    assert follower.problems == ()
    assert follower.source.waiting_for() == ""
    assert set(follower.source.up()) == {"Ingress", "IngressClass", "Service", "EndpointSlice", "Secret"}
    assert "warning" not in capsys.readouterr().out


async def test_kinds_that_are_installed_later_are_followed(api: WatchedApi, follower: Follower) -> None:
    api.installed = set()
    await follower.until_synced()
    for kind in GATEWAY_KINDS:
        api.write(kind, "a")
    api.installed = {GatewayClass, Gateway, HTTPRoute}
    await follower.until(lambda: {kind for kind, _ in follower.objects} == {*api.installed, Namespace})
    api.installed = set(INSTALLED)
    await follower.until(lambda: {kind for kind, _ in follower.objects} == set(GATEWAY_KINDS))
    assert len(follower.listed) == len(KINDS), "none is listed a second time"


async def test_objects_of_a_kind_that_turns_up_later_come_in_one_batch(api: WatchedApi, follower: Follower) -> None:
    api.installed = set()
    await follower.until_synced()
    for kind in GATEWAY_KINDS:
        api.write(kind, "a")
    api.installed = set(INSTALLED)
    batch = await follower.next_of_objects()
    assert {type(each.object) for each in batch.changes if isinstance(each, Applied)} == set(GATEWAY_KINDS)


async def test_grants_of_an_older_release_are_read_in_their_version(api: WatchedApi, follower: Follower) -> None:
    """Release 1.4 serves ReferenceGrants as v1beta1 alone. An upgrade to v1 withdraws none."""
    api.beta = {ReferenceGrant}
    api.write(ReferenceGrant, "a")
    await follower.until_synced()
    assert set(follower.of(ReferenceGrant)) == {"a"}
    api.beta = set()
    api.cut(ReferenceGrant)
    api.write(ReferenceGrant, "b")
    batch = await follower.next_of_objects()
    last = {each.object.key: each for each in batch.changes if isinstance(each, Applied)}
    assert set(last) == {Key("default", "a"), Key("default", "b")}, "deleted and applied at once"
    assert set(follower.of(ReferenceGrant)) == {"a", "b"}


async def test_kinds_that_are_removed_lose_their_objects(api: WatchedApi, follower: Follower) -> None:
    for kind in GATEWAY_KINDS:
        api.write(kind, "a")
    api.write(Service, "a")
    await follower.until_synced()
    api.installed = {GatewayClass, Gateway}
    api.cut(HTTPRoute)
    await follower.until(lambda: HTTPRoute not in {kind for kind, _ in follower.objects})
    assert {kind for kind, _ in follower.objects} == {GatewayClass, Gateway, Namespace, Service}
    assert follower.source.is_current()
    api.installed = set()
    api.cut()
    await follower.until(lambda: {kind for kind, _ in follower.objects} == {Service})
    await until(follower.source.is_current)
    assert follower.problems == ()


async def test_one_answer_without_the_kinds_deletes_nothing(api: WatchedApi, follower: Follower) -> None:
    api.write(HTTPRoute, "a")
    await follower.until_synced()
    before = api.discoveries
    api.discovery_faults.append(refuse(404))
    await until(lambda: api.discoveries >= before + 3)
    api.write(HTTPRoute, "b")
    await follower.until(lambda: "b" in follower.of(HTTPRoute))
    assert set(follower.of(HTTPRoute)) == {"a", "b"}
    assert not [query for query in requests(api, HTTPRoute)[1:] if "sendInitialEvents" in query], "one list"


@pytest.mark.parametrize("status", [500, 503])
async def test_nothing_is_served_before_the_kinds_are_known(
    api: WatchedApi, follower: Follower, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A restart while the API server stumbles must not drop the routes."""
    api.write(HTTPRoute, "a")
    api.discovery_faults += [refuse(status, "busy")] * 2
    await follower.until(lambda: Service in follower.listed)
    assert HTTPRoute not in follower.listed
    assert Secret not in follower.listed
    assert "kinds of the Gateway API" in follower.source.waiting_for()
    await follower.until_synced()
    assert set(follower.of(HTTPRoute)) == {"a"}


async def test_a_forbidden_kind_is_a_problem_and_holds_nothing_up(api: WatchedApi, follower: Follower) -> None:
    message = 'httproutes is forbidden: User "system:serviceaccount:a:b" cannot list resource "httproutes"'
    api.write(HTTPRoute, "a")
    api.write(Gateway, "a")
    api.faults[HTTPRoute] += [refuse(403, message)] * 4
    await follower.until_synced()
    assert set(follower.of(Gateway)) == {"a"}
    await follower.until(lambda: bool(follower.problems))
    (problem,) = follower.problems
    assert "--resource=httproutes.gateway.networking.k8s.io" in problem.remedy
    assert "--user=system:serviceaccount:a:b" in problem.remedy
    assert follower.source.is_current(), "not an outage"
    api.faults[HTTPRoute].clear()
    await follower.until(lambda: bool(follower.of(HTTPRoute)))
    await follower.until(lambda: not follower.problems)


async def test_a_forbidden_kind_does_not_hold_back_changes_of_others(api: WatchedApi, follower: Follower) -> None:
    api.faults[HTTPRoute] += [refuse(403)] * 1000
    await follower.until_synced()
    await until(lambda: len(requests(api, HTTPRoute)) > 3)
    api.write(Service, "a")
    batch = await follower.next_of_objects()
    assert [type(each.object) for each in batch.changes if isinstance(each, Applied)] == [Service]


async def test_without_any_right_the_classes_alone_are_a_problem(api: WatchedApi, follower: Follower) -> None:
    for kind in GATEWAY_KINDS:
        api.faults[kind] += [refuse(403)] * 1000
    await follower.until_synced()
    await until(lambda: all(len(requests(api, kind)) > 1 for kind in GATEWAY_KINDS))
    await follower.until(lambda: len(follower.problems) == 1)
    (problem,) = follower.problems
    assert problem.object.name == "gatewayclasses.gateway.networking.k8s.io"


# Objects named by others


async def test_secrets_that_gateways_name_are_there_before_the_first_snapshot(
    api: WatchedApi, follower: Follower
) -> None:
    for name in ("used", "unused"):
        api.write(Secret, name)
    api.write(Secret, "far", "vault")
    write_gateway(api, "a", {"name": "used"}, {"name": "far", "namespace": "vault"})
    api.write(ListenerSet, "s", spec={"parentRef": {"name": "a"}, **certificate_refs({"name": "missing"})})
    await follower.until_synced()
    assert set(follower.of(Secret)) == {"used", "far"}
    assert all("metadata.name" not in query.get("fieldSelector", "") for query in requests(api, Secret)), "no look-up"
    api.write(Secret, "missing")
    await follower.until(lambda: "missing" in follower.of(Secret))


async def test_a_secret_that_a_gateway_begins_to_name_comes_with_the_gateway(
    api: WatchedApi, follower: Follower
) -> None:
    api.write(Secret, "b")
    write_gateway(api, "a")
    await follower.until_synced()
    write_gateway(api, "a", {"name": "b"})
    batch = await follower.next_of_objects()
    assert {type(each.object) for each in batch.changes if isinstance(each, Applied)} == {Gateway, Secret}
    write_gateway(api, "a")
    batch = await follower.next_of_objects()
    assert Deleted(Secret, Key("default", "b")) in batch.changes
    assert not follower.of(Secret)


async def test_a_secret_that_an_ingress_still_names_stays(api: WatchedApi, follower: Follower) -> None:
    api.write(Secret, "b")
    write_gateway(api, "a", {"name": "b"})
    api.write(Ingress, "shop", spec={"rules": [{"host": "n1.example"}], "tls": [{"secretName": "b"}]})
    await follower.until_synced()
    api.delete(Gateway, "a")
    await follower.until(lambda: not follower.of(Gateway))
    assert set(follower.of(Secret)) == {"b"}
    api.delete(Ingress, "shop")
    await follower.until(lambda: not follower.of(Secret))


async def test_a_gateway_stays_as_it_is_served_while_its_new_secret_is_unknown(
    api: WatchedApi, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_watch, "LOOK_UP_TIMEOUT_SECONDS", 0.1)
    api.write(Secret, "b")
    before = write_gateway(api, "a")
    await follower.until_synced()
    api.faults[Secret] += [refuse(503, "busy")] * 3
    write_gateway(api, "a", {"name": "b"})
    await follower.until(lambda: bool(follower.problems))
    (problem,) = follower.problems
    assert str(problem.object) == "Gateway default/a"
    assert str(problem.field) == "spec.listeners[0].tls.certificateRefs[0]"
    assert "the Gateway stays as it was" in problem.message
    assert follower.of(Gateway) == {"a": before}
    await follower.until(lambda: bool(follower.of(Secret)))
    assert follower.of(Gateway)["a"] > before
    await follower.until(lambda: not follower.problems)


async def test_secrets_of_gateways_of_other_classes_are_left_alone(api: WatchedApi, follower: Follower) -> None:
    api.write(Secret, "b")
    write_class(api, "other", "example.com/controller")
    api.write(Gateway, "a", spec={"gatewayClassName": "other", **certificate_refs({"name": "b"})})
    await follower.until_synced()
    assert set(follower.of(Gateway)) == {"a"}
    assert not follower.of(Secret)
    write_class(api, "other", CONTROLLER)
    await follower.until(lambda: bool(follower.of(Secret)))
    api.delete(GatewayClass, "other")
    await follower.until(lambda: not follower.of(Secret))
    assert set(follower.of(Gateway)) == {"a"}


async def test_config_maps_that_a_policy_and_a_gateway_name_are_watched_alone(
    api: WatchedApi, follower: Follower
) -> None:
    for name in ("authorities", "clients", "other"):
        api.write(ConfigMap, name)
    ref = {"group": "", "kind": "ConfigMap", "name": "authorities"}
    validation = {"hostname": "a.example", "caCertificateRefs": [ref]}
    api.write(BackendTLSPolicy, "p", spec={"targetRefs": [], "validation": validation})
    frontend = {"default": {"validation": {"caCertificateRefs": [{**ref, "name": "clients"}]}}}
    api.write(Gateway, "a", spec={"gatewayClassName": "envoy", "tls": {"frontend": frontend}})
    await follower.until_synced()
    assert set(follower.of(ConfigMap)) == {"authorities", "clients"}
    api.delete(BackendTLSPolicy, "p")
    await follower.until(lambda: set(follower.of(ConfigMap)) == {"clients"})


# Namespaces


@pytest.mark.parametrize("namespaces", [("a", "b")], indirect=True)
async def test_with_namespaces_only_their_objects_are_read(api: WatchedApi, follower: Follower) -> None:
    for name in "abc":
        api.write(HTTPRoute, "web", name)
        api.write(Namespace, name)
    for namespace in "abc":
        api.write(Secret, "tls", namespace)
    refs = [{"name": "tls", "namespace": namespace} for namespace in "abc"]
    write_gateway(api, "gateway", *refs, namespace="a")
    await follower.until_synced()
    assert {key.namespace for kind, key in follower.objects if kind is HTTPRoute} == {"a", "b"}
    assert {key.name for kind, key in follower.objects if kind is Namespace} == {"a", "b"}
    await follower.until(lambda: {key.namespace for kind, key in follower.objects if kind is Secret} == set("abc"))
    write_gateway(api, "gateway", *refs[:1], namespace="a")
    await follower.until(lambda: {key.namespace for kind, key in follower.objects if kind is Secret} == {"a"})
