"""Keeps the encoded resources in step with the traffic model: only what a change touches is built again."""

import typing
from collections.abc import Hashable, Iterable

from xds.kube.objects import Key
from xds.kube.problem import ObjectRef
from xds.kube.references import NO_HOST
from xds.resources import codec, names
from xds.resources.clusters import cluster
from xds.resources.endpoints import cluster_load_assignment
from xds.resources.envoy import Listener
from xds.resources.gate import Gate
from xds.resources.listeners import http_listener, https_listener
from xds.resources.options import ProxyOptions
from xds.resources.route_tables import Domain, RouteTables
from xds.resources.routes import VirtualHosts, route_configuration
from xds.resources.secrets import secret
from xds.snapshot.resource import Resource, ResourceType, resource
from xds.snapshot.store import ResourceKey
from xds.steps import Steps
from xds.translate.model import Backend, BackendKey, Certificate, Termination
from xds.translate.translator import TrafficChange, Translator

if typing.TYPE_CHECKING:
    from betterproto2 import Message

Resources = dict[ResourceKey, Resource | None]
"""By type and name; None: it is to be no more."""


class Builder:
    """Builds resources from the traffic model that a Translator holds."""

    def __init__(self, traffic: Translator, options: ProxyOptions) -> None:
        self._traffic = traffic
        self._options = options
        self._terminations: dict[Key, Termination] = {}
        self._virtual_hosts = VirtualHosts(options)
        self._gate = Gate(traffic.report)
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
        tables = RouteTables(self._traffic, redirect_https=self._options.redirect_https)
        everywhere = change.default or NO_HOST in change.hosts
        redirects_changed = change.tls and self._options.redirect_https
        whole = everywhere or redirects_changed or not self._routes
        built = yield from self._http_routes(tables, None if whole else change.hosts)
        before = self._terminations
        self._terminations = {each.secret: each for each in self._traffic.tls.terminations}
        touched = tables.touched(change.hosts)
        for key, termination in self._terminations.items():
            if everywhere or key in touched or before.get(key) != termination:
                built |= yield from self._https_routes(tables, termination)
        return built | self._forget(before.keys() - self._terminations.keys())

    def _http_routes(self, tables: RouteTables, hosts: Iterable[str] | None) -> Steps[Resources]:
        configuration = self._configuration(names.HTTP)
        if hosts is None:
            yield from configuration.replace(tables.http())
        else:
            yield from configuration.update((host, tables.http_host(host)) for host in hosts)
        return configuration.resource()

    def _https_routes(self, tables: RouteTables, termination: Termination) -> Steps[Resources]:
        configuration = self._configuration(names.https_routes(termination.secret))
        yield from configuration.replace(tables.https(termination))
        return configuration.resource()

    def _configuration(self, name: str) -> "_RouteConfiguration":
        return self._routes.setdefault(name, _RouteConfiguration(name, self._virtual_hosts, self._gate))

    def _forget(self, certificates: Iterable[Key]) -> Resources:
        gone = [names.https_routes(key) for key in certificates]
        for name in gone:
            self._routes.pop(name).forget()
        return {(ResourceType.ROUTES, name): None for name in gone}

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
    """Holds the domains of one route configuration, each with its encoded virtual host."""

    def __init__(self, name: str, virtual_hosts: VirtualHosts, gate: Gate) -> None:
        self._name = name
        self._virtual_hosts = virtual_hosts
        self._gate = gate
        self._domains: dict[str, tuple[Domain, bytes | None]] = {}

    def replace(self, domains: Iterable[Domain]) -> Steps[None]:
        """These are all domains."""
        encoded = {}
        for domain in domains:
            encoded[domain.name] = self._encoded(domain)
            yield
        before, self._domains = self._domains, encoded
        for name in before.keys() - encoded.keys():
            self._gate.forget((self._name, name))

    def update(self, domains: Iterable[tuple[str, Domain | None]]) -> Steps[None]:
        """These domains are so now; None: gone."""
        for name, domain in domains:
            if domain is None:
                self._domains.pop(name, None)
                self._gate.forget((self._name, name))
            else:
                self._domains[name] = self._encoded(domain)
            yield

    def forget(self) -> None:
        """It is no more."""
        for name in self._domains:
            self._gate.forget((self._name, name))

    def resource(self) -> Resources:
        hosts = (self._domains[name][1] for name in sorted(self._domains))
        body = route_configuration(self._name, (host for host in hosts if host is not None))
        return {(ResourceType.ROUTES, self._name): resource(ResourceType.ROUTES, self._name, body)}

    def _encoded(self, domain: Domain) -> tuple[Domain, bytes | None]:
        """The virtual host of a domain; None: it can't be had."""
        known, last = self._domains.get(domain.name, (None, None))
        if known == domain:
            return domain, last
        made = self._virtual_hosts.virtual_host(domain)
        return domain, self._gate.virtual_host((self._name, domain.name), made, last)
