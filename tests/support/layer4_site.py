"""Ports of layer 4 on a real Envoy, straight from the traffic model: no object of Kubernetes takes part."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests.support.envoy import free_port
from tests.support.raw_backends import Address
from tests.support.site import Site, site
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.envoyapi import codec
from xds.problems.field_path import WHOLE_OBJECT
from xds.problems.problem import ObjectRef
from xds.resources import names
from xds.resources.clusters import cluster
from xds.resources.endpoints import encoded
from xds.resources.layer4.ports import port_listener
from xds.resources.options import ProxyOptions, UpstreamOptions
from xds.snapshot.resource import Resource, ResourceType, resource
from xds.snapshot.store import ResourceKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.endpoints import Endpoint, Health, Locality
from xds.traffic.layer4 import Layer4Policy, Layer4Route, PortKey, PortListener, Share, Transport
from xds.traffic.routes import Origin
from xds.traffic.service_settings import NO_SETTINGS, ServiceSettings
from xds.traffic.upstream import BackendProtocol, Balancing, ProxyHeader, UpstreamPolicy

ORIGIN: Final = Origin(ObjectRef("ConfigMap", "ingress", "ports"), WHOLE_OBJECT)
IDLE_TIMEOUT: Final = timedelta(hours=1)


def raw_backend(
    name: str,
    transport: Transport = Transport.TCP,
    *,
    header: ProxyHeader | None = None,
    hashed: bool = False,
    settings: ServiceSettings = NO_SETTINGS,
) -> Backend:
    """The port 5432 of a Service in the namespace `db`."""
    protocol = BackendProtocol.UDP if transport is Transport.UDP else BackendProtocol.TCP
    balancing = Balancing.HASH if hashed else Balancing.ROUND_ROBIN
    use = UpstreamPolicy(protocol=protocol, proxy_header=header, balancing=balancing)
    key = BackendKey("db", name, 5432, use.variant, is_udp=transport is Transport.UDP)
    return Backend(key, "", protocol, upstream=use, settings=settings)


def port_of(
    *backends: Backend,
    number: int = 0,
    shares: Iterable[Share] = (),
    decodes_proxy: bool = False,
    idle_timeout: timedelta = IDLE_TIMEOUT,
    keeps_client: bool = False,
) -> PortListener:
    """A port of these backends, a free one unless given. `shares` may be in place of backends of equal shares."""
    shares = tuple(shares) or tuple(Share(each.key) for each in backends)
    is_udp = any(share.backend and share.backend.is_udp for share in shares)
    policy = Layer4Policy(idle_timeout, keeps_client)
    service = backends[0].key.service_key
    key = PortKey(Transport.UDP if is_udp else Transport.TCP, number or free_port())
    return PortListener(key, Layer4Route(shares, policy, ORIGIN, service), decodes_proxy)


@dataclass(slots=True)
class Layer4Site:
    """A site whose ports and backends are put and removed by hand. Envoy has acknowledged when a method returns.

    Attributes:
        listener_address: That ports put from now on bind.
    """

    site: Site
    listener_address: str = "127.0.0.1"

    async def put(self, *things: PortListener | Backend) -> None:
        await self._commit(dict(map(self._built, things)))

    async def remove(self, *things: PortListener | Backend) -> None:
        await self._commit(dict.fromkeys(key for key, _ in map(self._built, things)))

    async def endpoints(self, backend: Backend, *addresses: Address, draining: Iterable[Address] = ()) -> None:
        """Replace the endpoints of a backend."""
        found = [Endpoint(*each, Health.HEALTHY) for each in addresses]
        found += [Endpoint(*each, Health.DRAINING) for each in draining]
        name = names.cluster(backend.key)
        body = encoded(backend.key, [Locality("", tuple(sorted(found)))] if found else [])
        await self._commit({(ResourceType.ENDPOINTS, name): resource(ResourceType.ENDPOINTS, name, body)})

    async def serve(self, backend: Backend, *addresses: Address, port: PortListener | None = None) -> int:
        """Serve a backend at a port; returns the port's number."""
        port = port or port_of(backend)
        await self.endpoints(backend, *addresses)
        await self.put(backend, port)
        return port.key.number

    async def log(self, count: int) -> list[str]:
        """The first lines of the access log in JSON, as soon as Envoy has written so many."""
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while len(lines := [line for line in self.site.envoy.log.splitlines() if line.startswith("{")]) < count:
                await asyncio.sleep(0.01)
        return lines[:count]

    def _built(self, thing: PortListener | Backend) -> tuple[ResourceKey, Resource]:
        if isinstance(thing, Backend):
            type_, name = ResourceType.CLUSTER, names.cluster(thing.key)
            return (type_, name), resource(type_, name, codec.encode(cluster(thing, UpstreamOptions())))
        type_, name = ResourceType.LISTENER, str(thing.key)
        options = replace(self.site.proxy, listener_address=self.listener_address)
        return (type_, name), resource(type_, name, codec.encode(port_listener(thing, options)))

    async def _commit(self, resources: dict[ResourceKey, Resource | None]) -> None:
        self.site.plane.commit(resources)
        await self.site.settled()


@contextlib.asynccontextmanager
async def layer4_site(folder: Path, proxy: ProxyOptions | None = None) -> AsyncIterator[Layer4Site]:
    async with site(folder, proxy=proxy, all_stats=True) as running:
        yield Layer4Site(running)
        assert running.rejections == []
