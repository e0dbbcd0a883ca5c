"""ADS over grpc.aio: each stream is a protocol session with a reader and a writer around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from math import inf
from typing import Any, Final

import grpc
import structlog

from xds.protocol.fleet import Fleet
from xds.protocol.messages import (
    Acknowledged,
    ErrorCode,
    Event,
    Node,
    ProtocolError,
    Rejected,
    Request,
    Response,
    Unserved,
    Variant,
)
from xds.protocol.rejection.reports import RejectionReport, RejectionReports
from xds.protocol.session import Session
from xds.resources.inlining import inlined
from xds.server.convergence import Convergence, RevisionProgress
from xds.server.debounce import EndpointDebounce
from xds.server.debug.messages import ProxyDelivery, ProxyStatus
from xds.server.encoding import MANY, PORTION, PausingEncoder
from xds.server.metrics import Metrics
from xds.server.stream import Clock, Context, Stream
from xds.server.subscribers import SubscriberIndex
from xds.server.tls import names_of
from xds.server.watchdog import Watchdog
from xds.server.wire import Decoder
from xds.server.writes import UNREAD, Writes
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import Revision, Store

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

OPTIONS: Final = (
    # Else a second server takes half of the connections in silence:
    # https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h
    ("grpc.so_reuseport", 0),
    # A reconnecting proxy names all it has, at some 50 bytes each: 200,000 names fit.
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    # A proxy that is gone without a word is found out within 40 s; and one may ask for the same every 5 s. The timeout
    # is TCP's too, of data that isn't acknowledged: in a storm, 10 s are too little for a proxy that waits for its CPU.
    # https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # Else each ACK is answered with a ping, to measure a bandwidth that requests don't need.
    ("grpc.http2.bdp_probe", 0),
)

SETTLE: Final = 1.0
"""Seconds in which the rest of the fleet answers too before a refusal is reported; so there is one report a second."""

ABORT_TIMEOUT: Final = 5.0
"""Seconds for the words with which a stream is ended."""

_CODES: Final = {
    ErrorCode.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}

_log = structlog.get_logger()

Authorizer = Callable[[frozenset[str], Node], str | None]
"""Why a peer whose certificate has these names may not be this node; None: it may."""


class AdsService:
    """Serves the snapshot in a store to every proxy that asks.

    Args:
        store: What the proxies should have. Its owner calls `publish` after each commit.
        clock: Seconds, monotonic: that of the store's revisions.
        authorize: Asked before a node is told anything.
        vhds: Whether delta streams get virtual hosts by themselves.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        authorize: Authorizer = lambda _names, _node: None,
        *,
        vhds: bool = True,
    ) -> None:
        self._authorize = authorize
        self._fleet = Fleet(store, inlined, vhds=vhds)
        self._metrics = metrics
        self._clock = clock
        self._complaints = RejectionReports(store, self._fleet.last_good)
        self._complaints_changed = asyncio.Event()
        self._encoder = PausingEncoder(clock)
        self._propagation = Convergence(metrics.propagation)
        self._requests = Decoder(self._fleet.names)
        self._writes = Writes(clock)
        self._audiences: dict[Variant, SubscriberIndex[Stream]] = {variant: SubscriberIndex() for variant in Variant}
        self._streams: dict[Stream, None] = {}
        self._untold: dict[Stream, None] = {}
        self._telling = False
        self.pace = EndpointDebounce(clock)
        self.watchdog = Watchdog(self._streams.keys(), clock)
        self._ready = asyncio.Event()
        self._closing = False

    def register(self, server: grpc.aio.Server) -> None:
        """The messages stay bytes for gRPC: the encoder shares them among the streams."""
        methods = {
            "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(self._handler(Variant.SOTW)),
            "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(self._handler(Variant.DELTA)),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))

    def publish(self, revision: Revision) -> None:
        """Tell the proxies that it concerns. The first revision lets waiting streams begin."""
        self._ready.set()
        self._reconsider()
        amid = self._fleet.unfinished
        served = self._fleet.follow(revision)
        if amid or self._fleet.unfinished:
            self._prepare(revision)
        if amid and not self._fleet.unfinished:
            self._untold |= self._streams  # what was held back
        if served is not None:
            self._tell(served)

    def _prepare(self, portion: Revision) -> None:
        """What comes in several revisions is told at the end, all at once: so part of the work is done now."""
        if any(stream.session.variant is Variant.DELTA for stream in self._streams):
            types = self._fleet.response_cache(Variant.DELTA).view.types
            news = (change.new for change in portion.changes if change.type in types and change.new is not None)
            self._encoder.prepare(Variant.DELTA, news)

    async def complaints(self) -> Sequence[RejectionReport]:
        """What proxies refuse: waits until that may differ from what it was before."""
        await self._complaints_changed.wait()
        await asyncio.sleep(SETTLE)
        self._complaints_changed.clear()
        return self._complaints.current(stream.session for stream in self._streams)

    def _reconsider(self) -> None:
        if self._complaints:
            self._complaints_changed.set()

    def _tell(self, *revisions: Revision) -> None:
        """None is asked what to send before it is told of all that is in the store."""
        *earlier, last = revisions
        told = {stream: None for revision in earlier for stream in self._told_at_once(revision)}
        for stream in self._told_at_once(last):
            told.pop(stream, None)
            self._prompt(stream)
        for stream in told:
            self._prompt(stream)
        if not self._telling:
            self._tell_some()

    def _told_at_once(self, revision: Revision) -> Iterator[Stream]:
        """Tells the streams that a revision concerns, and gives each when it is told; but for those that have still to
        be told of a revision with many changes, or of a portion: these come in turn.
        """
        spread = self._propagation.begin(revision)
        many = revision.unfinished or len(revision.changes) >= MANY
        for variant, audience in self._audiences.items():
            for stream in audience.of(self._fleet.changes(revision, variant)):
                if many or stream.untold:
                    stream.untold.append((revision, spread))
                    spread.streams += 1
                    self._untold[stream] = None
                else:
                    self._update(stream, revision, spread)
                    yield stream
        self.pace.told(spread if revision.by_type.keys() <= {ResourceType.ENDPOINTS} else None)

    def _update(self, stream: Stream, revision: Revision, spread: RevisionProgress) -> None:
        if stream.session.update(revision):
            stream.lag.wait_for(spread)
        if stream.session.resubscribed:
            self._follow(stream)

    def _tell_some(self) -> None:
        until = self._clock() + PORTION
        try:
            while self._untold:
                stream = next(iter(self._untold))
                self._catch_up(stream)
                self._prompt(stream)
                if self._clock() >= until:
                    break
        finally:  # a mistake with one stream must not keep the others waiting for ever
            self._telling = bool(self._untold)
            if self._telling:
                asyncio.get_running_loop().call_soon(self._tell_some)

    def _catch_up(self, stream: Stream) -> None:
        """Before anything else is done with its session, as that takes the store for what it was told of. Who is not
        about to ask the session then prompts the writer.
        """
        self._untold.pop(stream, None)
        if not stream.untold:
            return
        for revision, spread in stream.untold:
            self._update(stream, revision, spread)
            self._propagation.told(spread)
        stream.untold.clear()

    def _follow(self, stream: Stream) -> None:
        """What a session subscribes to may change with all that it is given and asked for."""
        stream.session.resubscribed = False
        self._audiences[stream.session.variant].follow(stream, stream.session.subscriptions)

    def close(self) -> None:
        """End all streams in order, also those to come: the server shuts down, and the proxies go elsewhere."""
        self._closing = True
        self._ready.set()
        for stream in self._streams:
            stream.end()

    @property
    def connected(self) -> int:
        return len(self._streams)

    def proxies(self) -> list[ProxyStatus]:
        """All connected proxies, in the order in which they came."""
        self._catch_all_up()
        return [ProxyStatus(each.peer, each.session.status(), self.watchdog.stuck(each)) for each in self._streams]

    def deliveries(self, resources: Sequence[Resource]) -> list[ProxyDelivery]:
        """Which of these resources of the snapshot each connected proxy doesn't have."""
        self._catch_all_up()
        return [
            ProxyDelivery(each.peer, each.session.node, each.session.out_of_sync(resources)) for each in self._streams
        ]

    def _catch_all_up(self) -> None:
        for stream in list(self._untold):
            self._catch_up(stream)
            self._prompt(stream)

    def _handler(self, variant: Variant) -> Callable[[AsyncIterator[bytes], Context], Coroutine[Any, Any, None]]:
        async def handle(_: AsyncIterator[bytes], context: Context) -> None:
            await self._ready.wait()
            stream = Stream(Session(self._fleet, variant, now=self._clock()), context, self._clock)
            stream.over = self._closing
            self._streams[stream] = None
            told = False
            try:
                await self._converse(stream)
            except ProtocolError as error:
                told = True
                _log.warning("proxy_refused", peer=stream.peer, node=stream.node, error=error.message)
                await _abort(context, error)
            except grpc.aio.InternalError:
                pass  # the proxy went away while it was being written to
            except Exception:
                # gRPC tells the proxy no more than the name of the exception, and us nothing.
                _log.exception("stream_failed", peer=stream.peer, node=stream.node)
                raise
            finally:
                del self._streams[stream]
                self._catch_up(stream)  # others may be waited for still
                self._note_silence(stream, told=told)
                self.watchdog.ended(stream)
                self._reconsider()
                self._audiences[variant].forget(stream)
                self._propagation.ended(stream.lag)
                _log.info("proxy_disconnected", peer=stream.peer, node=stream.node)

        return handle

    def _note_silence(self, stream: Stream, *, told: bool) -> None:
        """Count a stream on which nothing came any more, and say so if it wasn't told why it ends: what the windows of
        HTTP/2 and the kernel take unread, with an Envoy 16 MiB and more, is written all the same.
        """
        unanswered = (sent_at for _, sent_at in stream.session.health().unanswered)
        seconds = self._clock() - min(unanswered, default=inf)
        if seconds < UNREAD or self._closing:
            return
        self._metrics.stuck.inc()
        if not told:
            text = f"its connection ended, and for {seconds:.0f} s nothing was read, or at least not answered"
            _log.warning("proxy_silent", peer=stream.peer, node=stream.node, error=text)

    async def _converse(self, stream: Stream) -> None:
        """Read and write until the proxy ends the stream, or gRPC cancels: the proxy is gone, or the server stops.

        Raises:
            ProtocolError: the proxy says what can't be answered, or doesn't read.
        """
        reader = asyncio.create_task(self._read(stream))
        reader.add_done_callback(lambda _: stream.end())
        try:
            while not stream.over:
                for response in await stream.turn() or self._ask(stream):
                    data = self._encoder.known(response) or await self._encoder.encoded(response)
                    await self._writes.write(stream.writer, stream.context, data)
                    self._metrics.pushes.counts[response.type] += 1
            if stream.error is not None:
                raise stream.error
            if reader.done():
                reader.result()
        finally:
            stream.stop_timer()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _prompt(self, stream: Stream) -> None:
        """Something happened: an idle writer is given what there is to say, at once, as the session is at hand. With a
        thousand streams it would have to be fetched from memory again.
        """
        if not stream.idle:
            stream.wake()
        elif stream.session.is_active:
            try:
                responses = self._ask(stream)
            except Exception:  # noqa: BLE001 - its writer meets it again, which ends this stream and no other
                stream.wake()
                return
            if responses:
                stream.hand(responses)
            else:
                stream.set_timer()

    def _ask(self, stream: Stream) -> list[Response]:
        """Nothing more is to be sent once the stream is over."""
        if stream.over:
            return []
        if stream.untold or self._untold:
            self._catch_up(stream)
        responses = stream.session.take_responses(self._clock())
        if stream.session.resubscribed:
            self._follow(stream)
        return responses

    async def _read(self, stream: Stream) -> None:
        while isinstance(data := await stream.context.read(), bytes):
            self._receive(stream, data, self._clock())
            del data  # else a thousand streams keep the thousand names of their last request until the next
            self._prompt(stream)

    def _receive(self, stream: Stream, data: bytes, now: float) -> None:
        is_first = stream.session.node is None
        if stream.untold or self._untold:
            self._catch_up(stream)
        request = self._requests.decode(stream.session.variant, data)
        if is_first:
            self._admit(stream, request)
        events = stream.session.receive(request, now)
        if stream.session.resubscribed:
            self._follow(stream)
        if is_first:
            _log.info("proxy_connected", peer=stream.peer, node=stream.node, variant=str(stream.session.variant))
        if events:
            self._hear(stream, events, now)

    def _hear(self, stream: Stream, events: Iterable[Event], now: float) -> None:
        """What a proxy says may concern all of them."""
        if revisions := self._fleet.learn(events, now):
            self._tell(*revisions)
        for event in events:
            match event:
                case Acknowledged():
                    self._metrics.acks.counts[event.type] += 1
                    self._propagation.answered(stream.lag, stream.session.oldest_unanswered, now)
                case Rejected():
                    self._complaints.add(event)
                    self._metrics.nacks.counts[event.type] += 1
                    self._propagation.answered(stream.lag, stream.session.oldest_unanswered, now)
                    _log_rejection(stream, event)
                case Unserved(type_url=type_url):
                    _log.warning("type_not_served", peer=stream.peer, node=stream.node, type_url=type_url[:200])
        self._reconsider()

    def _admit(self, stream: Stream, request: Request) -> None:
        """Raises ProtocolError if the peer may not be the node that it says it is."""
        if request.node is None:
            return  # the session refuses that
        stream.node = request.node.id
        why_not = self._authorize(names_of(stream.context.auth_context()), request.node)
        if why_not:
            raise ProtocolError(ErrorCode.PERMISSION_DENIED, why_not)


async def _abort(context: Context, error: ProtocolError) -> None:
    """End the stream with the error; without a word, if a proxy that doesn't read leaves no room for it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ABORT_TIMEOUT):
            await context.abort(_CODES[error.code], error.message)


def _log_rejection(stream: Stream, event: Rejected) -> None:
    _log.error(
        "proxy_rejected",
        peer=stream.peer,
        node=stream.node,
        type=event.type.short,
        resources=[name for name, _ in event.rejection.resources][:10],
        refused=[name for name, _ in event.rejection.blamed][:10],
        message=event.rejection.message,
    )
