"""The model as a whole: as later stages read the model, and the difference between two states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xds.problems.problem import Key
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, ListenerKey, TableKey
from xds.traffic.endpoints import Locality
from xds.traffic.layer4 import PortKey, PortListener
from xds.traffic.listeners import ListenerPolicy
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import Certificate, TlsTable


class Traffic(Protocol):
    """The part of the model that a request is matched against."""

    @property
    def hosts(self) -> Mapping[str, VirtualHost]:
        """The virtual hosts of Ingresses."""

    def hosts_of(self, *, tls: bool) -> Mapping[str, VirtualHost]:
        """The virtual hosts of plain requests, or of those by TLS, with the routes of Gateways at the same address."""

    @property
    def default(self) -> Route | None:
        """Answers where neither a route nor the default of a host does."""

    @property
    def tls(self) -> TlsTable: ...


class TrafficModel(Traffic, Protocol):
    """The whole model, with the backends, certificates and endpoints that resources are built from."""

    @property
    def backends(self) -> Mapping[BackendKey, Backend]: ...
    @property
    def credentials(self) -> Mapping[CredentialKey, Credential]:
        """The credentials for TLS to backends."""

    @property
    def certificates(self) -> Mapping[Key, Certificate]: ...
    @property
    def listeners(self) -> ListenerPolicy: ...
    @property
    def ports(self) -> Mapping[PortKey, PortListener]:
        """The ports of layer 4."""

    @property
    def bound(self) -> Mapping[ListenerKey, BoundListener]:
        """The bound listeners."""

    @property
    def tables(self) -> Mapping[TableKey, Mapping[str, VirtualHost]]:
        """The route tables of bound listeners, by domain: a name, a wildcard for any number of labels, or `*`."""

    @property
    def rates(self) -> frozenset[Rate]:
        """The rates of limits that routes use."""

    def localities(self, backend: Backend) -> tuple[Locality, ...]: ...


@dataclass(frozen=True, slots=True)
class TrafficChange:
    """The difference between two states of the model.

    Attributes:
        hosts: Hosts whose virtual host changed, appeared or is gone; NO_HOST for the routes without a host.
        default: Whether the default route of all hosts changed.
        tls: Whether the TLS table changed.
        credentials: Those that changed, appeared or are gone.
        certificates: Whether the content of a certificate changed.
        backends: Backends that changed, appeared or are gone.
        endpoints: Backends whose endpoints may have changed.
        listeners: Whether the policy of all listeners changed.
        ports: Ports of layer 4 that changed, appeared or are gone.
        bound: Bound listeners that changed, appeared or are gone.
        tables: Domains of route tables of bound listeners that changed, appeared or are gone.
    """

    hosts: frozenset[str] = frozenset()
    default: bool = False
    tls: bool = False
    certificates: bool = False
    backends: frozenset[BackendKey] = frozenset()
    endpoints: frozenset[BackendKey] = frozenset()
    listeners: bool = False
    credentials: frozenset[CredentialKey] = frozenset()
    ports: frozenset[PortKey] = frozenset()
    bound: frozenset[ListenerKey] = frozenset()
    tables: Mapping[TableKey, frozenset[str]] = field(default_factory=dict)
