"""The debug API on a loopback port, with a snapshot that a Pipeline builds from objects.

Covers: lists, filters, diffs, watches, proxies, problems, redaction, health, reflection, and error codes.
Excludes: the command line (tests/cli), the status of a session (tests/protocol), and the resources of each object
(tests/golden).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.debug_server import DebugServer, services, shop, type_status
from tests.support.objects import certificate, secret, service, tls
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.kube.change import Deleted
from xds.kube.objects import Ingress
from xds.problems.problem import Key
from xds.protocol.messages import Node, Rejection
from xds.server.debug.revisions import FellBehindError, Revisions
from xds.server.debug.service import ADS_SERVICE, DEBUG_SERVICE
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision


class World(DebugServer):
    """`do` changes objects; other methods call the API."""

    def ask(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.stub = debug_pb2_grpc.DebugServiceStub(channel)

    async def resources(self, *types: str, names: tuple[str, ...] = (), full: bool = False) -> list[pb.Resource]:
        request = pb.ListResourcesRequest(filter=pb.ResourceFilter(types=types, names=names), view=view(full))
        responses = [response async for response in self.stub.ListResources(request)]
        return [resource for response in responses for resource in response.resources]

    async def diff(self, **fields: Any) -> tuple[pb.DiffSnapshotsResponse, list[pb.ResourceChange]]:
        responses = [each async for each in self.stub.DiffSnapshots(pb.DiffSnapshotsRequest(**fields))]
        return responses[0], [change for response in responses for change in response.changes]

    async def watch(self, **fields: Any) -> Any:
        call = self.stub.WatchSnapshot(pb.WatchSnapshotRequest(**fields))
        await call.initial_metadata()
        return call


def view(full: bool) -> "pb.ResourceView":
    return pb.RESOURCE_VIEW_FULL if full else pb.RESOURCE_VIEW_BASIC


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world, grpc.aio.insecure_channel(world.target) as channel:
        world.ask(channel)
        yield world


@dataclass
class Failure:
    code: grpc.StatusCode
    details: str


async def failure(call: Any) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Failure(caught.value.code(), caught.value.details() or "")


def found(resources: list[pb.Resource]) -> list[tuple[str, str]]:
    return [(ResourceType(each.type_url).short, each.name) for each in resources]


async def test_resources_are_listed_in_update_order(world: World) -> None:
    world.do(service("b"), service("a"), shop("b", "a"))
    assert found(await world.resources()) == [
        ("cds", "default/a/80"),
        ("cds", "default/b/80"),
        ("eds", "default/a/80"),
        ("eds", "default/b/80"),
        ("ecds", "rate-limits@1"),
        ("lds", "http"),
        ("rds", "http@3"),
        ("vhds", "http@3/*"),
        ("vhds", "http@3/example.com"),
    ]


async def test_the_first_message_of_list_resources_holds_the_snapshot(world: World) -> None:
    before = time.time()
    world.do()
    world.do(service("a"), shop("a"))
    [head, *_] = [each async for each in world.stub.ListResources(pb.ListResourcesRequest())]
    assert head.snapshot.revision.number == 2
    read_at, committed_at = head.snapshot.revision.read_at, head.snapshot.revision.committed_at
    assert before - 1 < read_at.ToMicroseconds() / 1e6 <= committed_at.ToMicroseconds() / 1e6 < time.time() + 1
    assert [(each.type_url, each.version, each.resources) for each in head.snapshot.types] == [
        (type_, world.pipeline.store.version(type_), len(world.pipeline.store.resources(type_)))
        for type_ in ResourceType
    ]


@pytest.mark.parametrize(
    "word", ["cds", "CDS", "Cluster", "envoy.config.cluster.v3.Cluster", ResourceType.CLUSTER.value]
)
async def test_a_resource_type_has_several_names(world: World, word: str) -> None:
    world.do(service("a"), shop("a"))
    assert found(await world.resources(word)) == [("cds", "default/a/80")]


async def test_an_unknown_type_is_an_invalid_argument(world: World) -> None:
    world.do()
    answer = await failure(world.resources("xds"))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "'xds' is no resource type" in answer.details
    assert "cds (Cluster)" in answer.details


@pytest.mark.parametrize(
    ("wanted", "services"),
    [("/api/", ["api"]), ("api", ["api-2", "api"]), ("default/*/80", ["api-2", "api", "web"]), ("api*", [])],
)
async def test_resource_names_are_filtered_by_pattern_or_substring(
    world: World, wanted: str, services: list[str]
) -> None:
    world.do(service("api"), service("api-2"), service("web"), shop("api", "api-2", "web"))
    expected = [("cds", f"default/{each}/80") for each in services]
    assert found(await world.resources("cds", names=(wanted,))) == expected


async def test_the_basic_view_has_no_content(world: World) -> None:
    world.do()
    [resource] = await world.resources("lds")
    stored = world.pipeline.store.resources(ResourceType.LISTENER)["http"]
    assert (resource.version, resource.size, resource.json) == (stored.version, len(stored.body), "")


async def test_the_full_view_is_protobuf_json_in_snake_case(world: World) -> None:
    world.do(service("a"), shop("a"))
    [resource] = await world.resources("cds", full=True)
    content = json.loads(resource.json)
    assert content["name"] == "default/a/80"
    assert content["eds_cluster_config"]["eds_config"]["ads"] == {}


async def test_many_resources_are_split_into_messages(world: World) -> None:
    names = [f"s{number:03}" for number in range(120)]
    world.do(*services(*names), shop(*names))
    responses = [each async for each in world.stub.ListResources(pb.ListResourcesRequest())]
    assert all(len(each.resources) <= 50 for each in responses)
    assert [each.name for response in responses for each in response.resources[:120]][:120] == [
        f"default/{name}/80" for name in names
    ]


async def test_private_keys_are_redacted(world: World) -> None:
    cert = secret("cert", certificate("example.com"))
    world.do(service("a"), cert, shop("a", tls=tls("example.com", secret="cert")))
    [shown] = await world.resources("sds", full=True)
    content = json.loads(shown.json)["tls_certificate"]
    assert content["private_key"] == {"inline_bytes": "[redacted]"}
    assert content["certificate_chain"]["inline_bytes"].startswith("LS0t")
    _, changes = await world.diff(from_revision=0, view=pb.RESOURCE_VIEW_FULL)
    [changed] = [each for each in changes if each.type_url == ResourceType.SECRET]
    assert json.loads(changed.new.json) == json.loads(shown.json)


async def test_list_and_diff_fail_before_the_first_snapshot(world: World) -> None:
    for call in (world.resources(), world.diff()):
        answer = await failure(call)
        assert answer.code is grpc.StatusCode.FAILED_PRECONDITION
        assert "no snapshot yet" in answer.details


async def test_diff_compares_the_newest_two_revisions_by_default(world: World) -> None:
    world.do(service("a"), service("b"), shop("a"))
    world.do(shop("b"))
    head, changes = await world.diff(view=pb.RESOURCE_VIEW_FULL)
    assert (head.start.number, head.end.number) == (1, 2)
    assert head.end.HasField("committed_at")
    found_changes = [
        (ResourceType(each.type_url).short, each.name, each.HasField("old"), each.HasField("new")) for each in changes
    ]
    assert found_changes == [
        ("cds", "default/a/80", True, False),
        ("cds", "default/b/80", False, True),
        ("eds", "default/a/80", True, False),
        ("eds", "default/b/80", False, True),
        ("vhds", "http@3/example.com", True, True),
    ]
    routes = changes[-1]
    assert "default/a/80" in routes.old.json
    assert "default/b/80" in routes.new.json


async def test_diff_from_the_empty_snapshot_with_a_filter(world: World) -> None:
    world.do(service("a"), shop("a"))
    world.do(Deleted(Ingress, Key("default", "shop")))
    head, changes = await world.diff(from_revision=0, to_revision=1, filter=pb.ResourceFilter(types=["cds", "eds"]))
    assert (head.start.number, head.start.HasField("read_at")) == (0, False)
    assert [(each.name, each.new.json) for each in changes] == [("default/a/80", ""), ("default/a/80", "")]


async def test_diff_beyond_the_history(world: World) -> None:
    world.do()
    answer = await failure(world.diff(from_revision=1, to_revision=7))
    assert answer == Failure(grpc.StatusCode.OUT_OF_RANGE, "the history reaches from revision 0 to 1")
    answer = await failure(world.diff(from_revision=1, to_revision=0))
    assert answer == Failure(grpc.StatusCode.INVALID_ARGUMENT, "revision 1 is later than revision 0")


async def test_watch_streams_each_revision_that_passes_the_filter(world: World) -> None:
    world.do(service("a"), service("b"), shop("a"))
    call = await world.watch(filter=pb.ResourceFilter(types=["cds"]), view=pb.RESOURCE_VIEW_FULL)
    world.do(shop("a", "b"))
    first = await call.read()
    assert (first.revision.number, [each.name for each in first.changes]) == (2, ["default/b/80"])
    assert json.loads(first.changes[0].new.json)["name"] == "default/b/80"
    world.do(shop("a", "b", prefix="/other/"))  # changes routes only: filtered out
    world.do(shop("a", prefix="/other/"))
    second = await call.read()
    assert (second.revision.number, second.changes[0].HasField("new")) == (4, False)
    call.cancel()


async def test_watch_may_begin_before_the_first_snapshot(world: World) -> None:
    call = await world.watch()
    world.do()
    assert (await call.read()).revision.number == 1
    call.cancel()


async def test_a_watch_ends_when_the_server_shuts_down(world: World) -> None:
    call = await world.watch()
    world.revisions.close()
    answer = await failure(call.read())
    assert answer == Failure(grpc.StatusCode.UNAVAILABLE, "the server shuts down")


async def test_a_slow_subscriber_gets_an_error_and_fast_ones_continue() -> None:
    revisions = Revisions(backlog=2)
    revision = Revision(1, 0.0, 0.0, ())
    with revisions.subscribe() as slow, revisions.subscribe() as quick:
        for number in (1, 2, 3):
            revisions.publish(replace(revision, number=number))
            assert (await anext(quick)).number == number
        with pytest.raises(FellBehindError):
            await anext(slow)
        revisions.close()
        with pytest.raises(StopAsyncIteration):
            await anext(quick)


async def test_a_slow_watch_ends_with_resource_exhausted(world: World) -> None:
    world.do(service("a"), service("b"))
    call = await world.watch()
    for number in range(150):  # without a turn of the event loop: nothing can be sent
        world.do(shop("ab"[number % 2]))
    answer = await failure(call.read())
    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_list_proxies_is_sorted_and_complete(world: World) -> None:
    now = asyncio.get_running_loop().time()
    rejected = Rejection("v2", now, "cannot bind", (("http", "abc"),))
    listeners = type_status(ResourceType.LISTENER, now, wildcard=True, last_rejection=rejected, rejected_count=1)
    world.connect(Node("z", "fleet", "envoy 1.40.0"), listeners)
    world.connect(Node("a"))
    world.connect(None)
    answer = await world.stub.ListProxies(pb.ListProxiesRequest())
    assert [each.node_id for each in answer.proxies] == ["", "a", "z"]
    proxy = answer.proxies[2]
    assert (proxy.node_cluster, proxy.user_agent, proxy.peer) == ("fleet", "envoy 1.40.0", "ipv4:127.0.0.1:5")
    assert (proxy.variant, proxy.unserved_types) == (pb.VARIANT_DELTA, ["type.googleapis.com/x"])
    assert abs(time.time() - proxy.connected_at.ToMicroseconds() / 1e6 - 120) < WAIT_LIMIT_SECONDS
    [type_] = proxy.types
    assert (type_.type_url, type_.wildcard, type_.subscribed_names) == (ResourceType.LISTENER, True, 3)
    assert (type_.sent_version, type_.acked_version, type_.in_sync) == ("v2", "v1", False)
    assert (type_.rejection.version, type_.rejection.message) == ("v2", "cannot bind")
    assert [(each.name, each.version) for each in type_.rejection.resources] == [("http", "abc")]
    assert type_.sent_at.ToMilliseconds() - type_.acked_at.ToMilliseconds() == 60_000


@pytest.mark.parametrize(
    ("fields", "in_sync"),
    [({}, True), ({"in_flight": True}, False), ({"pending": 1}, False), ({"rejected_count": 1}, False)],
)
async def test_in_sync_excludes_in_flight_pending_and_rejected(
    world: World, fields: dict[str, Any], in_sync: bool
) -> None:
    world.connect(Node("a"), type_status(ResourceType.ROUTES, asyncio.get_running_loop().time(), **fields))
    answer = await world.stub.ListProxies(pb.ListProxiesRequest())
    assert answer.proxies[0].types[0].in_sync is in_sync


async def test_a_proxy_without_a_response_has_no_versions_or_times(world: World) -> None:
    world.connect(Node("a"), type_status(ResourceType.ROUTES, 0, sent=None, acknowledged=None))
    [type_] = (await world.stub.ListProxies(pb.ListProxiesRequest())).proxies[0].types
    assert (type_.sent_version, type_.acked_version) == ("", "")
    assert not any(map(type_.HasField, ("sent_at", "acked_at", "rejection")))


async def test_list_problems(world: World) -> None:
    world.do(shop("gone"))
    [problem] = (await world.stub.ListProblems(pb.ListProblemsRequest())).problems
    [expected] = world.pipeline.problems
    assert (problem.object.kind, problem.object.namespace, problem.object.name) == ("Ingress", "default", "shop")
    assert (problem.reason, problem.message, problem.remedy) == (expected.reason, expected.message, expected.remedy)
    assert (problem.field, problem.location) == (str(expected.field), expected.location)


@pytest.mark.parametrize("name", ["", ADS_SERVICE, DEBUG_SERVICE])
async def test_health_follows_the_snapshot(world: World, name: str) -> None:
    stub = health_pb2_grpc.HealthStub(world.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    await world.health.set_serving(True)
    assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_debug_api(world: World) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(world.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await call.read()
    assert DEBUG_SERVICE in [each.name for each in listed.list_services_response.service]
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=DEBUG_SERVICE))
    assert len((await call.read()).file_descriptor_response.file_descriptor_proto) >= 1
    await call.done_writing()


async def test_errors_of_lists_are_statuses(world: World) -> None:
    early = await failure(world.stub.ListIngresses(pb.ListIngressesRequest()))
    assert (early.code, early.details) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "there is no snapshot yet: the source is still being read",
    )
    world.do(*services("a"), shop("a"))
    late = await failure(world.stub.ListIngresses(pb.ListIngressesRequest(page_size=5000)))
    assert (late.code, late.details) == (grpc.StatusCode.INVALID_ARGUMENT, "page_size 5000 is larger than 1000")
    listed = await world.stub.ListIngresses(pb.ListIngressesRequest())
    assert [each.ingress.name for each in listed.ingresses] == ["shop"]
