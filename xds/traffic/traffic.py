"""The traffic as the later stages see it: a model to read, and the difference to the one before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from xds.problems.problem import Key
from xds.traffic.model import Backend, BackendKey, Certificate, Locality, Route, TlsTable, VirtualHost


class Traffic(Protocol):
    """What there is to match against: a `Translator` is one."""

    @property
    def hosts(self) -> Mapping[str, VirtualHost]: ...
    @property
    def default(self) -> Route | None: ...
    @property
    def tls(self) -> TlsTable: ...


class TrafficModel(Traffic, Protocol):
    """The whole model, with the backends, certificates and endpoints that resources are built from."""

    @property
    def backends(self) -> Mapping[BackendKey, Backend]: ...
    @property
    def certificates(self) -> Mapping[Key, Certificate]: ...
    def localities(self, backend: Backend) -> tuple[Locality, ...]: ...


@dataclass(frozen=True, slots=True)
class TrafficChange:
    """What differs from the traffic model before. `hosts` holds NO_HOST where the answer to unnamed hosts changed.

    `tls`: which certificate serves which hosts; `certificates`: what they are.
    """

    hosts: frozenset[str] = frozenset()
    default: bool = False
    tls: bool = False
    certificates: bool = False
    backends: frozenset[BackendKey] = frozenset()
    endpoints: frozenset[BackendKey] = frozenset()
