"""One route configuration with its virtual hosts, kept between changes."""

from collections.abc import Callable, Iterable, Set

from xds.envoyapi import codec
from xds.resources import names
from xds.resources.built import BuiltResources
from xds.resources.domains import Domain
from xds.resources.options import ProxyOptions
from xds.resources.routes import route_configuration, virtual_host
from xds.resources.validation import Validator
from xds.snapshot.resource import ResourceType, resource
from xds.steps import Steps
from xds.traffic.routes import VirtualHost


class RouteConfigurationBuilder:
    """Builds a route configuration, and remembers each domain as it was last built."""

    def __init__(self, name: str, options: ProxyOptions, validator: Validator) -> None:
        self._name = name
        self._options = options
        self._validator = validator
        self._domains: dict[str, tuple[Domain, bytes | None]] = {}
        self._stale: set[str] = set()

    def options_changed(self, options: ProxyOptions) -> None:
        """Have the next build look at all domains anew."""
        self._options = options
        self._stale = set(self._domains)

    def build(
        self,
        every_domain: Callable[[], Iterable[Domain]],
        domain_of: Callable[[str], Domain | None],
        hosts: Set[str] | None,
    ) -> Steps[BuiltResources]:
        """Build the virtual hosts that differ from the last ones.

        Args:
            every_domain: All domains of the route configuration.
            domain_of: The domain of one host; None if the host has none.
            hosts: Hosts to look at. None: all.
        """
        built: BuiltResources = {}
        if hosts is not None and self._domains:
            for host in sorted(hosts):
                built |= self._virtual_host(host, domain_of(host))
                yield
            return built
        body = codec.encode(route_configuration(self._name, self._options))
        built[ResourceType.ROUTES, self._name] = resource(ResourceType.ROUTES, self._name, body)
        gone = set(self._domains)
        for domain in every_domain():
            gone.discard(domain.name)
            built |= self._virtual_host(domain.name, domain)
            yield
        for host in sorted(gone):
            built |= self._virtual_host(host, None)
        return built

    def removed(self) -> BuiltResources:
        """The removal of the route configuration and its virtual hosts."""
        built: BuiltResources = {(ResourceType.ROUTES, self._name): None}
        for host in sorted(self._domains):
            built |= self._virtual_host(host, None)
        return built

    def _virtual_host(self, host: str, domain: Domain | None) -> BuiltResources:
        """The virtual host of a domain, or its removal for None; empty if nothing differs from last time."""
        known, last = self._domains.get(host, (None, None))
        if known == domain and host not in self._stale:
            return {}
        self._stale.discard(host)
        name = names.virtual_host(self._name, host)
        if domain is None:
            del self._domains[host]
            self._validator.forget(name)
            return {(ResourceType.VIRTUAL_HOST, name): None}
        body = self._body(name, domain, last)
        self._domains[host] = (domain, body)
        found = resource(ResourceType.VIRTUAL_HOST, name, body) if body is not None else None
        return {(ResourceType.VIRTUAL_HOST, name): found}

    def _body(self, name: str, domain: Domain, last: bytes | None) -> bytes | None:
        """The encoded virtual host, or the last one for a policy that no message of Envoy's can hold."""
        try:
            built = virtual_host(name, domain, self._options)
        except (TypeError, ValueError) as error:  # numbers out of range, among others: no host may stop the others
            answers = (domain.inside, domain.outside)
            origins = {
                route.origin.object for each in answers if isinstance(each, VirtualHost) for route in each.routes
            }
            self._validator.note_unbuildable(name, sorted(origins), str(error))
            return last
        return self._validator.valid_virtual_host(name, built, last)
