"""Keeps the encoded resources in step with the traffic model: a change builds only the resources that it touches."""

import functools
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Set

from xds.envoyapi import codec
from xds.envoyapi.messages import Listener
from xds.problems.problem import Key, ObjectRef, Problem
from xds.resources import names
from xds.resources.authz import authz_cluster
from xds.resources.built import BuiltResources
from xds.resources.clusters import cluster
from xds.resources.domains import Domains
from xds.resources.endpoints import cluster_load_assignment, encoded
from xds.resources.filters.rate_limits import rate_limit_buckets
from xds.resources.gateway.builder import BoundListenersBuilder
from xds.resources.layer4.ports import port_listener
from xds.resources.listeners import http_listener, https_listener
from xds.resources.options import ProxyOptions
from xds.resources.route_configuration import RouteConfigurationBuilder
from xds.resources.secrets import credential_secret, secret
from xds.resources.tracing import collector_cluster
from xds.resources.validation import Validator
from xds.snapshot.resource import ResourceType, resource
from xds.steps import Steps
from xds.traffic.backend_tls import CredentialKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.hosts import NO_HOST
from xds.traffic.layer4 import PortKey
from xds.traffic.model import TrafficChange, TrafficModel
from xds.traffic.rate_limits import Rate
from xds.traffic.tls import Certificate, Termination

if typing.TYPE_CHECKING:
    from betterproto2 import Message


class Builder:
    """Builds resources from the traffic model.

    Args:
        traffic: The model, read whenever a change is built.
        options: Settings of the listeners.
        report: Takes the problems of a unit, all that stand; an empty iterable once they are solved.
    """

    def __init__(
        self, traffic: TrafficModel, options: ProxyOptions, report: Callable[[Hashable, Iterable[Problem]], None]
    ) -> None:
        self._traffic = traffic
        self._flags = self._options = options
        self._terminations: dict[str, Termination] = {}
        self._domains = Domains(traffic, redirect_https=options.redirect_https)
        self._validator = Validator(report)
        self._routes: dict[str, RouteConfigurationBuilder] = {}
        self._bound = BoundListenersBuilder(traffic, self._validator, self._built, self._removed)
        self._certificates: dict[Key, Certificate] = {}
        self._rates: frozenset[Rate] | None = None

    def build(self, change: TrafficChange) -> Steps[BuiltResources]:
        """Build the resources that a change touches; some may equal the resource in the store.

        The first build adds the plain listener and its routes, which exist whatever the Ingresses say.
        """
        built: BuiltResources = {}
        backends = change.backends
        if change.listeners:
            before, self._options = self._options, self._flags.under(self._traffic.listeners)
            if self._options.upstream != before.upstream:
                backends |= self._traffic.backends.keys()
            if self._rates is not None and self._options.rate_limit_status != before.rate_limit_status:
                built |= self.rate_limit_buckets(self._rates)
        for key in backends:
            built |= self._cluster(key)
            yield
        for key in change.endpoints:
            built |= self.endpoints(key, self._traffic.backends.get(key))
            yield
        for credential in change.credentials:
            built |= self._credential(credential)
            yield
        if change.certificates:
            built |= self._secrets()
        if change.tls or change.listeners:
            built |= self._https_listener()
        for port in self._traffic.ports.keys() | change.ports if change.listeners else change.ports:
            built |= self._port(port)
            yield
        if not self._routes:
            built |= self._collector() | self._authz()
        if change.listeners or not self._routes:
            built |= self._listener(names.HTTP, http_listener(self._options))
        if change.hosts or change.default or change.tls or change.listeners or not self._routes:
            built |= yield from self._route_configurations(change)
        return built | (yield from self._bound.build(change, self._options))

    def endpoints(self, key: BackendKey, backend: Backend | None) -> BuiltResources:
        """The ClusterLoadAssignment of a backend, or its removal for None and for one without EndpointSlices."""
        name = names.cluster(key)
        zones = self._traffic.localities(backend) if backend else ()
        if backend is None or not backend.has_slices:
            return self._removed(ResourceType.ENDPOINTS, name)
        service = ObjectRef("Service", key.namespace, key.service)
        message = functools.partial(cluster_load_assignment, key, zones)
        if not self._validator.accepts(ResourceType.ENDPOINTS, name, message, service, shape=bool(zones)):
            return {}
        return {(ResourceType.ENDPOINTS, name): resource(ResourceType.ENDPOINTS, name, encoded(key, zones))}

    def rate_limit_buckets(self, rates: frozenset[Rate]) -> BuiltResources:
        """The configuration of the filter that counts requests."""
        self._rates = rates
        message = rate_limit_buckets(rates, self._options.rate_limit_status)
        return self._built(ResourceType.EXTENSION, message.name, message, ObjectRef("HTTPFilter", "", message.name))

    def _cluster(self, key: BackendKey) -> BuiltResources:
        name = names.cluster(key)
        backend = self._traffic.backends.get(key)
        if backend is None:
            return self._removed(ResourceType.CLUSTER, name)
        service = ObjectRef("Service", key.namespace, key.service)
        shape = (
            backend.protocol,
            bool(backend.external_name),
            key.variant,
            bool(key.fallback),
            key.is_joined,
            backend.settings,
        )
        return self._built(ResourceType.CLUSTER, name, cluster(backend, self._options.upstream), service, shape=shape)

    def _collector(self) -> BuiltResources:
        if self._options.tracing is None:
            return {}
        message, owner = collector_cluster(self._options.tracing), ObjectRef("Cluster", "", names.COLLECTOR)
        return self._built(ResourceType.CLUSTER, names.COLLECTOR, message, owner)

    def _authz(self) -> BuiltResources:
        if self._options.authz is None:
            return {}
        message, owner = authz_cluster(self._options.authz), ObjectRef("Cluster", "", names.AUTHZ)
        return self._built(ResourceType.CLUSTER, names.AUTHZ, message, owner)

    def _credential(self, key: CredentialKey) -> BuiltResources:
        name = names.credential(key)
        credential = self._traffic.credentials.get(key)
        if credential is None:
            return self._removed(ResourceType.SECRET, name)
        owner = key.objects[0]
        return self._built(ResourceType.SECRET, name, credential_secret(key, credential), owner)

    def _secrets(self) -> BuiltResources:
        before, self._certificates = self._certificates, dict(self._traffic.certificates)
        built: BuiltResources = {}
        for key in before.keys() - self._certificates.keys():
            built |= self._removed(ResourceType.SECRET, names.secret(key))
        for key, certificate in self._certificates.items():
            if before.get(key) is not certificate:
                owner = ObjectRef("Secret", *key)
                built |= self._built(ResourceType.SECRET, names.secret(key), secret(certificate), owner)
        return built

    def _https_listener(self) -> BuiltResources:
        tls = self._traffic.tls
        if not tls.terminations and not tls.passed:
            return self._removed(ResourceType.LISTENER, names.HTTPS)
        return self._listener(names.HTTPS, https_listener(self._options, tls))

    def _port(self, key: PortKey) -> BuiltResources:
        port = self._traffic.ports.get(key)
        if port is None:
            return self._removed(ResourceType.LISTENER, str(key))
        owner = port.route.origin.object
        return self._built(ResourceType.LISTENER, str(key), port_listener(port, self._options), owner)

    def _listener(self, name: str, message: Listener) -> BuiltResources:
        return self._built(ResourceType.LISTENER, name, message, ObjectRef("Listener", "", name))

    def _route_configurations(self, change: TrafficChange) -> Steps[BuiltResources]:
        first = not self._routes
        domains = self._domains
        if change.listeners:
            for routes in self._routes.values():
                routes.options_changed(self._options)
        every = self._traffic.hosts_of(tls=False).keys() | self._traffic.hosts_of(tls=True).keys() if first else set()
        covered = domains.update(every or change.hosts, tls=change.tls or first)
        everything = first or change.default or change.listeners or NO_HOST in change.hosts
        hosts = None if everything else domains.affected(change.hosts)
        plain = None if hosts is None or (change.tls and domains.has_beginnings) else hosts | covered
        built = yield from self._route_builder(names.HTTP_ROUTES).build(
            domains.http_domains, domains.http_domain, plain
        )
        before = self._terminations
        self._terminations = {each.name: each for each in self._traffic.tls.terminations} if change.tls else before
        for each in self._affected_terminations(change, before, everything=everything):
            built |= yield from self._https_routes(each, None if everything or change.tls else hosts)
        return built | self._removed_routes([before[name] for name in before.keys() - self._terminations.keys()])

    def _affected_terminations(
        self, change: TrafficChange, before: Mapping[str, Termination], *, everything: bool
    ) -> list[Termination]:
        """The terminations whose route configurations can differ, sorted."""
        if everything:
            affected = set(self._terminations)
        else:
            changed = {name for name, each in self._terminations.items() if change.tls and before.get(name) != each}
            affected = changed | self._domains.affected_terminations(change.hosts | self._domains.redecided)
        return [self._terminations[name] for name in sorted(affected)]

    def _https_routes(self, termination: Termination, hosts: Set[str] | None) -> Steps[BuiltResources]:
        routes = self._route_builder(names.https_routes(termination))
        every_domain = functools.partial(self._domains.https_domains, termination)
        domain = functools.partial(self._domains.https_domain, termination)
        return (yield from routes.build(every_domain, domain, hosts))

    def _route_builder(self, name: str) -> RouteConfigurationBuilder:
        return self._routes.setdefault(name, RouteConfigurationBuilder(name, self._options, self._validator))

    def _removed_routes(self, terminations: Iterable[Termination]) -> BuiltResources:
        removed = [self._routes.pop(name) for name in sorted(map(names.https_routes, terminations))]
        return {key: resource for routes in removed for key, resource in routes.removed().items()}

    def _built(
        self, type_: ResourceType, name: str, message: "Message", owner: ObjectRef, *, shape: Hashable = None
    ) -> BuiltResources:
        """The encoded resource; empty if it is invalid, so that the snapshot keeps the last good one."""
        if not self._validator.accepts(type_, name, lambda: message, owner, shape=shape):
            return {}
        return {(type_, name): resource(type_, name, codec.encode(message))}

    def _removed(self, type_: ResourceType, name: str) -> BuiltResources:
        self._validator.forget((type_, name))
        return {(type_, name): None}
