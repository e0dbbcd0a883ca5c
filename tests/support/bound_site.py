"""A real Envoy with bound listeners, from a model made by hand."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.authority import Authority
from tests.support.bound_model import GATEWAY, BoundModel, virtual_host
from tests.support.objects import key
from tests.support.site import Site, site
from xds.problems.problem import Key
from xds.snapshot.store import ResourceKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, Chain, ChainTls, ClientCheck, ListenerKey, TableKey
from xds.traffic.endpoints import Endpoint, Health, Locality
from xds.traffic.model import TrafficChange
from xds.traffic.routes import VirtualHost
from xds.traffic.tls import Certificate, KeyType
from xds.traffic.upstream import BackendProtocol, UpstreamPolicy


@dataclass(slots=True)
class BoundSite:
    """The model and the Envoy, which has acknowledged a change when a method returns."""

    site: Site
    model: BoundModel

    async def put(self, listener: BoundListener, *domains: VirtualHost) -> None:
        await self._commit(self.model.put(listener, *domains))

    async def remove(self, at: ListenerKey) -> None:
        await self._commit(self.model.remove(at))

    async def change(self, change: TrafficChange) -> None:
        """Serve what a test changed in the model."""
        await self._commit(self.model.build(change))

    async def backend(self, service: str, port: int, protocol: BackendProtocol = BackendProtocol.HTTP1) -> BackendKey:
        """A Service with one endpoint on 127.0.0.1."""
        is_raw = not protocol.is_http
        upstream = UpstreamPolicy(protocol if is_raw else None)
        name = BackendKey(
            "default", service, 80, upstream.variant if is_raw else "", is_udp=protocol is BackendProtocol.UDP
        )
        self.model.backends[name] = Backend(name, "", protocol, upstream=upstream)
        self.model.endpoints[name] = (Locality("", (Endpoint("127.0.0.1", port, Health.HEALTHY),)),)
        await self.change(TrafficChange(backends=frozenset({name}), endpoints=frozenset({name})))
        return name

    async def tls(self, at: ListenerKey, names: Mapping[str, str], clients: ClientCheck | None = None) -> None:
        """A listener with a chain for each Service: its server name, with a certificate for the Service's name.

        Args:
            at: The socket.
            names: The server name of each Service; empty for all other names.
            clients: The certificates that clients are asked for.
        """
        chains = []
        for service, name in names.items():
            secret = await self.certificate(service, Authority("gateway"), service)
            table = TableKey(at, name, tls=True)
            self.model.tables[table] = {name or "*": virtual_host(name or "*", service)}
            chains.append(Chain((name,) if name else (), ChainTls((secret,), clients), table))
        await self.put(BoundListener(at, tuple(chains), GATEWAY, 443, reads_sni=True))

    async def remove_domain(self, table: TableKey, domain: str) -> None:
        await self._commit(self.model.change(table, domain, None))

    async def certificate(self, secret: str, authority: Authority, *hosts: str) -> Key:
        """A Secret with a certificate for hosts."""
        issued = authority.issue(*hosts)
        name = key(secret)
        self.model.certificates[name] = Certificate(name, issued.certificate, issued.private_key, KeyType.ECDSA)
        await self.change(TrafficChange(certificates=True))
        return name

    async def _commit(self, changed: set[ResourceKey]) -> None:
        self.site.plane.commit({each: self.model.resources.get(each) for each in changed})
        await self.site.settled()


@contextlib.asynccontextmanager
async def bound_site(folder: Path, *, sotw: bool = False) -> AsyncIterator[BoundSite]:
    async with site(folder, sotw=sotw) as running:
        yield BoundSite(running, BoundModel(running.proxy))
        assert running.rejections == []
