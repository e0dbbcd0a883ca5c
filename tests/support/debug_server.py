"""The debug API on a port of its own, with a pipeline whose objects and proxies come from the test."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc

from tests.support.objects import ingress, path, rule, service
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Deleted, Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import Ingress, IngressTLS, KubeObject
from xds.kube.state import KubeState
from xds.protocol.messages import Node, Variant
from xds.protocol.status import Status, TypeStatus, VersionStamp
from xds.resources.options import ProxyOptions
from xds.server.debug.answers import Answers, LiveState
from xds.server.debug.messages import ProxyDelivery, ProxyFigures, ProxyStatus
from xds.server.debug.peers import NO_PEERS, Peers
from xds.server.debug.process_facts import ProcessFacts
from xds.server.debug.revisions import Revisions
from xds.server.debug.service import DebugService, Health, add_debug
from xds.server.tls import ServerTls
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision
from xds.translate.options import TranslateOptions

DEFAULT_TRANSLATE: Final = TranslateOptions()


class DebugServer:
    """A control plane as an asynchronous context manager. `target` is its address, for channels and `--server`."""

    health: Health

    def __init__(
        self,
        tls: ServerTls | None = None,
        interceptors: "Sequence[grpc.aio.ServerInterceptor[Any, Any]]" = (),
        translate: TranslateOptions = DEFAULT_TRANSLATE,
    ) -> None:
        self._tls = tls
        self._interceptors = interceptors
        self.pipeline = Pipeline(KubeState(config_maps=translate.config_maps), translate, ProxyOptions())
        self.proxies: list[ProxyStatus] = []
        self.deliveries: list[ProxyDelivery] = []
        self.process = ProcessFacts()
        self.peers: Peers = NO_PEERS
        self.target = ""

    async def __aenter__(self) -> Self:
        self.revisions = Revisions()
        self._server = grpc.aio.server(interceptors=self._interceptors)
        reader, process = self.pipeline.state_reader, self.process
        live = (lambda: self.proxies, lambda: map(figures, self.proxies), lambda _: self.deliveries, self.revisions)
        state = LiveState(reader, *live, process, self.peers)
        self.answers = Answers(state)
        self.health = await add_debug(self._server, DebugService(self.answers))
        address = "127.0.0.1:0"
        port = (
            self._server.add_secure_port(address, self._tls.credentials())
            if self._tls
            else self._server.add_insecure_port(address)
        )
        self.target = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.revisions.close()
        self.answers.close()
        await self._server.stop(WAIT_LIMIT_SECONDS)  # watches end with a message, not by cancellation

    def do(self, *changes: KubeObject | Deleted) -> Revision | None:
        """Apply changes as if a source had just read them. Call from the event loop."""
        now = asyncio.get_running_loop().time()
        applied = [each if isinstance(each, Deleted) else Applied(each) for each in changes]
        revision = self.pipeline.apply([Batch((*applied, *map(Listed, KINDS)), now)], now)
        if revision:
            self.revisions.publish(revision)
        return revision

    def connect(self, node: Node | None, *types: TypeStatus, ago: float = 120) -> None:
        """Add a proxy. `ago` is the time since its connection, in seconds."""
        since = asyncio.get_running_loop().time() - ago
        stream = Status(Variant.DELTA, node, since, types, ("type.googleapis.com/x",))
        self.proxies.append(ProxyStatus("ipv4:127.0.0.1:5", stream))


class ThreadedDebugServer:
    """A DebugServer in a thread, for blocking tests."""

    def __init__(
        self,
        tls: ServerTls | None = None,
        interceptors: "Sequence[grpc.aio.ServerInterceptor[Any, Any]]" = (),
        translate: TranslateOptions = DEFAULT_TRANSLATE,
    ) -> None:
        self.server = DebugServer(tls, interceptors, translate)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self.server.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self.server.__aexit__(kind, error, trace))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def target(self) -> str:
        return self.server.target

    def do(self, *changes: KubeObject | Deleted) -> None:
        async def change() -> None:
            self.server.do(*changes)

        self._run(change())

    def connect(self, node: Node | None, *types: TypeStatus) -> None:
        async def connect() -> None:
            self.server.connect(node, *types)

        self._run(connect())

    def now(self) -> float:
        """The time of the server's clock, in seconds."""
        return self._loop.time()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_LIMIT_SECONDS)


def figures(of: ProxyStatus) -> ProxyFigures:
    """The figures of a proxy, as the real ones of the same state."""
    types = of.stream.types
    is_in_sync = bool(types) and all(each.settled and not each.rejected_count + each.on_trial for each in types)
    return ProxyFigures(
        is_in_sync=is_in_sync,
        is_behind=any(each.in_flight and each.sent and time.monotonic() - each.sent.at > 5 for each in types),
        is_stuck=bool(of.stuck),
        is_rejecting=any(each.rejected_count for each in types),
    )


def shop(*services: str, prefix: str = "/", tls: IngressTLS | None = None) -> Ingress:
    """The Ingress `shop` with a path for each Service."""
    paths = [path(prefix + each, each) for each in services]
    return ingress("shop", rule("example.com", *paths), tls=[tls] if tls else None)


def services(*names: str) -> Iterator[KubeObject]:
    return map(service, names)


def type_status(type_: ResourceType, now: float, **fields: Any) -> TypeStatus:
    """A type in sync, except for the given fields."""
    shown: dict[str, Any] = {
        "subscribed": 3,
        "wildcard": False,
        "sent": VersionStamp("v2", now),
        "acknowledged": VersionStamp("v1", now - 60),
        "last_rejection": None,
        "rejected_count": 0,
        "in_flight": False,
        "pending": 0,
    }
    return TypeStatus(type_, **{**shown, **fields})
