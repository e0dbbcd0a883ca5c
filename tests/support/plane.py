"""A control plane in the test's event loop: objects go in by hand, responses come out over a real gRPC stream on
loopback.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

import grpc

from tests.support.ads_client import BEACON, CDS, EDS, LDS, RDS, SDS, VHDS, AdsClient, DeltaClient, SotwClient
from tests.support.authority import Issued
from tests.support.objects import ingress, path, rule, service, slice_of
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject
from xds.kube.state import KubeState
from xds.protocol.messages import Variant
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.status import Status, TypeStatus
from xds.protocol.subscription import LEGACY_WILDCARD
from xds.resources.options import ProxyOptions
from xds.server.ads import GRPC_SERVER_OPTIONS, AdsService
from xds.server.metrics.metrics import Metrics
from xds.server.tls import ServerTls, TlsFiles, must_name_the_node
from xds.snapshot.resource import Resource, ResourceType, resource
from xds.snapshot.store import ResourceKey, Revision
from xds.translate.options import TranslateOptions

_Client = TypeVar("_Client", bound=AdsClient)


class Plane:
    """Pipeline and AdsService on a port of their own, from `async with` to the end, with their clients.

    Args:
        objects: Objects that exist from the start.
        listed: Whether every kind is listed from the start; else `list_all` lists them.
        tls: Files that are reloaded when a test calls `reload` of `self.tls`.
        port: 0: any free port.
    """

    def __init__(
        self,
        *objects: KubeObject,
        listed: bool = True,
        translate: TranslateOptions | None = None,
        proxy: ProxyOptions | None = None,
        tls: TlsFiles | None = None,
        port: int = 0,
    ) -> None:
        translate = translate or TranslateOptions()
        state = KubeState(
            claim_classless=True,
            default_tls_secret=translate.default_tls_secret,
            default_service=translate.default_service,
            config_maps=translate.config_maps,
            config_references=translate.config_references,
            config_asked=translate.config_asked,
            annotated=translate.annotated,
        )
        options = proxy or ProxyOptions()
        self.pipeline = Pipeline(state, translate, options)
        self._vhds = options.vhds
        self.metrics = Metrics()
        self.address = ""
        self.tls = ServerTls.load(tls) if tls else None
        self._port = port
        self._first: list[Change] = [*map(Applied, objects), *(map(Listed, KINDS) if listed else ())]
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        authorize = (must_name_the_node,) if self.tls else ()
        self.ads = AdsService(self.pipeline.store, self.metrics.streams, self._clock, *authorize, vhds=self._vhds)
        server = grpc.aio.server(options=GRPC_SERVER_OPTIONS)
        self.ads.register(server)
        self.address = f"127.0.0.1:{self._listen(server)}"
        await server.start()
        self._stack.push_async_callback(server.stop, None)
        if self._first:
            self.change(*self._first)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ads.close()
        await self._stack.aclose()

    # Changes of objects. All sessions have the change when a method returns.

    @property
    def last_good(self) -> LastGood:
        """The served snapshot of the build of the proxy that connected first."""
        return next(iter(self.ads._fleet.builds)).last_good

    def apply(self, *objects: KubeObject) -> Revision | None:
        """Create or update the objects."""
        return self.change(*map(Applied, objects))

    def delete(self, *objects: KubeObject) -> Revision | None:
        """Delete the objects."""
        return self.change(*(Deleted(type(each), each.key) for each in objects))

    def list_all(self) -> Revision | None:
        """List every kind."""
        return self.change(*map(Listed, KINDS))

    def change(self, *changes: Change) -> Revision | None:
        """The new revision; None if no resource changed."""
        now = self._clock()
        revision = self.pipeline.apply([Batch(changes, now)], now)
        if revision is not None:
            self.ads.publish(revision)
            if revision.number == 1:
                self._light_beacon()
        return revision

    def portions(self) -> Iterator[Revision]:
        """Commit the pending stages; each revision is pushed before the next is made."""
        while self.pipeline.busy:
            revision = self.pipeline.work(self._clock, endpoint_seconds=0, routing_seconds=0).revision
            if revision is not None:
                self.ads.publish(revision)
                yield revision

    # Clients.

    def delta(self, node: str = "envoy-1", issued: Issued | None = None, address: str = "") -> DeltaClient:
        return self._open(DeltaClient(address or self.address, node, issued))

    def sotw(self, node: str = "envoy-1", issued: Issued | None = None, address: str = "") -> SotwClient:
        return self._open(SotwClient(address or self.address, node, issued))

    def client(
        self, variant: Variant, node: str = "envoy-1", issued: Issued | None = None, address: str = ""
    ) -> AdsClient:
        """A client with the certificate `issued`, at the control plane's address unless given."""
        open_ = self.delta if variant is Variant.DELTA else self.sotw
        return open_(node, issued, address)

    async def proxy(self, variant: Variant = Variant.DELTA, node: str = "envoy-1") -> AdsClient:
        """A client that has subscribed in Envoy's order and acknowledged every resource."""
        return await self.follow(self.client(variant, node))

    async def delta_proxy(self, node: str = "envoy-1") -> DeltaClient:
        return await self.follow(self.delta(node))

    async def follow(self, client: _Client) -> _Client:
        """Subscribe as a starting Envoy: to wildcards, and by name to the resources that their answers refer to."""
        for type_, names in (
            (CDS, ()),
            (EDS, self.names(EDS)),
            (LDS, ()),
            (RDS, self.names(RDS)),
            (VHDS, ()),
            (SDS, self.names(SDS)),
        ):
            if type_ is VHDS and (client.variant is Variant.SOTW or not self._vhds):
                continue
            if names or type_ in LEGACY_WILDCARD:
                await client.subscribe(type_, *names)
                await client.accept(type_, *(names or self.names(type_)))
        return client

    # State seen from outside.

    def names(self, type_: ResourceType) -> tuple[str, ...]:
        """The names of all wanted resources."""
        return tuple(name for name in sorted(self.pipeline.store.resources(type_)) if name != BEACON)

    def status(self, node: str = "envoy-1") -> Status:
        """The status of the only stream of the node."""
        (status,) = (each.stream for each in self.ads.proxies() if each.stream.node and each.stream.node.id == node)
        return status

    def status_of(self, type_: ResourceType, node: str = "envoy-1") -> TypeStatus:
        (status,) = (each for each in self.status(node).types if each.type is type_)
        return status

    def asked(self, type_: ResourceType) -> frozenset[str]:
        """The names that any stream subscribes to."""
        subscriptions = (stream.session.subscription(type_) for stream in self.ads._streams)
        return frozenset[str]().union(*(each.names for each in subscriptions if each))

    def _listen(self, server: grpc.aio.Server) -> int:
        anywhere = f"127.0.0.1:{self._port}"
        return (
            server.add_secure_port(anywhere, self.tls.credentials()) if self.tls else server.add_insecure_port(anywhere)
        )

    def _open(self, client: _Client) -> _Client:
        self._stack.push_async_callback(client.close)
        return client.open()

    def commit(self, resources: Mapping[ResourceKey, Resource | None], *, unfinished: bool | None = None) -> None:
        """Put resources without an object into the snapshot."""
        now = self._clock()
        revision = self.pipeline.store.commit(resources, read_at=now, now=now, unfinished=unfinished)
        if revision is not None:
            self.ads.publish(revision)

    def _light_beacon(self) -> None:
        """The Secret that state-of-the-world clients use as a barrier: see `ads_client.BEACON`."""
        self.commit({(SDS, BEACON): resource(SDS, BEACON, b"\n\6beacon")})

    def _clock(self) -> float:
        return asyncio.get_running_loop().time()


def site(name: str, *addresses: str) -> tuple[KubeObject, ...]:
    """An Ingress of the host `<name>.example`, its Service and its endpoints: one cluster, one virtual host."""
    return (
        ingress(name, rule(f"{name}.example", path("/", name))),
        service(name),
        slice_of(name, *(addresses or ("10.0.0.1",))),
    )


def cluster(name: str) -> str:
    """The cluster of the Service of `site`."""
    return f"default/{name}/80"
