"""The debug API of `protos/xds/api/v1/debug.proto`, on the server's event loop.

Rendering a large resource would delay the proxies. A thread renders, some resources at a time.
"""

# ruff: noqa: N802 - the methods have the names of the proto

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias, TypeVar

from grpc import StatusCode as _Code
from grpc.aio import Server, ServicerContext
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # the stubs are older
from grpc_reflection.v1alpha import reflection

from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.explain.url import QuestionError
from xds.problems.problem import Problem
from xds.server.debug import messages
from xds.server.debug.explain import Explaining
from xds.server.debug.messages import ProxyStatus, WallClock
from xds.server.debug.rendering import Filter, UnknownTypeError
from xds.server.debug.revisions import FellBehindError, Revisions
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision, Store, UnknownRevisionError

RESOURCES_PER_MESSAGE: Final = 50
"""The maximum."""

DEBUG_SERVICE: Final = pb.DESCRIPTOR.services_by_name["DebugService"].full_name
HEALTH_SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
ADS_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_Context: TypeAlias = ServicerContext[Any, Any]
_Value = TypeVar("_Value", Resource, ResourceChange)
_Result = TypeVar("_Result")
_Message = TypeVar("_Message", pb.Resource, pb.ResourceChange)


class DebugService(debug_pb2_grpc.DebugServiceServicer):
    """Serves the state of the control plane: the snapshot, the proxies, the problems, and explanations.

    Args:
        store: The snapshot.
        problems: Returns all problems, by object.
        proxies: Returns the open streams.
        revisions: Publishes each revision that is committed to the store.
        explaining: Serves Explain and WhyIngress.
    """

    def __init__(
        self,
        store: Store,
        problems: Callable[[], Sequence[Problem]],
        proxies: Callable[[], Sequence[ProxyStatus]],
        revisions: Revisions,
        explaining: Explaining,
    ) -> None:
        self._store = store
        self._problems = problems
        self._proxies = proxies
        self._revisions = revisions
        self._explaining = explaining
        # One thread for all clients: more threads would take processor time from the event loop, and the loop's own
        # executor is for the source.
        self._renderer = ThreadPoolExecutor(1, "render")

    def close(self) -> None:
        """Stop rendering."""
        self._renderer.shutdown(wait=False, cancel_futures=True)

    async def ListResources(
        self, request: pb.ListResourcesRequest, context: _Context
    ) -> AsyncIterator[pb.ListResourcesResponse]:
        chosen = await _filter(request.filter, context)
        await self._require_snapshot(context)
        snapshot, resources = messages.snapshot(self._store, _wall_clock()), list(self._selected(chosen))
        yield pb.ListResourcesResponse(snapshot=snapshot)
        async for rendered in self._rendered(messages.resource, resources, request.view):
            yield pb.ListResourcesResponse(resources=rendered)

    async def DiffSnapshots(
        self, request: pb.DiffSnapshotsRequest, context: _Context
    ) -> AsyncIterator[pb.DiffSnapshotsResponse]:
        chosen = await _filter(request.filter, context)
        await self._require_snapshot(context)
        start, end = self._ends(request)
        if start > end:
            await context.abort(_Code.INVALID_ARGUMENT, f"revision {start} is later than revision {end}")
        try:
            changes = chosen.of(self._store.diff(start, end))
        except UnknownRevisionError as error:
            await context.abort(_Code.OUT_OF_RANGE, str(error))
        yield pb.DiffSnapshotsResponse(start=self._revision(start), end=self._revision(end))
        async for rendered in self._rendered(messages.change, changes, request.view):
            yield pb.DiffSnapshotsResponse(changes=rendered)

    async def WatchSnapshot(
        self, request: pb.WatchSnapshotRequest, context: _Context
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """Runs until cancelled; gRPC cancels when the client disconnects."""
        chosen = await _filter(request.filter, context)
        with self._revisions.subscribe() as subscription:
            await context.send_initial_metadata(())
            try:
                async for revision in subscription:
                    if changes := chosen.of(revision.changes):
                        yield await self._watched(revision, changes, request.view)
            except FellBehindError:
                await context.abort(_Code.RESOURCE_EXHAUSTED, "the client was too slow and has missed revisions")
        await context.abort(_Code.UNAVAILABLE, "the server shuts down")

    async def ListProxies(self, request: pb.ListProxiesRequest, context: _Context) -> pb.ListProxiesResponse:  # noqa: ARG002
        return pb.ListProxiesResponse(proxies=messages.proxies(self._proxies(), _wall_clock()))

    async def ListProblems(self, request: pb.ListProblemsRequest, context: _Context) -> pb.ListProblemsResponse:  # noqa: ARG002
        return pb.ListProblemsResponse(problems=map(messages.problem, self._problems()))

    async def Explain(self, request: pb.ExplainRequest, context: _Context) -> pb.ExplainResponse:
        await self._require_snapshot(context)
        try:
            return await self._explaining.explain(request, self._run_in_thread)
        except QuestionError as error:
            await context.abort(_Code.INVALID_ARGUMENT, str(error))

    async def WhyIngress(self, request: pb.WhyIngressRequest, context: _Context) -> pb.WhyIngressResponse:
        await self._require_snapshot(context)
        found = await self._explaining.why_ingress(request, self._run_in_thread, _wall_clock())
        if found is None:
            await context.abort(_Code.NOT_FOUND, f"there is no Ingress {request.namespace}/{request.name}")
        return found

    async def _require_snapshot(self, context: _Context) -> None:
        if not self._store.revision:
            await context.abort(_Code.FAILED_PRECONDITION, "there is no snapshot yet: the source is still being read")

    def _selected(self, chosen: Filter) -> Iterator[Resource]:
        for type_ in ResourceType:
            for name, resource in sorted(self._store.resources(type_).items()):
                if chosen.matches(type_, name):
                    yield resource

    def _ends(self, request: pb.DiffSnapshotsRequest) -> tuple[int, int]:
        end = request.to_revision if request.HasField("to_revision") else self._store.revision
        return (request.from_revision if request.HasField("from_revision") else max(end - 1, 0)), end

    def _revision(self, number: int) -> pb.Revision:
        known = next((revision for revision in self._store.history if revision.number == number), None)
        return messages.revision(known, _wall_clock()) if known else pb.Revision(number=number)

    async def _rendered(
        self, render: Callable[..., _Message], values: Sequence[_Value], view: pb.ResourceView
    ) -> AsyncIterator[list[_Message]]:
        """The messages of the values, in chunks."""
        for start in range(0, len(values), RESOURCES_PER_MESSAGE):
            yield await self._in_thread(render, values[start : start + RESOURCES_PER_MESSAGE], view)

    async def _watched(
        self, revision: Revision, changes: Sequence[ResourceChange], view: pb.ResourceView
    ) -> pb.WatchSnapshotResponse:
        rendered = await self._in_thread(messages.change, changes, view)
        return pb.WatchSnapshotResponse(revision=messages.revision(revision, _wall_clock()), changes=rendered)

    async def _in_thread(
        self, render: Callable[..., _Message], values: Sequence[_Value], view: pb.ResourceView
    ) -> list[_Message]:
        full = view == pb.RESOURCE_VIEW_FULL
        return await self._run_in_thread(lambda: [render(value, full=full) for value in values])

    async def _run_in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Run the work in the rendering thread. On cancellation the thread finishes the work."""
        return await asyncio.get_running_loop().run_in_executor(self._renderer, work)


class Health:
    """The status in grpc.health.v1.Health of the whole server, of ADS and of the debug API."""

    def __init__(self, servicer: health_aio.HealthServicer) -> None:
        self._servicer = servicer

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 - the name says the meaning
        """SERVING means that a snapshot exists."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", ADS_SERVICE, DEBUG_SERVICE):
            await self._servicer.set(name, status)


async def add_debug(server: Server, service: DebugService) -> Health:
    """Add the debug API, server reflection and the health service. Its first status is NOT_SERVING."""
    health = health_aio.HealthServicer()
    debug_pb2_grpc.add_DebugServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((DEBUG_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    handle = Health(health)
    await handle.set_serving(False)
    return handle


async def _filter(wanted: pb.ResourceFilter, context: _Context) -> Filter:
    try:
        return Filter.parse(wanted.types, wanted.names)
    except UnknownTypeError as error:
        await context.abort(_Code.INVALID_ARGUMENT, str(error))


def _wall_clock() -> WallClock:
    return messages.wall_clock(time.monotonic(), time.time())
