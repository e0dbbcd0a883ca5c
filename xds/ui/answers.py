"""The questions that the page asks: the methods of the debug API, in this process."""

from collections.abc import AsyncIterator
from typing import Protocol

from xds.api.v1 import debug_pb2 as pb


class Answers(Protocol):
    """The debug API without gRPC. An error is an `AnswerError` with a line for people."""

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse: ...

    async def list_problems(self, request: pb.ListProblemsRequest) -> pb.ListProblemsResponse: ...

    async def list_proxies(self, request: pb.ListProxiesRequest) -> pb.ListProxiesResponse: ...

    async def list_revisions(self, request: pb.ListRevisionsRequest) -> pb.ListRevisionsResponse: ...

    def diff_snapshots(self, request: pb.DiffSnapshotsRequest) -> AsyncIterator[pb.DiffSnapshotsResponse]: ...

    async def list_certificates(self, request: pb.ListCertificatesRequest) -> pb.ListCertificatesResponse: ...

    async def list_replicas(self, request: pb.ListReplicasRequest) -> pb.ListReplicasResponse: ...


class CostlyAnswers(Protocol):
    """Methods that take long for large inputs: one at a time, and an `OverdueError` after 2 s."""

    async def list_ingresses(self, request: pb.ListIngressesRequest) -> pb.ListIngressesResponse: ...

    async def why_ingress(self, request: pb.WhyIngressRequest) -> pb.WhyIngressResponse: ...

    async def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse: ...
