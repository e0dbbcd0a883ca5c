"""A traffic model of bound listeners, made by hand, with the resources that are built from each change."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.objects import key
from xds.envoyapi import codec
from xds.problems.field_path import WHOLE_OBJECT
from xds.problems.problem import Key, ObjectRef
from xds.problems.registry import ProblemRegistry
from xds.resources.builder import Builder
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceKey
from xds.steps import finish
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, Chain, ListenerKey, TableKey
from xds.traffic.endpoints import Locality
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT, Layer4Policy, Layer4Route, PortKey, PortListener, Share
from xds.traffic.listeners import OWN_LISTENERS, ListenerPolicy
from xds.traffic.model import TrafficChange
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Origin, PathType, Route, VirtualHost
from xds.traffic.tls import Certificate, TlsTable

AT: Final = ListenerKey("192.0.2.1", 80)
GATEWAY: Final = Origin(ObjectRef("Gateway", "infra", "edge"), WHOLE_OBJECT)
PLAIN: Final = TableKey(AT)


def bound_http(at: ListenerKey = AT, public_port: int | None = None) -> BoundListener:
    """A listener of plain HTTP."""
    return BoundListener(at, (Chain(table=TableKey(at)),), GATEWAY, public_port or at.port)


def layer4_route(*shares: Share, service: str = "web", route: str = "db") -> Layer4Route:
    """The route of a TCPRoute."""
    origin = Origin(ObjectRef("TCPRoute", "default", route), WHOLE_OBJECT)
    return Layer4Route(shares, Layer4Policy(TCP_IDLE_TIMEOUT), origin, key(service))


def virtual_host(host: str, service: str, *paths: str, route: str = "shop") -> VirtualHost:
    """A domain whose paths go to a Service by an HTTPRoute."""
    origin = Origin(ObjectRef("HTTPRoute", "default", route), WHOLE_OBJECT)
    action = Forward((WeightedBackend(BackendKey("default", service, 80)),))
    routes = (Route(path, PathType.PREFIX, action, origin, key(service)) for path in paths or ("/",))
    return VirtualHost(host, tuple(routes))


@dataclass
class BoundModel:
    """A `TrafficModel` of bound listeners alone. Each change is built at once."""

    options: ProxyOptions = field(default_factory=ProxyOptions)
    bound: dict[ListenerKey, BoundListener] = field(default_factory=dict)
    tables: dict[TableKey, dict[str, VirtualHost]] = field(default_factory=dict)
    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    credentials: dict[CredentialKey, Credential] = field(default_factory=dict)
    certificates: dict[Key, Certificate] = field(default_factory=dict)
    ports: dict[PortKey, PortListener] = field(default_factory=dict)
    hosts: dict[str, VirtualHost] = field(default_factory=dict)
    listeners: ListenerPolicy = OWN_LISTENERS
    default: Route | None = None
    tls: TlsTable = field(default_factory=TlsTable)
    rates: frozenset[Rate] = frozenset()
    endpoints: dict[BackendKey, tuple[Locality, ...]] = field(default_factory=dict)
    resources: dict[ResourceKey, Resource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.problems = ProblemRegistry()
        self._builder = Builder(self, self.options, self.problems.report)
        self.build(TrafficChange())

    def hosts_of(self, *, tls: bool) -> dict[str, VirtualHost]:
        return self.hosts

    def localities(self, backend: Backend) -> tuple[Locality, ...]:
        return self.endpoints.get(backend.key, ())

    def build(self, change: TrafficChange) -> set[ResourceKey]:
        """Build a change; returns the resources that differ."""
        built = finish(self._builder.build(change))
        differing = {name for name, found in built.items() if self.resources.get(name) != found}
        for name, found in built.items():
            if found is None:
                self.resources.pop(name, None)
            else:
                self.resources[name] = found
        return differing

    def put(self, listener: BoundListener, *domains: VirtualHost) -> set[ResourceKey]:
        """Add or replace a listener; the domains, if any, are those of its first table."""
        self.bound[listener.key] = listener
        if domains and (table := listener.chains[0].table):
            self.tables[table] = {each.host: each for each in domains}
        changed = {key: frozenset(hosts) for key, hosts in self.tables.items() if key.listener == listener.key}
        return self.build(TrafficChange(bound=frozenset({listener.key}), tables=changed))

    def remove(self, at: ListenerKey) -> set[ResourceKey]:
        del self.bound[at]
        gone = [table for table in self.tables if table.listener == at]
        tables = {table: frozenset(self.tables.pop(table)) for table in gone}
        return self.build(TrafficChange(bound=frozenset({at}), tables=tables))

    def change(self, table: TableKey, domain: str, found: VirtualHost | None) -> set[ResourceKey]:
        """Change one domain of a table."""
        if found is None:
            del self.tables[table][domain]
        else:
            self.tables[table][domain] = found
        return self.build(TrafficChange(tables={table: frozenset({domain})}))

    def decoded(self, type_: ResourceType, name: str) -> Any:
        return codec.to_dict(codec.decode(type_.message, self.resources[type_, name].body))
