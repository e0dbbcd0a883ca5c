"""A stand-in for the debug API in this process: messages by hand, and a server of the page on a free port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import aiohttp
from google.protobuf.timestamp_pb2 import Timestamp

from xds.address import HostPort
from xds.api.v1 import debug_pb2 as pb
from xds.snapshot.resource import ResourceType
from xds.ui.options import UiOptions
from xds.ui.server import UiServer

HOSTILE = "<script>alert(1)</script> \"quoted' \u202egnp.exe\u200b\n&amp; {{ 7 * 7 }}"
"""HTML, quotes, a mark that turns the direction, a blank without width, a line break, and a template's braces."""


def at(seconds: int = 1_700_000_000) -> Timestamp:
    return Timestamp(seconds=seconds)


def status(**changes: object) -> pb.GetStatusResponse:
    found = pb.GetStatusResponse(
        replica="xds-0",
        id="a1",
        version="0.1.0",
        started_at=at(),
        source=pb.Source(name="folder", current=True),
        snapshot=pb.Snapshot(revision=pb.Revision(number=3, read_at=at(), committed_at=at())),
        ingresses=pb.IngressCounts(accepted=2),
        proxies=pb.ProxyCounts(connected=1, in_sync=1),
    )
    found.MergeFrom(pb.GetStatusResponse(**changes))  # type: ignore[arg-type]
    return found


def reference(name: str = "shop", kind: str = "Ingress", namespace: str = "default") -> pb.ObjectReference:
    return pb.ObjectReference(kind=kind, namespace=namespace, name=name)


def problem(name: str = "shop", reason: str = "BackendNotFound", level: pb.Level = pb.LEVEL_ERROR) -> pb.Problem:
    return pb.Problem(
        object=reference(name),
        reason=reason,
        message="The Service doesn't exist",
        remedy="Create the Service.",
        field="spec.rules[0]",
        location="a.yaml:3",
        level=level,
    )


def proxy(node_id: str = "envoy-1", *types: pb.ProxyType) -> pb.Proxy:
    known = types or (pb.ProxyType(type_url=ResourceType.CLUSTER, wildcard=True, acked_version="1", in_sync=True),)
    return pb.Proxy(node_id=node_id, user_agent="envoy 1.40.0", peer="ipv4:10.0.0.7:1", connected_at=at(), types=known)


class Answers:
    """Messages by hand, as attributes. A question waits for `free`."""

    def __init__(self) -> None:
        self.status = status()
        self.ingresses = pb.ListIngressesResponse()
        self.why = pb.WhyIngressResponse(ingress=reference(), acceptance=pb.ACCEPTANCE_ACCEPTED, claim="its class")
        self.explanation = pb.ExplainResponse(status=200, outcome="the backend answers")
        self.problems: list[pb.Problem] = []
        self.proxies = pb.ListProxiesResponse()
        self.revisions = pb.ListRevisionsResponse()
        self.changes: list[pb.ResourceChange] = []
        self.certificates = pb.ListCertificatesResponse()
        self.ports = pb.ListPortsResponse()
        self.gateways = pb.ListGatewaysResponse()
        self.object = pb.WhyObjectResponse(object=reference("tcp", "ConfigMap"), acceptance=pb.ACCEPTANCE_ACCEPTED)
        self.replicas = pb.ListReplicasResponse()
        self.asked: list[object] = []
        self.error: Exception | None = None

    def _noted(self, request: object) -> None:
        self.asked.append(request)
        if self.error is not None:
            raise self.error

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:
        return self.status

    async def list_ingresses(self, request: pb.ListIngressesRequest) -> pb.ListIngressesResponse:
        self._noted(request)
        return self.ingresses

    async def why_ingress(self, request: pb.WhyIngressRequest) -> pb.WhyIngressResponse:
        self._noted(request)
        return self.why

    async def why_object(self, request: pb.WhyObjectRequest) -> pb.WhyObjectResponse:
        self._noted(request)
        return self.object

    async def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse:
        self._noted(request)
        return self.explanation

    async def list_problems(self, request: pb.ListProblemsRequest) -> pb.ListProblemsResponse:
        return pb.ListProblemsResponse(problems=self.problems)

    async def list_proxies(self, request: pb.ListProxiesRequest) -> pb.ListProxiesResponse:
        self._noted(request)
        return self.proxies

    async def list_revisions(self, request: pb.ListRevisionsRequest) -> pb.ListRevisionsResponse:
        return self.revisions

    async def diff_snapshots(self, request: pb.DiffSnapshotsRequest) -> AsyncIterator[pb.DiffSnapshotsResponse]:
        self._noted(request)
        yield pb.DiffSnapshotsResponse()
        for change in self.changes:
            yield pb.DiffSnapshotsResponse(changes=[change])

    async def list_certificates(self, request: pb.ListCertificatesRequest) -> pb.ListCertificatesResponse:
        return self.certificates

    async def list_ports(self, request: pb.ListPortsRequest) -> pb.ListPortsResponse:
        return self.ports

    async def list_gateways(self, request: pb.ListGatewaysRequest) -> pb.ListGatewaysResponse:
        return self.gateways

    async def list_replicas(self, request: pb.ListReplicasRequest) -> pb.ListReplicasResponse:
        return self.replicas


class Ui:
    """The page on a free port, from `async with` to the end."""

    def __init__(self, *hosts: str) -> None:
        self.answers = Answers()
        self.mark = 0
        options = UiOptions(HostPort("127.0.0.1", 0), hosts)
        self.server = UiServer(options, self.answers, self.answers, self.look)
        self.port = 0
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.port = await self.server.start()
        self.session = await self._stack.enter_async_context(aiohttp.ClientSession())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        await self.server.stop()

    async def look(self) -> int:
        return self.mark

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url(path), headers=named) as response:
            self.headers = response.headers
            return response.status, await response.text()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def open(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer
