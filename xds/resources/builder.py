"""Keeps the encoded resources in step with the traffic model: only what a change touches is built again."""

import functools
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Set

from xds.envoyapi import codec
from xds.envoyapi.messages import Listener
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources import names
from xds.resources.clusters import cluster
from xds.resources.endpoints import cluster_load_assignment
from xds.resources.listeners import http_listener, https_listener
from xds.resources.options import ProxyOptions
from xds.resources.route_tables import Domain, RouteTables
from xds.resources.routes import VirtualHosts, route_configuration
from xds.resources.secrets import secret
from xds.resources.validation import Gate
from xds.snapshot.resource import Resource, ResourceType, resource
from xds.snapshot.store import ResourceKey
from xds.steps import Steps
from xds.traffic.model import NO_HOST, Backend, BackendKey, Certificate, Termination
from xds.traffic.traffic import TrafficChange
from xds.translate.translator import Translator

if typing.TYPE_CHECKING:
    from betterproto2 import Message

Resources = dict[ResourceKey, Resource | None]
"""By type and name; None: it is to be no more."""


class Builder:
    """Builds resources from the traffic model that a Translator holds."""

    def __init__(
        self, traffic: Translator, options: ProxyOptions, report: Callable[[Hashable, Iterable[Problem]], None]
    ) -> None:
        self._traffic = traffic
        self._options = options
        self._terminations: dict[Key, Termination] = {}
        self._tables = RouteTables(traffic, redirect_https=options.redirect_https)
        self._gate = Gate(report)
        self._routes: dict[str, _RouteConfiguration] = {}
        self._certificates: dict[Key, Certificate] = {}

    def build(self, change: TrafficChange) -> Steps[Resources]:
        """The resources that the change touches, changed or not; the store tells. The first time also those that are
        there whatever the Ingresses say: the plain listener and its routes.
        """
        built: Resources = {}
        for key in change.backends:
            built |= self._cluster(key)
            yield
        for key in change.endpoints:
            built |= self.endpoints(key, self._traffic.backends.get(key))
            yield
        if change.certificates:
            built |= self._secrets()
        if change.tls:
            built |= self._https_listener()
        if not self._routes:
            built |= self._listener(names.HTTP, http_listener(self._options))
        if change.hosts or change.default or change.tls or not self._routes:
            built |= yield from self._route_configurations(change)
        return built

    def endpoints(self, key: BackendKey, backend: Backend | None) -> Resources:
        """Of the backend of that key; None: it is to be no more."""
        name = names.cluster(key)
        zones = self._traffic.localities(backend) if backend else ()
        if backend is None or backend.external_name:
            return self._gone(ResourceType.ENDPOINTS, name)
        service = ObjectRef("Service", key.namespace, key.service)
        message = cluster_load_assignment(key, zones)
        return self._built(ResourceType.ENDPOINTS, name, message, service, shape=bool(zones))

    def _cluster(self, key: BackendKey) -> Resources:
        name = names.cluster(key)
        backend = self._traffic.backends.get(key)
        if backend is None:
            return self._gone(ResourceType.CLUSTER, name)
        service = ObjectRef("Service", key.namespace, key.service)
        shape = (backend.protocol, bool(backend.external_name))
        return self._built(ResourceType.CLUSTER, name, cluster(backend), service, shape=shape)

    def _secrets(self) -> Resources:
        before, self._certificates = self._certificates, dict(self._traffic.certificates)
        built: Resources = {}
        for key in before.keys() - self._certificates.keys():
            built |= self._gone(ResourceType.SECRET, names.secret(key))
        for key, certificate in self._certificates.items():
            if before.get(key) is not certificate:
                about = ObjectRef("Secret", *key)
                built |= self._built(ResourceType.SECRET, names.secret(key), secret(certificate), about)
        return built

    def _https_listener(self) -> Resources:
        tls = self._traffic.tls
        if not tls.terminations:
            return self._gone(ResourceType.LISTENER, names.HTTPS)
        return self._listener(names.HTTPS, https_listener(self._options, tls))

    def _listener(self, name: str, message: Listener) -> Resources:
        return self._built(ResourceType.LISTENER, name, message, ObjectRef("Listener", "", name))

    def _route_configurations(self, change: TrafficChange) -> Steps[Resources]:
        first = not self._routes
        tables, options = self._tables, self._options
        tables.follow(self._traffic.hosts if first else change.hosts, tls=change.tls or first)
        everything = first or change.default or NO_HOST in change.hosts
        hosts = None if everything or (change.tls and options.redirect_https) else tables.domains(change.hosts)
        built = yield from self._configuration(names.HTTP).build(tables.http, tables.http_domain, hosts)
        before = self._terminations
        self._terminations = {each.secret: each for each in self._traffic.tls.terminations} if change.tls else before
        for key in self._touched(change, before, everything=everything):
            built |= yield from self._https_routes(self._terminations[key], None if everything or change.tls else hosts)
        return built | self._forget(before.keys() - self._terminations.keys())

    def _touched(self, change: TrafficChange, before: Mapping[Key, Termination], *, everything: bool) -> list[Key]:
        """The certificates whose route configurations must be looked at, in order."""
        if everything:
            return sorted(self._terminations)
        changed = {key for key, each in self._terminations.items() if before.get(key) != each} if change.tls else set()
        return sorted(changed | self._tables.touched(change.hosts))

    def _https_routes(self, termination: Termination, hosts: Set[str] | None) -> Steps[Resources]:
        configuration = self._configuration(names.https_routes(termination.secret))
        every = functools.partial(self._tables.https, termination)
        return (yield from configuration.build(every, functools.partial(self._tables.https_domain, termination), hosts))

    def _configuration(self, name: str) -> "_RouteConfiguration":
        return self._routes.setdefault(name, _RouteConfiguration(name, self._options, self._gate))

    def _forget(self, certificates: Set[Key]) -> Resources:
        gone = [self._routes.pop(names.https_routes(key)) for key in sorted(certificates)]
        return {key: resource for configuration in gone for key, resource in configuration.removed().items()}

    def _built(
        self, type_: ResourceType, name: str, message: "Message", about: ObjectRef, *, shape: Hashable = None
    ) -> Resources:
        """The resource, or nothing: what is in the snapshot then stays."""
        if not self._gate.admits(type_, name, message, about, shape=shape):
            return {}
        return {(type_, name): resource(type_, name, codec.encode(message))}

    def _gone(self, type_: ResourceType, name: str) -> Resources:
        self._gate.forget((type_, name))
        return {(type_, name): None}


class _RouteConfiguration:
    """Holds the domains of one route configuration, as they were built last."""

    def __init__(self, name: str, options: ProxyOptions, gate: Gate) -> None:
        self._name = name
        self._options = options
        self._gate = gate
        self._virtual_hosts = VirtualHosts(options)
        self._domains: dict[str, tuple[Domain, bytes | None]] = {}

    def build(
        self,
        every: Callable[[], Iterable[Domain]],
        one: Callable[[str], Domain | None],
        hosts: Set[str] | None,
    ) -> Steps[Resources]:
        """The virtual hosts that differ among those of these hosts, which `one` looks up; None: among `every` one."""
        built: Resources = {}
        if hosts is not None and self._domains:
            for host in sorted(hosts):
                built |= self._virtual_host(host, one(host))
                yield
            return built
        body = codec.encode(route_configuration(self._name, vhds=self._options.vhds))
        built[ResourceType.ROUTES, self._name] = resource(ResourceType.ROUTES, self._name, body)
        gone = set(self._domains)
        for domain in every():
            gone.discard(domain.name)
            built |= self._virtual_host(domain.name, domain)
            yield
        for host in sorted(gone):
            built |= self._virtual_host(host, None)
        return built

    def removed(self) -> Resources:
        built: Resources = {(ResourceType.ROUTES, self._name): None}
        for host in sorted(self._domains):
            built |= self._virtual_host(host, None)
        return built

    def _virtual_host(self, host: str, domain: Domain | None) -> Resources:
        """That of a host, if it isn't as it was built last; None: there is to be none."""
        known, last = self._domains.get(host, (None, None))
        if known == domain:
            return {}
        name = names.virtual_host(self._name, host)
        if domain is None:
            del self._domains[host]
            self._gate.forget(name)
            return {(ResourceType.VIRTUAL_HOST, name): None}
        body = self._gate.virtual_host(name, self._virtual_hosts.virtual_host(name, domain), last)
        self._domains[host] = (domain, body)
        found = resource(ResourceType.VIRTUAL_HOST, name, body) if body is not None else None
        return {(ResourceType.VIRTUAL_HOST, name): found}
