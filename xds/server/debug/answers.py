"""The answers of the debug API, without gRPC: for the API and the page alike.

A method of `Answers` is an RPC of `protos/xds/api/v1/debug.proto`: it takes the request, returns the response, and
raises an `AnswerError`. The state is read in slices on the event loop. A thread renders, searches and sorts.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from xds.api.v1 import debug_pb2 as pb
from xds.explain.facts import StateReader
from xds.explain.gateway_facts import KINDS
from xds.explain.layer4_list import listed_ports, read_claims
from xds.explain.layer4_object_facts import ClaimFacts
from xds.explain.overview_query import select
from xds.explain.url import QuestionError
from xds.kube.objects import ConfigMap, Service
from xds.problems.problem import ObjectRef
from xds.server.debug import gateway_messages, layer4_messages, messages, overview_messages, status
from xds.server.debug.errors import InvalidRequestError, NotFoundError
from xds.server.debug.explain import Explaining
from xds.server.debug.layer4_messages import rejected_listeners
from xds.server.debug.live_overview import LiveOverview
from xds.server.debug.messages import ProxyDelivery, ProxyFigures, ProxyStatus, WallClock
from xds.server.debug.overview_messages import HttpsHosts
from xds.server.debug.peers import NO_PEERS, Peers
from xds.server.debug.process_facts import ProcessFacts, versions
from xds.server.debug.revisions import Revisions
from xds.server.debug.slices import in_slices
from xds.server.debug.snapshots import Snapshots
from xds.server.debug.threads import InThread, OneThread
from xds.snapshot.resource import Resource


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class LiveState:
    """The state of the control plane, for reading.

    Attributes:
        reader: Reads objects, traffic, snapshot and problems.
        proxies: Returns the open streams, read one by one.
        figures: Returns the states of the open streams for counts, read one by one.
        deliveries: Returns, for given resources, the delivery to each connected proxy.
        revisions: Publishes each revision that is committed to the store.
        process: Facts about the process.
        peers: The other replicas.
    """

    reader: StateReader
    proxies: Callable[[], Iterable[ProxyStatus]]
    figures: Callable[[], Iterable[ProxyFigures]]
    deliveries: Callable[[Sequence[Resource]], Sequence[ProxyDelivery]]
    revisions: Revisions
    process: ProcessFacts = field(default_factory=ProcessFacts)
    peers: Peers = NO_PEERS


class Answers:
    """Answers questions about the state of the control plane.

    Attributes:
        overview: The overview of Ingresses.
    """

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._reader = state.reader
        self._thread = OneThread("render")
        self._snapshots = Snapshots(state.reader.store, state.revisions, self._thread, _wall_clock)
        self._explaining = Explaining(state.reader, state.deliveries)
        self._certificate_dates = status.CertificateDates(state.reader.traffic)
        self.overview = LiveOverview(state.reader)

    def close(self) -> None:
        """Begin no further work in the thread."""
        self._thread.close()

    def list_resources(self, request: pb.ListResourcesRequest) -> AsyncIterator[pb.ListResourcesResponse]:
        return self._snapshots.list(request)

    def diff_snapshots(self, request: pb.DiffSnapshotsRequest) -> AsyncIterator[pb.DiffSnapshotsResponse]:
        return self._snapshots.diff(request)

    def watch_snapshot(
        self, request: pb.WatchSnapshotRequest, subscribed: Callable[[], Awaitable[None]] = _nothing
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """New revisions. `subscribed` is called as soon as no later revision can be missed."""
        return self._snapshots.watch(request, subscribed)

    async def list_revisions(self, request: pb.ListRevisionsRequest) -> pb.ListRevisionsResponse:  # noqa: ARG002
        return await self._snapshots.revisions()

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:  # noqa: ARG002
        reader, process = self._reader, self._state.process
        await self.overview.refresh()
        proxies = await status.proxy_counts(self._state.figures())
        certificate = await self._certificate_dates.first(process.certificates())
        found = pb.GetStatusResponse(
            replica=process.name,
            id=process.id,
            version=versions().get("xds-ingress", ""),
            source=status.source(process),
            leadership=status.leadership(process),
            snapshot=messages.snapshot(reader.store, _wall_clock()) if reader.store.revision else None,
            pending=reader.busy(),
            ingresses=overview_messages.counts(self.overview.counts),
            problems=status.problem_counts(reader.problems.counts_by_reason),
            proxies=proxies,
            next_certificate=certificate,
            gateways=await gateway_messages.counts(reader),
        )
        found.started_at.FromMilliseconds(round(process.started_at * 1000))
        return found

    async def list_ingresses(
        self, request: pb.ListIngressesRequest, in_thread: InThread | None = None
    ) -> pb.ListIngressesResponse:
        """A page of Ingresses, searched in `in_thread`; None: the thread of the API."""
        query, (start, size) = overview_messages.query(request), overview_messages.page(request)
        self._snapshots.require_snapshot()
        in_thread, summaries = in_thread or self._thread, await self.overview.summaries()
        page = await in_thread(lambda: select(summaries, query, start, size))
        state, tls, pending = self._reader.state, self._reader.traffic.tls, self._reader.busy()
        rows = [(each, state.claim(each.ingress).why) async for each in in_slices(page.summaries)]
        addresses, end = self._state.process.addresses(), start + len(page.summaries)

        def response() -> pb.ListIngressesResponse:
            https = HttpsHosts(tls)
            return pb.ListIngressesResponse(
                ingresses=[overview_messages.summary(each, why, https, addresses) for each, why in rows],
                next_page_token=str(end) if rows and end < page.total else "",
                total=page.total,
                counts=overview_messages.counts(page.counts),
                pending=pending,
            )

        return await in_thread(response)

    async def list_certificates(self, request: pb.ListCertificatesRequest) -> pb.ListCertificatesResponse:  # noqa: ARG002
        return await status.certificates(self._reader.traffic, self._state.process.certificates())

    async def list_proxies(self, request: pb.ListProxiesRequest) -> pb.ListProxiesResponse:
        at, name = _wall_clock(), self._state.process.name
        found = [messages.proxy(each, at, name) async for each in in_slices(self._state.proxies())]
        peers = await self._state.peers.list_proxies() if request.all_replicas else ()
        answered = [answer for _, answer in peers if answer]
        for each in answered:
            found += each.proxies
        found.sort(key=lambda each: (each.node_id, each.connected_at.seconds, each.connected_at.nanos))
        unreachable = [peer for peer, answer in peers if not answer]
        replicas = 1 + len(answered) if request.all_replicas else 0
        return pb.ListProxiesResponse(proxies=found, unreachable=unreachable, replicas=replicas)

    async def list_problems(self, request: pb.ListProblemsRequest) -> pb.ListProblemsResponse:  # noqa: ARG002
        problems = self._reader.problems.unsorted
        return await self._thread(lambda: pb.ListProblemsResponse(problems=map(messages.problem, sorted(problems))))

    async def explain(self, request: pb.ExplainRequest, in_thread: InThread | None = None) -> pb.ExplainResponse:
        """The answer to a request, explained in `in_thread`; None: the thread of the API."""
        self._snapshots.require_snapshot()
        try:
            return await self._explaining.explain(request, in_thread or self._thread)
        except QuestionError as error:
            raise InvalidRequestError(str(error)) from None

    async def why_ingress(
        self, request: pb.WhyIngressRequest, in_thread: InThread | None = None
    ) -> pb.WhyIngressResponse:
        """The state of an Ingress, judged in `in_thread`; None: the thread of the API."""
        self._snapshots.require_snapshot()
        found = await self._explaining.why_ingress(request, in_thread or self._thread, _wall_clock())
        if found is None:
            raise NotFoundError(f"there is no Ingress {request.namespace}/{request.name}")
        return found

    async def why_object(self, request: pb.WhyObjectRequest, in_thread: InThread | None = None) -> pb.WhyObjectResponse:
        """The state of an object, judged in `in_thread`; None: the thread of the API."""
        self._snapshots.require_snapshot()
        about = ObjectRef(request.object.kind, request.object.namespace, request.object.name)
        if about.kind not in (ConfigMap.kind, Service.kind, *KINDS):
            raise InvalidRequestError(
                f"the kind {about.kind!r} is none of ConfigMap, Service, {', '.join(sorted(KINDS))}"
            )
        found = await self._explaining.why_object(about, in_thread or self._thread, _wall_clock())
        if found is None:
            read = " that a flag or an annotation names" if about.kind == ConfigMap.kind else ""
            raise NotFoundError(f"there is no {about}{read}")
        return found

    async def list_ports(self, request: pb.ListPortsRequest) -> pb.ListPortsResponse:  # noqa: ARG002
        self._snapshots.require_snapshot()
        claims: list[ClaimFacts] = []
        async for _ in in_slices(read_claims(self._reader, claims)):
            pass
        rejected = {name async for each in in_slices(self._state.proxies()) for name in rejected_listeners(each)}
        proxies, rejections = self._explaining.rejections_of(rejected)
        pending = self._reader.busy()

        def response() -> pb.ListPortsResponse:
            ports = [layer4_messages.port(each, rejections, proxies) for each in listed_ports(claims)]
            return pb.ListPortsResponse(ports=ports, pending=pending)

        return await self._thread(response)

    async def list_gateways(self, request: pb.ListGatewaysRequest) -> pb.ListGatewaysResponse:  # noqa: ARG002
        self._snapshots.require_snapshot()
        found, pending = await gateway_messages.listed(self._reader), self._reader.busy()
        return await self._thread(
            lambda: pb.ListGatewaysResponse(gateways=map(gateway_messages.summary, found), pending=pending)
        )

    async def list_replicas(self, request: pb.ListReplicasRequest) -> pb.ListReplicasResponse:  # noqa: ARG002
        own = pb.Replica(self=True, status=await self.get_status(pb.GetStatusRequest()))
        return pb.ListReplicasResponse(replicas=[own, *await self._state.peers.list_replicas()])

    async def get_diagnostics(self, request: pb.GetDiagnosticsRequest) -> pb.GetDiagnosticsResponse:  # noqa: ARG002
        process = self._state.process
        return pb.GetDiagnosticsResponse(
            metrics=process.metrics(),
            log_lines=process.log_lines(),
            settings=[pb.Setting(name=name, value=value) for name, value in sorted(process.flags.items())],
            versions=[pb.ComponentVersion(name=name, version=each) for name, each in versions().items()],
        )

    def mark(self) -> Hashable:
        """A value that differs after a change of revision, problems, routing, leader or source. Costs microseconds."""
        reader, process = self._reader, self._state.process
        return (
            reader.store.revision,
            reader.problems.generation,
            reader.traffic.generation,
            process.leader(),
            process.waiting_for(),
        )


def _wall_clock() -> WallClock:
    return messages.wall_clock(time.monotonic(), time.time())
