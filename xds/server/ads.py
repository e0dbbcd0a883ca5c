"""ADS over grpc.aio: the service, and the conversation of one stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final

import grpc
import structlog

from xds.logs import BUG_REMEDY
from xds.problems.reasons import Reason
from xds.protocol.builds import too_old
from xds.protocol.fleet import Fleet
from xds.protocol.messages import (
    Acknowledged,
    ErrorCode,
    Event,
    Node,
    ProtocolError,
    Rejected,
    Request,
    Unserved,
    Variant,
)
from xds.protocol.rejection.reports import RejectionReport, RejectionReports
from xds.protocol.session import Session
from xds.protocol.stuck import StuckReason
from xds.resources.inlining import inlined
from xds.server.convergence import Convergence
from xds.server.debounce import EndpointDebounce
from xds.server.debug.messages import ProxyDelivery, ProxyFigures, ProxyStatus
from xds.server.encoding import PausingEncoder
from xds.server.fanout import Fanout
from xds.server.metrics.streams import RefusedReason, StreamMetrics
from xds.server.rejection_log import RejectionLog
from xds.server.stream import Clock, Context, Stream
from xds.server.stream_errors import REMEDIES, abort, refused_reason
from xds.server.tls import names_of
from xds.server.trials import Trials
from xds.server.unsupported import REMEMBERED_SECONDS, UnsupportedProxies
from xds.server.watchdog import Watchdog, types_behind
from xds.server.wire import Decoder
from xds.server.writes import UNREAD_SECONDS, Writes
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import Revision, Store

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

GRPC_SERVER_OPTIONS: Final = (
    # By default, a second server on the port takes half of the connections silently:
    # https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h
    ("grpc.so_reuseport", 0),
    # A reconnecting proxy names every resource it has, at some 50 bytes each: 200,000 names fit.
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    # A proxy that vanished is noticed within 40 s. The timeout also limits how long TCP data stays unacknowledged: in a
    # storm, 10 s are too little for a proxy that is short of CPU. Proxies may ping every 5 s.
    # https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # By default, a connection without a handshake is held for 120 s, and one without a call for ever.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 60_000),
    # By default, gRPC answers each ACK with a ping to measure a bandwidth that small requests don't need.
    ("grpc.http2.bdp_probe", 0),
)

REJECTION_REPORT_SECONDS: Final = 1.0
"""Delay of a rejection report, so that the rest of the fleet answers too. At most one report comes in this time."""

EXCESS_NACKS_LIMIT: Final = 200
"""NACKs beyond the ACKs of a stream until the server slows down. Bisection of a few bad resources has about as many
ACKs as NACKs; a proxy that rejects everything would keep the server busy with each resource alone.
"""

NACK_PAUSE_SECONDS: Final = 0.1
"""Pause before the next request of such a proxy."""

_log = structlog.get_logger()

Authorizer = Callable[[frozenset[str], Node], str | None]
"""The reason why a peer with these certificate names may not be this node; None: allowed."""


class UnsupportedError(ProtocolError):
    """The proxy's Envoy is too old. It is logged once, not at each attempt."""


class AdsService:
    """Serves the snapshot in a store to every proxy that connects.

    Args:
        store: The wanted snapshot. The store's owner calls `publish` after each commit.
        clock: Seconds, monotonic: the clock of the store's revisions.
        authorize: Is asked before a node gets any response.
        vhds: Whether delta streams get virtual hosts by VHDS.

    Attributes:
        convergence: Measures each push.
        debounce: When to push the next endpoint changes.
        unsupported: The proxies that are not served, as their Envoy is too old.
    """

    def __init__(
        self,
        store: Store,
        metrics: StreamMetrics,
        clock: Clock,
        authorize: Authorizer = lambda _names, _node: None,
        *,
        vhds: bool = True,
    ) -> None:
        self._authorize = authorize
        self._fleet = Fleet(store, inlined, vhds=vhds)
        self._metrics = metrics
        self._clock = clock
        self._rejections = RejectionReports(store, self._fleet)
        self._rejections_changed = asyncio.Event()
        self._rejection_log = RejectionLog(clock)
        self.unsupported = UnsupportedProxies(clock)
        self._encoder = PausingEncoder(clock)
        self._decoder = Decoder(self._fleet.names)
        self._writes = Writes(clock)
        self._streams: dict[Stream, None] = {}
        self.convergence = Convergence(metrics.convergence)
        self.debounce = EndpointDebounce(clock)
        self._fanout = Fanout(
            self._streams.keys(),
            self._fleet,
            self._encoder,
            self.convergence,
            self.debounce,
            writes=self._writes,
            clock=clock,
        )
        self._trials = Trials(self._fanout, clock)
        self.watchdog = Watchdog(self._streams.keys(), clock)
        self._has_snapshot = asyncio.Event()
        self._closing = False

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a gRPC server, with messages as bytes: streams share what the encoder made."""
        methods = {
            "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(self._handler(Variant.SOTW)),
            "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(self._handler(Variant.DELTA)),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))

    def publish(self, revision: Revision) -> None:
        """Push a revision to the streams that it concerns. Waiting streams begin with the first revision."""
        self._has_snapshot.set()
        self._note_rejections()
        self._fanout.publish(revision)

    async def rejection_reports(self) -> Sequence[RejectionReport]:
        """Wait until rejections may have changed, and return a report of each resource that proxies reject now."""
        await self._rejections_changed.wait()
        await asyncio.sleep(REJECTION_REPORT_SECONDS)
        self._rejections_changed.clear()
        return self._rejections.current([stream.session for stream in self._streams], self._clock())

    @property
    def rejecting_nodes(self) -> Collection[str]:
        """The ids of nodes that reject more resources than are reported one by one."""
        return self._rejections.nodes_beyond_limit

    def _note_rejections(self) -> None:
        if self._rejections:
            self._rejections_changed.set()

    def close(self) -> None:
        """End all streams with OK, and streams that still come: the server shuts down, and proxies go elsewhere."""
        self._closing = True
        self._trials.close()
        self._has_snapshot.set()
        for stream in self._streams:
            stream.end()

    @property
    def connected(self) -> int:
        """Number of open streams."""
        return len(self._streams)

    def proxies(self) -> Iterator[ProxyStatus]:
        """The status of each connected proxy, in the order of connection; then of proxies that are not served.

        A status is read when its turn comes. Streams that have ended by then are left out.
        """
        self._fanout.catch_up_all()
        for each in list(self._streams):
            if each in self._streams:
                yield ProxyStatus(each.peer, each.session.status(), self.watchdog.stuck(each))
        yield from (each.status for each in self.unsupported.current)

    def proxy_figures(self) -> Iterator[ProxyFigures]:
        """The state of each proxy for counts, at a tenth of the cost of `proxies`."""
        now = self._clock()
        for each in list(self._streams):
            if each in self._streams:
                yield ProxyFigures(
                    is_in_sync=each.session.is_in_sync and not each.pending_revisions,
                    is_behind=any(types_behind(each.session.health(), now)),
                    is_stuck=self.watchdog.is_stuck(each),
                    is_rejecting=any(each.session.rejected()),
                )
        yield from (ProxyFigures(is_stuck=True) for _ in self.unsupported.current)

    def stuck_counts(self) -> Mapping[StuckReason, int]:
        """Number of proxies without progress by reason, with the ones that are not served."""
        return {**self.watchdog.stuck_counts(), StuckReason.UNSUPPORTED: len(self.unsupported.current)}

    def behind_counts(self) -> Mapping[ResourceType, int]:
        """Number of proxies with an old unanswered response by type, as of the watchdog's last check."""
        return self.watchdog.behind

    def rejecting_counts(self) -> Mapping[ResourceType, int]:
        """Number of proxies that reject a resource by type, as of the watchdog's last check."""
        return self.watchdog.rejecting

    def deliveries(self, resources: Sequence[Resource]) -> list[ProxyDelivery]:
        """For each connected proxy, the given resources of the snapshot that the proxy doesn't have."""
        self._fanout.catch_up_all()
        return [
            ProxyDelivery(each.peer, each.session.node, each.session.out_of_sync(resources)) for each in self._streams
        ]

    def _handler(self, variant: Variant) -> Callable[[AsyncIterator[bytes], Context], Coroutine[Any, Any, None]]:
        async def handle(_: AsyncIterator[bytes], context: Context) -> None:
            await self._has_snapshot.wait()
            stream = Stream(Session(self._fleet, variant, now=self._clock()), context, self._clock)
            stream.is_ending = self._closing
            self._streams[stream] = None
            is_reported = False
            try:
                await self._converse(stream)
            except UnsupportedError as error:
                is_reported = True
                self._metrics.refused.labels(RefusedReason.UNSUPPORTED_VERSION).inc()
                await abort(context, error)
            except ProtocolError as error:
                is_reported = True
                remedy = REMEDIES[error.code]
                peer, node = stream.peer, stream.node
                _log.warning("stream_ended_with_error", peer=peer, node=node, error=error.message, remedy=remedy)
                if stream.session.node is None:
                    self._metrics.refused.labels(refused_reason(error)).inc()
                await abort(context, error)
            except grpc.aio.InternalError:
                pass  # the proxy disconnected during a write
            except Exception:
                # gRPC sends the proxy only the exception's name, and logs nothing.
                _log.exception("stream_failed", peer=stream.peer, node=stream.node, remedy=BUG_REMEDY)
                raise
            finally:
                del self._streams[stream]
                self._fanout.remove(stream)
                self._trials.remove(stream)
                self._note_unread(stream, is_reported=is_reported)
                self.watchdog.ended(stream)
                self._note_rejections()
                if stream.session.node is not None:
                    _log.info("proxy_disconnected", peer=stream.peer, node=stream.node)

        return handle

    def _note_unread(self, stream: Stream, *, is_reported: bool) -> None:
        """Count an ended stream whose proxy had stopped answering, and log it unless the end is logged already.

        A write alone shows nothing: HTTP/2 windows and socket buffers take 16 MiB and more for an Envoy that reads
        nothing.
        """
        unanswered = (sent_at for _, sent_at in stream.session.health().unanswered)
        seconds = self._clock() - min(unanswered, default=inf)
        if seconds < UNREAD_SECONDS or self._closing:
            return
        self._metrics.ended_unread.inc()
        if not is_reported:
            text = f"the connection ended; for {seconds:.0f} s the proxy had read nothing, or answered nothing"
            remedy = "look at the CPU and the network of the proxy"
            _log.warning("stream_ended_unread", peer=stream.peer, node=stream.node, error=text, remedy=remedy)

    async def _converse(self, stream: Stream) -> None:
        """Read and write until the proxy ends the stream, or gRPC cancels as the proxy is gone or the server stops.

        Raises:
            ProtocolError: a request can't be answered, or the proxy doesn't read.
        """
        reader = asyncio.create_task(self._read(stream))
        reader.add_done_callback(lambda _: stream.end())
        try:
            while not stream.is_ending:
                for response in await stream.next_responses() or self._fanout.take_responses(stream):
                    data = self._encoder.known(response) or await self._encoder.encoded(response)
                    await self._writes.write(stream.writer, stream.context, data)
                    self._metrics.pushes.counts[response.type] += 1
                    self._metrics.push_bytes.counts[response.type] += len(data)
            if stream.error is not None:
                raise stream.error
            if reader.done():
                reader.result()
        finally:
            stream.end()  # or a push during the wait below would begin a write that nobody ends
            stream.stop_timer()
            self._writes.forget(stream.writer)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, stream: Stream) -> None:
        while isinstance(data := await stream.context.read(), bytes):
            self._receive(stream, data, self._clock())
            del data  # a request holds a thousand names, and each of a thousand streams would keep the last one
            self._fanout.flush(stream)
            if stream.excess_nacks > EXCESS_NACKS_LIMIT:
                await asyncio.sleep(NACK_PAUSE_SECONDS)

    def _receive(self, stream: Stream, data: bytes, now: float) -> None:
        is_first = stream.session.node is None
        if stream.pending_revisions or self._fanout.queued:
            self._fanout.catch_up(stream)
        request = self._decoder.decode(stream.session.variant, data)
        if is_first:
            self._admit(stream, request)
            self._trials.add(stream)
        events = stream.session.receive(request, now)
        if stream.session.resubscribed:
            self._fanout.resubscribe(stream)
        if is_first:
            _log.info("proxy_connected", peer=stream.peer, node=stream.node, variant=str(stream.session.variant))
        if events:
            self._handle(stream, events, now)
        self._trials.advance(stream.session.build)

    def _handle(self, stream: Stream, events: Iterable[Event], now: float) -> None:
        """Handle the events of a request. The answer of one proxy may change the snapshot served to its build."""
        build = stream.session.build
        if revisions := build.learn(events, stream.session, now):
            self._fanout.push(*((build, revision) for revision in revisions))
        for event in events:
            match event:
                case Acknowledged():
                    if stream.excess_nacks:
                        stream.excess_nacks -= 1
                    self._metrics.acks.counts[event.type] += 1
                    self.convergence.answered(stream.progress, stream.session.oldest_unanswered, now)
                case Rejected():
                    self._rejections.add(event, stream.session)
                    self._metrics.nacks.counts[event.type] += 1
                    self.convergence.answered(stream.progress, stream.session.oldest_unanswered, now)
                    if not event.rejection.is_repeated:  # else it comes each minute as long as a port is in use
                        stream.excess_nacks += 1
                        self._rejection_log.add(stream.node, stream.peer, event)
                case Unserved(type_url=type_url):
                    remedy = "use a bootstrap of `xds bootstrap`, which asks for what is served"
                    error = f"asked for {type_url[:200]}"
                    _log.warning("type_not_served", peer=stream.peer, node=stream.node, error=error, remedy=remedy)
        self._note_rejections()

    def _admit(self, stream: Stream, request: Request) -> None:
        """Authorize the node of a first request.

        Raises:
            ProtocolError: the peer's certificate doesn't allow this node.
        """
        if request.node is None:
            return  # an error that the session raises
        stream.node = request.node.id
        reason = self._authorize(names_of(stream.context.auth_context()), request.node)
        if reason:
            raise ProtocolError(ErrorCode.PERMISSION_DENIED, reason)
        self._check_version(stream, request.node)

    def _check_version(self, stream: Stream, node: Node) -> None:
        """End the stream of an Envoy that is too old. The proxy goes on with the configuration that it has.

        Raises:
            ProtocolError: the version, and the ones that are served.
        """
        reason = too_old(node)
        if not reason:
            self.unsupported.remove(node)
            return
        if self.unsupported.add(node, stream.peer, stream.session.variant, reason):
            remedy = Reason.PROXY_UNSUPPORTED.remedy
            _log.error("proxy_unsupported", peer=stream.peer, node=node.id, error=reason, remedy=remedy)
        self._rejections_changed.set()
        asyncio.get_running_loop().call_later(REMEMBERED_SECONDS + 1, self._rejections_changed.set)
        raise UnsupportedError(ErrorCode.FAILED_PRECONDITION, reason)
