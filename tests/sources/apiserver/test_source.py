"""An API server as a source, against a mock that fails on command (`tests.support.watched_api`).

Covers lists, watches and their ends, Secrets, credentials, rejections, problems and cancellation. Excludes a real API
server (tests/cluster/test_source) and the length of pauses (test_backoff), which are cut short.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from tests.support.watched_api import WatchedApi, number, refuse
from xds.kube.change import Applied, Batch, Deleted, Listed, Reported
from xds.kube.gateway_objects import Gateway, GatewayClass, HTTPRoute, Namespace, ReferenceGrant
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.references import AnnotatedObjects
from xds.kube.source import SourceError
from xds.kubeapi import backoff
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key, Problem
from xds.sources.apiserver import object_watches, secret_watch
from xds.sources.apiserver import source as source_module
from xds.sources.apiserver import watch as watch_module
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.source import ApiServer
from xds.translate.nginx.annotated_objects import annotated_objects
from xds.translate.nginx.configmap.named_headers import named_config_maps

OWN_NAMESPACE = annotated_objects(allow_cross_namespace=False)

Versions = dict[tuple[type[KubeObject], str], int]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.002)
    monkeypatch.setattr(backoff, "MAX_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(watch_module, "CATCH_UP_SECONDS", 0.005)
    monkeypatch.setattr(watch_module, "MIN_WATCH_SECONDS", 0.005)
    # No batch depends on the speed of the machine.
    monkeypatch.setattr(source_module, "CATCH_UP_TIMEOUT_SECONDS", WAIT_LIMIT_SECONDS)


class Follower:
    """Applies the changes of a source, and checks the invariants of any change."""

    def __init__(self, source: ApiServer, batches: AsyncGenerator[Batch, None], api: WatchedApi) -> None:
        self.source = source
        self.objects: dict[tuple[type[KubeObject], Key], KubeObject] = {}
        self.listed: list[type[KubeObject]] = []
        self.problems: tuple[Problem, ...] = ()
        self.restored = False
        self._batches = batches
        self._api = api

    async def next(self) -> Batch:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            batch = await anext(self._batches)
        for change in batch.changes:
            match change:
                case Applied(object=each):
                    before = self.objects.get((type(each), each.key))
                    assert before is None or number(before) <= number(each) or self.restored, "time doesn't go back"
                    self.objects[type(each), each.key] = each
                case Deleted(kind=kind, key=key):
                    ends = [w.revision for w in self._api.history if (w.kind, w.key, w.event) == (kind, key, "DELETED")]
                    last = number(self.objects.pop((kind, key)))
                    assert (
                        kind in (Secret, ConfigMap, Namespace)
                        or any(end > last for end in ends)
                        or self.restored
                        or kind is ReferenceGrant  # of another version, applied again at once
                        or not self._api.serves(kind)
                    ), "nothing that exists is withdrawn"
                case Listed(kind=kind):
                    self.listed.append(kind)
                case Reported(problems=problems):
                    self.problems = problems
        return batch

    async def next_of_objects(self) -> Batch:
        """Return the next batch with a change of an object: problems of the API server may be reported before."""
        batch = await self.next()
        while not any(isinstance(change, Applied | Deleted) for change in batch.changes):
            batch = await self.next()
        return batch

    @property
    def versions(self) -> Versions:
        return {(kind, str(key)): number(each) for (kind, key), each in self.objects.items()}

    def of(self, kind: type[KubeObject]) -> dict[str, int]:
        return {key.name: number(each) for (each_kind, key), each in self.objects.items() if each_kind is kind}

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.next()

    async def until_synced(self) -> None:
        await self.until(lambda: len(self.listed) == len(KINDS))

    async def until_equal(self) -> None:
        """Wait until the objects equal the API server's, without unnamed Secrets."""
        await self.until(lambda: self.versions == wanted(self._api))


def wanted(api: WatchedApi) -> Versions:
    named = {
        (key.namespace, entry["secretName"])
        for key, ingress in api.objects[Ingress].items()
        for entry in ingress["spec"].get("tls", ())
    }
    return {
        (kind, str(key)): number_of(kind, each)
        for kind, objects in api.objects.items()
        for key, each in objects.items()
        if kind is not ConfigMap and (kind is not Secret or tuple(key) in named)
    }


def number_of(kind: type[KubeObject], each: dict[str, Any]) -> int:
    """Return the number of the object's version: the mock's resourceVersion."""
    return int(each["metadata"]["resourceVersion"])


def kubeconfig(path: Path, url: str, token: str = "secret") -> Access:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return Access(path)


@pytest.fixture
async def api() -> AsyncIterator[WatchedApi]:
    async with WatchedApi() as api:
        yield api


Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
async def follow(api: WatchedApi, tmp_path: Path) -> AsyncIterator[Follow]:
    async with AsyncExitStack() as stack:

        async def begin(
            namespaces: tuple[str, ...] = (),
            default: Key | None = None,
            annotated: AnnotatedObjects = OWN_NAMESPACE,
            config_maps: tuple[Key, ...] = (),
        ) -> Follower:
            access = kubeconfig(tmp_path / "kubeconfig", api.url)
            source = ApiServer(
                access,
                namespaces,
                default,
                annotated=annotated,
                config_maps=config_maps,
                config_references=named_config_maps,
            )
            batches = await stack.enter_async_context(aclosing(source.batches()))
            return Follower(source, batches, api)

        yield begin


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def events(logs: list[Any], name: str) -> list[Any]:
    return [each for each in logs if each["event"] == name]


def name_secrets(*names: str) -> dict[str, Any]:
    """The spec of an Ingress, but for its number."""
    return {"tls": [{"hosts": ["a.example"], "secretName": name} for name in names]}


def write_ingress(api: WatchedApi, name: str, *secrets: str, namespace: str = "default") -> int:
    number = api.revision + 1
    spec = {"ingressClassName": "envoy", "rules": [{"host": f"n{number}.example"}], **name_secrets(*secrets)}
    return api.write(Ingress, name, namespace, spec=spec)


def requests(api: WatchedApi, kind: type[KubeObject]) -> list[dict[str, str]]:
    return [query for each, query in api.requests if each is kind]


def lists(api: WatchedApi, kind: type[KubeObject]) -> int:
    """The number of answers that were a whole list, or its first page."""
    streamed = [query for query in requests(api, kind) if "sendInitialEvents" in query]
    paged = [query for query in requests(api, kind) if query.get("limit") == "500" and "continue" not in query]
    return len(streamed if api.streams_lists else paged)


# Lists


@pytest.fixture(params=["streamed", "paged"])
def way(request: pytest.FixtureRequest, api: WatchedApi) -> str:
    api.streams_lists, api.page = request.param == "streamed", 2
    return str(request.param)


@pytest.mark.usefixtures("way")
async def test_the_first_list_and_later_changes_are_delivered(api: WatchedApi, follow: Follow) -> None:
    for name in "abcde":
        api.write(Service, name)
        api.write(EndpointSlice, name)
    api.write(IngressClass, "envoy")
    follower = await follow()
    await follower.until_synced()
    assert follower.versions == wanted(api)
    assert sorted(follower.listed, key=KINDS.index) == list(KINDS), "once for each kind"
    api.write(Service, "b")
    api.delete(Service, "c")
    api.write(EndpointSlice, "new")
    await follower.until_equal()


async def test_an_empty_cluster_is_listed(follow: Follow) -> None:
    follower = await follow()
    assert follower.source.waiting_for() != ""
    await follower.until_synced()
    assert follower.objects == {}
    assert follower.source.waiting_for() == ""


async def test_an_expired_continue_token_lists_again_without_limit(api: WatchedApi, follow: Follow) -> None:
    api.streams_lists, api.page = False, 2
    for name in "abcde":
        api.write(Service, name)

    async def compact(request: web.Request) -> None:
        if "continue" in request.query:
            api.revision += 1
            api.compact()
        else:
            api.faults[Service].append(compact)

    api.faults[Service] += [refuse(422), compact]
    follower = await follow()
    await follower.until_synced()
    assert sorted(follower.of(Service)) == list("abcde")
    assert any("limit" not in query and "watch" not in query for query in requests(api, Service))


async def test_a_broken_list_deletes_nothing(api: WatchedApi, follow: Follow) -> None:
    for name in "abc":
        api.write(Service, name)
    follower = await follow()
    await follower.until_synced()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        line = {"type": "ADDED", "object": api.objects[Service][Key("default", "a")]}
        await response.write(json.dumps(line).encode() + b'\n{"type": "ADDED", "obj')
        assert request.transport is not None
        request.transport.abort()
        return response

    api.faults[Service] += [half] * 3
    api.expire(Service)
    api.delete(Service, "b")
    await follower.until_equal()
    assert sorted(follower.of(Service)) == ["a", "c"]


async def test_the_next_list_finds_objects_deleted_meanwhile(api: WatchedApi, follow: Follow) -> None:
    for name in "abcd":
        api.write(Service, name)
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [refuse(500), refuse(503)]
    api.cut(Service)
    api.delete(Service, "a")
    api.delete(Service, "b")
    api.write(Service, "c")
    api.compact()
    await follower.until_equal()


async def test_a_second_list_repeats_no_unchanged_object(api: WatchedApi, follow: Follow) -> None:
    for name in "abcd":
        api.write(Service, name)
    follower = await follow()
    await follower.until_synced()
    api.expire(Service)
    api.write(Service, "b")
    batch = await follower.next_of_objects()
    assert [number(change.object) for change in batch.changes if isinstance(change, Applied)] == [api.revision]
    assert follower.versions == wanted(api)


# Watches


async def test_a_watch_that_ended_in_order_resumes_at_the_last_version(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    api.write(Service, "a")
    await follower.until_equal()
    api.end()
    api.write(Service, "b")
    await follower.until_equal()
    assert lists(api, Service) == 1


async def test_a_watch_that_ends_in_order_again_and_again_is_begun_without_pause(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[Scope] = []

    async def pause(_: Outages, scope: Scope, __: float) -> bool:
        pauses.append(scope)
        return False

    monkeypatch.setattr(Outages, "pause", pause)
    follower = await follow()
    await follower.until_synced()
    for _ in range(8):
        api.write(Service, "a")
        await follower.until_equal()
        before = len(requests(api, Service))
        api.end(Service)
        await until(lambda before=before: len(requests(api, Service)) > before)  # type: ignore[misc]
    assert pauses == []
    assert lists(api, Service) == 1


@pytest.mark.usefixtures("way")
async def test_a_broken_connection_lists_anew_and_equal_objects_change_nothing(api: WatchedApi, follow: Follow) -> None:
    for name in "abc":
        api.write(Service, name)
    follower = await follow()
    await follower.until_synced()
    await until(lambda: bool(api.watches(Service)))  # a list in pages is complete before its watch is open
    api.cut()
    await until(lambda: lists(api, Service) >= 2)
    api.write(Service, "b")
    batch = await follower.next_of_objects()
    assert [number(change.object) for change in batch.changes if isinstance(change, Applied)] == [api.revision]


@pytest.mark.parametrize("failure", [502, 503, 504])
async def test_a_balancer_without_an_api_server_makes_watches_list_anew(
    api: WatchedApi, follow: Follow, failure: int
) -> None:
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [refuse(failure)]
    api.end(Service)
    await until(lambda: lists(api, Service) == 2)


async def test_a_throttled_watch_resumes(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [refuse(429)]
    api.end(Service)
    api.write(Service, "a")
    await follower.until_equal()
    assert lists(api, Service) == 1


# A storage that was restored from an older copy


async def test_a_restored_storage_is_listed_after_an_outage(api: WatchedApi, follow: Follow) -> None:
    copy = api.write(Service, "kept")
    api.write(Service, "of-before-restore")
    follower = await follow()
    await follower.until_synced()
    follower.restored = True
    api.faults[Service] += [_reset] * 3
    api.restore(copy)
    api.cut()
    await follower.until_equal()
    api.write(Service, "of-after-restore")
    await follower.until_equal()
    assert sorted(follower.of(Service)) == ["kept", "of-after-restore"]


async def test_a_version_that_comes_a_second_time_with_other_content_counts(api: WatchedApi, follow: Follow) -> None:
    copy = api.write(Service, "a")
    version = api.write(Service, "a", spec={"ports": [{"port": 1}]})
    follower = await follow()
    await follower.until_synced()
    follower.restored = True
    api.restore(copy)
    assert api.write(Service, "a", spec={"ports": [{"port": 2}]}) == version
    api.cut()
    await follower.until(lambda: follower.of(Service) == {"a": 2})


async def test_a_renewed_certificate_counts_after_a_restore(api: WatchedApi, follow: Follow) -> None:
    api.write(Secret, "old")
    copy = api.write(Secret, "a")
    write_ingress(api, "shop", "old")
    write_ingress(api, "shop", "old", "a")
    for _ in range(20):
        api.write(IngressClass, "raises-the-revision")
    follower = await follow()
    await follower.until_synced()
    write_ingress(api, "shop", "old")
    await follower.until_equal()
    write_ingress(api, "shop", "a")  # a look-up, whose answer has a high version
    await follower.until_equal()
    follower.restored = True
    api.restore(copy + 2)
    api.cut()
    await follower.until_equal()
    api.write(Secret, "a")
    await follower.until_equal()


@pytest.mark.parametrize("type_", ["BOOKMARK", "MODIFIED"])
async def test_a_version_that_goes_back_lists_anew(
    api: WatchedApi, follow: Follow, logs: list[Any], type_: str
) -> None:
    api.write(Service, "a")
    api.write(Service, "b")
    copy = api.revision
    api.write(Service, "c")
    follower = await follow()
    await follower.until_synced()
    follower.restored = True
    api.restore(copy)
    api.say({"type": type_, "object": api.objects[Service][Key("default", "b")]}, Service)
    await follower.until(lambda: sorted(follower.of(Service)) == ["a", "b"])
    (again,) = events(logs, "listing_again")
    assert "went back" in again["reason"]
    assert len(events(logs, "resource_version_went_back")) == 1


async def test_a_version_that_the_api_server_does_not_know_yet_lists_anew(
    api: WatchedApi, follow: Follow, logs: list[Any]
) -> None:
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [refuse(504, "Timeout: Too large resource version: 9, current: 5")]
    api.end(Service)
    await until(lambda: lists(api, Service) == 2)
    assert len(events(logs, "listing_again")) == 1
    assert events(logs, "watch_rejected") == []


# Silence


async def test_a_silent_watch_resumes_on_a_new_connection_without_a_word(
    api: WatchedApi, follow: Follow, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = await follow()
    await follower.until_synced()
    api.write(Service, "a")
    await follower.until_equal()
    before = len(api.connections[Service])
    api.silent = True
    monkeypatch.setattr(watch_module, "WATCH_IDLE_TIMEOUT_SECONDS", 0.3)
    api.end(Service)  # the next one has the short patience
    api.write(Service, "b")
    await until(lambda: len(api.connections[Service]) >= before + 2)
    api.silent = False
    await follower.until_equal()
    assert lists(api, Service) == 1
    assert len(set(api.connections[Service])) == len(api.connections[Service]), "each a new connection"
    assert [each["event"] for each in logs if each["event"] != "listed"] == []


async def test_a_silent_watch_lists_anew_if_the_storage_was_restored(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = api.write(Service, "a")
    api.write(Service, "b")
    follower = await follow()
    await follower.until_synced()
    follower.restored = True
    api.restore(copy)
    monkeypatch.setattr(watch_module, "WATCH_IDLE_TIMEOUT_SECONDS", 0.05)
    api.end()
    await follower.until(lambda: list(follower.of(Service)) == ["a"])


async def test_a_silent_watch_that_cannot_resume_is_an_outage(
    api: WatchedApi, follow: Follow, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = await follow()
    await follower.until_synced()
    monkeypatch.setattr(watch_module, "WATCH_IDLE_TIMEOUT_SECONDS", 0.3)
    api.end(Service)
    await until(lambda: len(requests(api, Service)) >= 2)
    api.faults[Service] += [_reset] * 4
    await until(lambda: bool(events(logs, "api_server_unreachable")))
    await until(lambda: lists(api, Service) >= 2)


async def test_a_watch_resumes_at_the_version_of_a_bookmark(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    api.write(IngressClass, "far-away")  # moves the revision
    await follower.until(lambda: bool(follower.of(IngressClass)))
    api.bookmark(Service)
    api.end(Service)
    await until(lambda: len(requests(api, Service)) == 2)
    assert requests(api, Service)[-1]["resourceVersion"] == str(api.revision)


async def test_lines_may_be_longer_than_any_buffer(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    endpoints = [{"addresses": [f"10.0.{i // 250}.{i % 250}"], "nodeName": "n" * 200} for i in range(10_000)]
    api.write(EndpointSlice, "big", endpoints=endpoints)
    await follower.until_equal()
    (found,) = follower.objects.values()
    assert isinstance(found, EndpointSlice)
    assert len(found.endpoints or ()) == 10_000


async def test_a_garbled_line_ends_the_connection_after_earlier_events(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    api.write(Service, "a")
    api.say(b"<html>gateway timeout</html>\n", Service)
    api.write(Service, "b")
    await follower.until_equal()


async def test_an_unknown_error_in_a_watch_lists_again(api: WatchedApi, follow: Follow) -> None:
    follower = await follow()
    await follower.until_synced()
    api.say({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "no"}}, Service)
    await until(lambda: sum("sendInitialEvents" in query for query in requests(api, Service)) == 2)
    api.write(Service, "a")
    await follower.until_equal()


async def test_an_unreachable_server_is_waited_for_and_logged_once(
    api: WatchedApi, follow: Follow, logs: list[Any]
) -> None:
    for kind in (Ingress, IngressClass, Service, EndpointSlice):
        api.faults[kind] += [_reset] * 5
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [_reset] * 5
    api.cut()
    api.write(Service, "a")
    await follower.until_equal()
    assert [len(events(logs, name)) for name in ("api_server_unreachable", "api_server_reached")] == [2, 2]


async def _reset(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def test_changes_of_routing_count_together_after_an_outage(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "CATCH_UP_SECONDS", 0.5)  # missed events come within this time
    api.write(Service, "old")
    write_ingress(api, "shop")
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [_reset] * 3  # is the last to be back
    api.cut()
    api.write(Service, "new")
    write_ingress(api, "shop")
    api.delete(Service, "old")
    batch = await follower.next_of_objects()
    assert {(type(change), getattr(change, "kind", Ingress)) for change in batch.changes} >= {(Deleted, Service)}
    assert follower.versions == wanted(api), "in one batch"


async def test_a_kind_is_up_while_its_watch_works_and_later_lists_are_counted(
    api: WatchedApi, follow: Follow, logs: list[Any]
) -> None:
    api.write(Service, "a")
    follower = await follow()
    source = follower.source
    assert not source.is_current()
    await follower.until_synced()
    assert source.is_current()
    assert set(source.relists().values()) == {0}
    api.faults[Service] += [refuse(403)] * 1000
    api.end(Service)
    await until(lambda: bool(events(logs, "watch_rejected")))
    assert [kind for kind, is_up in source.up().items() if not is_up] == ["Service"]
    assert not source.is_current()
    api.faults[Service].clear()
    await until(source.is_current)
    api.compact()
    api.write(Service, "b")
    api.faults[Service] += [refuse(410)]
    api.end(Service)
    await until(lambda: source.relists()["Service"] > 0)
    assert source.relists()["Ingress"] == 0


async def test_endpoints_do_not_wait_for_a_watch_that_is_behind(
    api: WatchedApi, follow: Follow, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = await follow()
    await follower.until_synced()
    api.faults[Service] += [refuse(503)] * 1000
    api.end(Service)
    await until(lambda: bool(events(logs, "watch_rejected")))
    api.write(Ingress, "held")
    api.write(EndpointSlice, "web")
    batch = await follower.next_of_objects()
    assert [type(change.object) for change in batch.changes if isinstance(change, Applied)] == [EndpointSlice]
    watches = follower.source._watches
    assert watches is not None
    assert watches._timer is not None
    watches._stop_waiting()  # in place of CATCH_UP_TIMEOUT_SECONDS
    await follower.until(lambda: bool(follower.of(Ingress)))
    api.write(Ingress, "not-held")
    await follower.until_equal()


# Refusals and credentials


async def test_a_403_is_logged_with_the_command_that_grants_the_right(
    api: WatchedApi, follow: Follow, logs: list[Any]
) -> None:
    message = 'services is forbidden: User "system:serviceaccount:a:b" cannot list resource "services"'
    api.faults[Service] += [refuse(403, message)] * 1000
    follower = await follow()
    task = asyncio.ensure_future(follower.next())
    await until(lambda: "403" in follower.source.waiting_for())
    assert f"services: 403 {message}" in follower.source.waiting_for()
    api.faults[Service].clear()
    await task
    await follower.until_synced()
    (refused,) = events(logs, "watch_rejected")
    assert refused["remedy"] == (
        "kubectl create clusterrole xds-ingress-services --verb=list,watch --resource=services && "
        "kubectl create clusterrolebinding xds-ingress-services --clusterrole=xds-ingress-services "
        "--user=system:serviceaccount:a:b"
    )
    assert len(events(logs, "watch_accepted")) == 1


async def test_a_replaced_token_is_read_again(api: WatchedApi, follow: Follow, tmp_path: Path, logs: list[Any]) -> None:
    api.token = "secret"
    follower = await follow()
    await follower.until_synced()
    api.token = "rotated"
    api.cut()
    await until(lambda: bool(events(logs, "watch_rejected")))
    kubeconfig(tmp_path / "kubeconfig", api.url, "rotated")
    api.write(Service, "a")
    await follower.until_equal()


async def test_unreadable_credentials_are_waited_for(
    api: WatchedApi, follow: Follow, tmp_path: Path, logs: list[Any]
) -> None:
    follower = await follow()
    await follower.until_synced()
    (tmp_path / "kubeconfig").write_text("half a fi")
    api.token = "rotated"
    api.cut()
    await until(lambda: bool(events(logs, "api_server_unreachable")))
    kubeconfig(tmp_path / "kubeconfig", api.url, "rotated")
    api.write(Service, "a")
    await follower.until_equal()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "there is no such file"),
        ("", "is not a kubeconfig"),
        ("- a\n- b", "is not a kubeconfig"),
        ("{", "is not a kubeconfig"),
        ("current-context: prod\ncontexts: []\nclusters: []", "prod"),
        (
            (
                '{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}], '
                '"users": [{"name": "u", "user": {}}], "current-context": "x", '
                '"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}'
            ),
            "gives the user 'u' no credentials",
        ),
    ],
)
async def test_an_unusable_kubeconfig_is_a_source_error(tmp_path: Path, content: str | None, complaint: str) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError) as error:
        await anext(ApiServer(Access(path)).batches())
    assert complaint in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


async def test_in_cluster_access_outside_a_pod_is_a_source_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SourceError, match="use --kubeconfig"):
        await anext(ApiServer(Access()).batches())


# Namespaces


async def test_only_objects_of_the_given_namespaces_are_read(api: WatchedApi, follow: Follow) -> None:
    for namespace in ("a", "b", "c"):
        api.write(Service, "web", namespace)
    follower = await follow(("a", "b"))
    await follower.until_synced()
    assert {key.namespace for _, key in follower.objects} == {"a", "b"}
    assert follower.listed.count(Service) == 1


async def test_forbidden_classes_of_a_namespaced_server_count_as_listed(
    api: WatchedApi, follow: Follow, logs: list[Any]
) -> None:
    api.write(IngressClass, "envoy")
    api.faults[IngressClass] += [refuse(403)] * 3
    follower = await follow(("a",))
    await follower.until_synced()
    assert len(events(logs, "ingress_classes_unknown")) == 1
    await follower.until(lambda: list(follower.of(IngressClass)) == ["envoy"])
    assert follower.listed.count(IngressClass) == 1


# Secrets


async def test_only_secrets_named_by_ingresses_are_delivered(api: WatchedApi, follow: Follow) -> None:
    for name in ("used", "unused", "default"):
        api.write(Secret, name)
    write_ingress(api, "shop", "used", "missing")
    follower = await follow(default=Key("default", "default"))
    await follower.until_synced()
    assert sorted(follower.of(Secret)) == ["default", "used"]
    assert all("metadata.name" not in query.get("fieldSelector", "") for query in requests(api, Secret))
    api.write(Secret, "missing")
    await follower.until(lambda: "missing" in follower.of(Secret))


async def test_a_newly_named_secret_comes_in_the_batch_of_the_ingress(api: WatchedApi, follow: Follow) -> None:
    for name in "ab":
        api.write(Secret, name)
    write_ingress(api, "shop", "a")
    follower = await follow()
    await follower.until_synced()
    write_ingress(api, "shop", "b")
    batch = await follower.next()
    assert [type(change).__name__ for change in batch.changes] == ["Applied", "Applied", "Deleted"]
    assert follower.of(Secret) == {"b": 12}
    api.write(Secret, "a")
    api.write(Secret, "b")
    await follower.until_equal()


@pytest.mark.parametrize("failure", [429, 403, 500, 0])
async def test_an_ingress_stays_as_it_was_while_a_look_up_fails(
    api: WatchedApi, follow: Follow, logs: list[Any], failure: int
) -> None:
    for name in "ab":
        api.write(Secret, name)
    before = write_ingress(api, "shop", "a")
    follower = await follow()
    await follower.until_synced()
    api.faults[Secret] += [refuse(failure, "not now") if failure else _reset] * 100_000
    write_ingress(api, "shop", "b")
    await follower.until(lambda: bool(about(follower, "Ingress")))
    (problem,) = about(follower, "Ingress")
    assert (problem.reason, str(problem.object), str(problem.field)) == (
        "SecretUnreadable",
        "Ingress default/shop",
        "spec.tls[0].secretName",
    )
    assert ("not now" if failure else "broke off") in problem.message
    write_ingress(api, "other")  # does not wait
    await follower.until(lambda: "other" in follower.of(Ingress))
    assert follower.of(Ingress)["shop"] == before
    assert "a" in follower.of(Secret), "the Secret in use stays"
    api.faults[Secret].clear()
    await follower.until_equal()
    await follower.until(lambda: not about(follower, "Ingress"))
    assert len(events(logs, "secret_unreadable")) == 1


async def test_an_ingress_stays_as_it_was_while_a_look_up_hangs(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_watch, "LOOK_UP_TIMEOUT_SECONDS", 0.05)
    for name in "ab":
        api.write(Secret, name)
    before = write_ingress(api, "shop", "a")
    follower = await follow()
    await follower.until_synced()
    hung = asyncio.Event()

    async def hang(_: web.Request) -> None:
        await hung.wait()

    api.faults[Secret] += [hang] * 100_000
    write_ingress(api, "shop", "b")
    await follower.until(lambda: [each.reason for each in about(follower, "Ingress")] == ["SecretUnreadable"])
    assert follower.of(Ingress) == {"shop": before}
    api.faults[Secret].clear()
    hung.set()
    await follower.until_equal()


async def test_an_event_of_the_watch_answers_a_look_up(api: WatchedApi, follow: Follow) -> None:
    api.write(Secret, "a")
    write_ingress(api, "shop", "a")
    follower = await follow()
    await follower.until_synced()
    api.faults[Secret] += [refuse(429)] * 100_000
    write_ingress(api, "shop", "b")
    await follower.until(lambda: bool(about(follower, "Ingress")))
    api.write(Secret, "b")
    await follower.until_equal()


async def test_a_pending_ingress_that_names_the_old_secret_again_is_not_pending(
    api: WatchedApi, follow: Follow
) -> None:
    api.write(Secret, "a")
    write_ingress(api, "shop", "a")
    follower = await follow()
    await follower.until_synced()
    api.faults[Secret] += [refuse(429)] * 100_000
    write_ingress(api, "shop", "b")
    await follower.until(lambda: bool(about(follower, "Ingress")))
    write_ingress(api, "shop", "a")
    await follower.until_equal()
    write_ingress(api, "shop", "c")
    await follower.until(lambda: bool(about(follower, "Ingress")))
    api.delete(Ingress, "shop")
    await follower.until_equal()
    await follower.until(lambda: not about(follower, "Ingress"))


def about(follower: Follower, kind: str) -> list[Problem]:
    return [each for each in follower.problems if each.object.kind == kind]


def write_backend(api: WatchedApi, name: str, service: str) -> int:
    number = api.revision + 1
    path = {"pathType": "Exact", "path": "/", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    spec = {"ingressClassName": "envoy", "rules": [{"host": f"n{number}.example", "http": {"paths": [path]}}]}
    return api.write(Ingress, name, spec=spec)


@pytest.mark.parametrize("kind", [Service, EndpointSlice])
async def test_an_ingress_stays_as_it_was_while_its_new_backend_is_unknown(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch, kind: type[KubeObject]
) -> None:
    monkeypatch.setattr(source_module, "CATCH_UP_TIMEOUT_SECONDS", 0.05)
    api.write(Service, "old")
    before = write_backend(api, "shop", "old")
    follower = await follow()
    await follower.until_synced()
    api.faults[kind] += [refuse(403, "not now")] * 100_000
    api.end(kind)
    await until(lambda: len(api.faults[kind]) < 100_000)
    api.write(Service, "web")
    api.write(EndpointSlice, "web")
    write_backend(api, "shop", "web")
    write_ingress(api, "other")
    await follower.until(lambda: "other" in follower.of(Ingress) and bool(about(follower, "Ingress")))
    assert follower.of(Ingress)["shop"] == before
    (problem,) = about(follower, "Ingress")
    assert (problem.reason, str(problem.object)) == ("BackendUnreadable", "Ingress default/shop")
    assert "403 not now" in problem.message
    api.faults[kind].clear()
    await follower.until_equal()
    await follower.until(lambda: not about(follower, "Ingress"))


async def test_the_default_secret_may_be_in_another_namespace(api: WatchedApi, follow: Follow) -> None:
    for name in ("default", "other"):
        api.write(Secret, name, "certificates")
    follower = await follow(("a",), Key("certificates", "default"))
    await follower.until_synced()
    assert list(follower.of(Secret)) == ["default"]
    assert {query.get("fieldSelector") for query in requests(api, Secret)} == {
        "metadata.name=default",
        "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token",
    }


# Objects that make no sense


async def test_an_invalid_object_is_reported_and_the_last_good_version_stays(api: WatchedApi, follow: Follow) -> None:
    good = api.write(Service, "a")
    follower = await follow()
    await follower.until_synced()
    api.write(Service, "a", spec={"ports": [{"port": "http"}]})
    api.write(Service, "b", spec=7)
    await follower.until(lambda: len(follower.problems) == 2)
    assert [(str(each.object), each.reason, str(each.field)) for each in follower.problems] == [
        ("Service default/a", "InvalidObject", "spec.ports[0].port"),
        ("Service default/b", "InvalidObject", "spec"),
    ]
    assert follower.of(Service) == {"a": good}
    api.delete(Service, "b")
    api.write(Service, "a")
    await follower.until(lambda: not follower.problems)
    assert follower.of(Service) == {"a": api.revision}


async def test_an_invalid_name_is_reported(api: WatchedApi, follow: Follow) -> None:
    api.write(Service, "Bad\nName")
    api.write(Service, "good")
    follower = await follow()
    await follower.until_synced()
    assert list(follower.of(Service)) == ["good"]
    assert [each.reason for each in follower.problems] == ["InvalidName"]


# The end


async def test_cancellation_leaves_no_task_or_connection(api: WatchedApi, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    source = ApiServer(kubeconfig(tmp_path / "kubeconfig", api.url))
    synced = asyncio.Event()

    async def consume() -> None:
        async with aclosing(source.batches()) as batches:
            async for _ in batches:
                if not source.waiting_for():
                    synced.set()

    task = asyncio.create_task(consume())
    await synced.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not api.streams)
    await until(lambda: {each for each in asyncio.all_tasks() - before if "watched_api" not in repr(each)} == set())


# Whatever happens


NAMES = st.sampled_from("abc")
KIND = st.sampled_from([Ingress, Service, EndpointSlice, Secret, IngressClass, Gateway, HTTPRoute])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), KIND, NAMES),
        st.tuples(st.just("name"), NAMES, st.sets(NAMES)),
        st.tuples(st.just("delete"), KIND, NAMES),
        st.tuples(st.sampled_from(["cut", "end", "expire", "garble", "half", "bookmark"]), KIND),
        st.tuples(st.just("fault"), KIND, st.sampled_from([410, 429, 500, 503, 0])),
        st.tuples(st.sampled_from(["compact", "pages", "wait"])),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_any_faults_end_in_the_objects_of_the_server(tmp_path: Path, steps: list[Any]) -> None:
    async with WatchedApi() as api:
        api.installed = {GatewayClass, Gateway, HTTPRoute}
        source = ApiServer(kubeconfig(tmp_path / "kubeconfig", api.url))
        async with aclosing(source.batches()) as batches:
            follower = Follower(source, batches, api)
            for step in steps:
                await act(api, follower, *step)
            for faults in api.faults.values():
                faults.clear()
            await follower.until_synced()
            await follower.until_equal()
            for kind in (each for each in KINDS if api.serves(each)):
                api.write(kind, "last")
            write_ingress(api, "last", "last", *"abc")
            await follower.until_equal()


async def act(api: WatchedApi, follower: Follower, what: str, *arguments: Any) -> None:
    match what, *arguments:
        case "name", name, secrets:
            write_ingress(api, name, *sorted(secrets))
        case "fault", kind, status:
            api.faults[kind].append(refuse(status) if status else _reset)
        case "garble", kind:
            api.say(b"{}\n", kind)
        case "half", kind:
            api.say(b'{"type": "ADDED", "obj', kind)
            api.end(kind)
        case ("pages",):
            api.streams_lists, api.page = False, 2
        case ("wait",):
            if len(follower.listed) < len(KINDS):
                await follower.until_synced()
            await asyncio.sleep(0.003)
        case _:
            getattr(api, what)(*arguments)


# Objects that annotations and flags name


def write_annotated(api: WatchedApi, name: str, annotation: str, value: str, namespace: str = "default") -> int:
    number = api.revision + 1
    metadata = {
        "name": name,
        "namespace": namespace,
        "resourceVersion": str(number),
        "annotations": {f"nginx.ingress.kubernetes.io/{annotation}": value},
    }
    spec = {"ingressClassName": "envoy", "rules": [{"host": f"n{number}.example"}]}
    return api.write(Ingress, name, namespace, spec=spec, metadata=metadata)


async def test_a_config_map_that_an_annotation_names_is_watched_alone(api: WatchedApi, follow: Follow) -> None:
    for name in ("headers", "other"):
        api.write(ConfigMap, name)
    write_annotated(api, "web", "custom-headers", "default/headers")
    follower = await follow()
    await follower.until_synced()
    assert set(follower.of(ConfigMap)) == {"headers"}
    changed = api.write(ConfigMap, "headers")
    await follower.until(lambda: follower.of(ConfigMap) == {"headers": changed})
    selectors = {query.get("fieldSelector") for query in requests(api, ConfigMap)}
    assert selectors == {"metadata.name=headers"}
    api.delete(ConfigMap, "headers")
    await follower.until(lambda: not follower.of(ConfigMap))


async def test_an_ingress_that_begins_to_name_a_config_map_comes_after_it(api: WatchedApi, follow: Follow) -> None:
    api.write(ConfigMap, "headers")
    follower = await follow()
    await follower.until_synced()
    write_annotated(api, "web", "custom-headers", "default/headers")
    await follower.until(lambda: bool(follower.of(Ingress)))
    assert set(follower.of(ConfigMap)) == {"headers"}
    api.delete(Ingress, "web")
    await follower.until(lambda: not follower.of(ConfigMap))
    await until(lambda: not [each for each in api.streams if each.kind is ConfigMap])


async def test_a_forbidden_config_map_has_a_fault_and_holds_nothing_up(api: WatchedApi, follow: Follow) -> None:
    api.faults[ConfigMap].extend(refuse(403, "no right") for _ in range(3))
    api.write(ConfigMap, "headers")
    write_annotated(api, "web", "custom-headers", "default/headers")
    follower = await follow()
    await follower.until_synced()
    found = follower.objects[ConfigMap, Key("default", "headers")]
    assert isinstance(found, ConfigMap)
    assert found.data is None
    assert found.fault == "the API server answers 403 no right"
    assert not follower.problems, "nothing is wrong with the source"
    await follower.until(lambda: follower.of(ConfigMap) == {"headers": 11})
    current = follower.objects[ConfigMap, Key("default", "headers")]
    assert isinstance(current, ConfigMap)
    assert not current.fault


async def test_content_that_was_read_stays_while_the_config_map_is_forbidden(api: WatchedApi, follow: Follow) -> None:
    read = api.write(ConfigMap, "headers")
    write_annotated(api, "web", "custom-headers", "default/headers")
    follower = await follow()
    await follower.until_synced()

    def fault() -> str:
        found = follower.objects[ConfigMap, Key("default", "headers")]
        assert isinstance(found, ConfigMap)
        return found.fault

    api.faults[ConfigMap].append(refuse(403, "no right"))
    api.end(ConfigMap)
    await follower.until(lambda: bool(fault()))
    assert follower.of(ConfigMap) == {"headers": read}
    await follower.until(lambda: not fault())
    assert follower.of(ConfigMap) == {"headers": read}


async def test_a_config_map_of_a_flag_is_watched_in_any_namespace(api: WatchedApi, follow: Follow) -> None:
    read = api.write(ConfigMap, "controller", "ingress-nginx")
    follower = await follow(("shop",), config_maps=(Key("ingress-nginx", "controller"),))
    await follower.until_synced()
    assert follower.of(ConfigMap) == {"controller": read}


async def test_config_maps_that_a_config_map_of_a_flag_names_are_watched(api: WatchedApi, follow: Follow) -> None:
    def write(named: str) -> None:
        api.write(ConfigMap, "controller", "ingress-nginx", data={"proxy-set-headers": f"edge/{named}"})

    api.write(ConfigMap, "first", "edge")
    api.write(ConfigMap, "second", "edge")
    write("first")
    follower = await follow(config_maps=(Key("ingress-nginx", "controller"),))
    await follower.until_synced()
    assert set(follower.of(ConfigMap)) == {"controller", "first"}
    write("second")
    await follower.until(lambda: set(follower.of(ConfigMap)) == {"controller", "second"})
    api.delete(ConfigMap, "controller", "ingress-nginx")
    await follower.until(lambda: not follower.of(ConfigMap))


async def test_objects_of_another_namespace_are_read_only_if_that_is_allowed(api: WatchedApi, follow: Follow) -> None:
    for namespace in ("shop", "safe"):
        api.write(Secret, "ca", namespace)
        api.write(ConfigMap, "headers", namespace)
    write_annotated(api, "tls", "proxy-ssl-secret", "safe/ca", "shop")
    write_annotated(api, "headers", "custom-headers", "safe/headers", "shop")
    own = await follow()
    await own.until_synced()
    assert not own.of(Secret)
    assert not own.of(ConfigMap)
    for namespaces in ((), ("shop",), ("shop", "safe")):
        follower = await follow(namespaces, annotated=annotated_objects(allow_cross_namespace=True))
        await follower.until_synced()
        read = {key for kind, key in follower.objects if kind in (Secret, ConfigMap)}
        assert read == {Key("safe", "ca"), Key("safe", "headers")}, namespaces


async def test_a_secret_stays_while_one_of_two_watches_still_follows_it(api: WatchedApi, follow: Follow) -> None:
    """Within --namespace, a Secret has the watch of its namespace, and one more for Ingresses of other namespaces."""
    api.write(Secret, "ca", "safe")
    write_annotated(api, "near", "proxy-ssl-secret", "safe/ca", "safe")
    write_annotated(api, "far", "proxy-ssl-secret", "safe/ca", "shop")
    follower = await follow(("shop", "safe"), annotated=annotated_objects(allow_cross_namespace=True))
    await follower.until_synced()
    api.delete(Ingress, "far", "shop")
    await follower.until(lambda: "far" not in follower.of(Ingress))
    assert follower.of(Secret)
    write_annotated(api, "far", "proxy-ssl-secret", "safe/ca", "shop")
    await follower.until(lambda: "far" in follower.of(Ingress))
    api.delete(Ingress, "near", "safe")
    await follower.until(lambda: "near" not in follower.of(Ingress))
    assert follower.of(Secret)
    api.delete(Ingress, "far", "shop")
    await follower.until(lambda: not follower.of(Secret))


async def test_an_unanswered_config_map_is_waited_for_only_so_long(
    api: WatchedApi, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_watches, "UNKNOWN_SECONDS", 0.05)
    api.faults[ConfigMap].extend(refuse(500) for _ in range(1000))
    write_annotated(api, "web", "custom-headers", "default/headers")
    follower = await follow()
    await follower.until_synced()
    found = follower.objects[ConfigMap, Key("default", "headers")]
    assert isinstance(found, ConfigMap)
    assert found.fault.startswith("the API server gives no answer (500")
