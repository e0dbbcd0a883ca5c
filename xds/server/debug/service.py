"""The debug API of `protos/xds/api/v1/debug.proto` over gRPC."""

# ruff: noqa: N802 - the methods have the names of the proto

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from grpc import StatusCode as _Code
from grpc.aio import Server, ServicerContext
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # the stubs are older
from grpc_reflection.v1alpha import reflection

from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.server.debug.answers import Answers
from xds.server.debug.errors import (
    AnswerError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OutsideHistoryError,
    OverdueError,
    ShuttingDownError,
    TooSlowError,
)

DEBUG_SERVICE: Final = pb.DESCRIPTOR.services_by_name["DebugService"].full_name
HEALTH_SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
ADS_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_Context: TypeAlias = ServicerContext[Any, Any]


class DebugService(debug_pb2_grpc.DebugServiceServicer):
    """Serves the answers over gRPC: an error becomes a status."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def ListResources(
        self, request: pb.ListResourcesRequest, context: _Context
    ) -> AsyncIterator[pb.ListResourcesResponse]:
        async with _status(context):
            async for response in self._answers.list_resources(request):
                yield response

    async def DiffSnapshots(
        self, request: pb.DiffSnapshotsRequest, context: _Context
    ) -> AsyncIterator[pb.DiffSnapshotsResponse]:
        async with _status(context):
            async for response in self._answers.diff_snapshots(request):
                yield response

    async def WatchSnapshot(
        self, request: pb.WatchSnapshotRequest, context: _Context
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """Runs until cancelled; gRPC cancels when the client disconnects."""

        async def subscribed() -> None:
            await context.send_initial_metadata(())

        async with _status(context):
            async for response in self._answers.watch_snapshot(request, subscribed):
                yield response

    async def GetStatus(self, request: pb.GetStatusRequest, context: _Context) -> pb.GetStatusResponse:
        async with _status(context):
            return await self._answers.get_status(request)

    async def ListIngresses(self, request: pb.ListIngressesRequest, context: _Context) -> pb.ListIngressesResponse:
        async with _status(context):
            return await self._answers.list_ingresses(request)

    async def ListCertificates(
        self, request: pb.ListCertificatesRequest, context: _Context
    ) -> pb.ListCertificatesResponse:
        async with _status(context):
            return await self._answers.list_certificates(request)

    async def ListRevisions(self, request: pb.ListRevisionsRequest, context: _Context) -> pb.ListRevisionsResponse:
        async with _status(context):
            return await self._answers.list_revisions(request)

    async def ListReplicas(self, request: pb.ListReplicasRequest, context: _Context) -> pb.ListReplicasResponse:
        async with _status(context):
            return await self._answers.list_replicas(request)

    async def GetDiagnostics(self, request: pb.GetDiagnosticsRequest, context: _Context) -> pb.GetDiagnosticsResponse:
        async with _status(context):
            return await self._answers.get_diagnostics(request)

    async def ListProxies(self, request: pb.ListProxiesRequest, context: _Context) -> pb.ListProxiesResponse:
        async with _status(context):
            return await self._answers.list_proxies(request)

    async def ListProblems(self, request: pb.ListProblemsRequest, context: _Context) -> pb.ListProblemsResponse:
        async with _status(context):
            return await self._answers.list_problems(request)

    async def Explain(self, request: pb.ExplainRequest, context: _Context) -> pb.ExplainResponse:
        async with _status(context):
            return await self._answers.explain(request)

    async def WhyIngress(self, request: pb.WhyIngressRequest, context: _Context) -> pb.WhyIngressResponse:
        async with _status(context):
            return await self._answers.why_ingress(request)

    async def WhyObject(self, request: pb.WhyObjectRequest, context: _Context) -> pb.WhyObjectResponse:
        async with _status(context):
            return await self._answers.why_object(request)

    async def ListPorts(self, request: pb.ListPortsRequest, context: _Context) -> pb.ListPortsResponse:
        async with _status(context):
            return await self._answers.list_ports(request)

    async def ListGateways(self, request: pb.ListGatewaysRequest, context: _Context) -> pb.ListGatewaysResponse:
        async with _status(context):
            return await self._answers.list_gateways(request)


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


_CODES: Final = {
    NotReadyError: _Code.FAILED_PRECONDITION,
    InvalidRequestError: _Code.INVALID_ARGUMENT,
    NotFoundError: _Code.NOT_FOUND,
    OutsideHistoryError: _Code.OUT_OF_RANGE,
    TooSlowError: _Code.RESOURCE_EXHAUSTED,
    ShuttingDownError: _Code.UNAVAILABLE,
    OverdueError: _Code.DEADLINE_EXCEEDED,
}


@asynccontextmanager
async def _status(context: _Context) -> AsyncIterator[None]:
    """End the call with a status if there is no answer."""
    try:
        yield
    except AnswerError as error:
        await context.abort(_CODES[type(error)], str(error))
