"""RouteConfigurations with virtual hosts inside, for streams without VHDS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from xds.snapshot.resource import Resource, ResourceType, route_configuration_of, version_of


@dataclass(frozen=True, slots=True)
class InlinedResource(Resource):
    """A RouteConfiguration with virtual hosts inside, and the resources of which it is made: the version tells all."""

    configuration: Resource = field(compare=False)
    hosts: Mapping[str, Resource] = field(compare=False)


_NONE: Final[Mapping[str, Resource]] = MappingProxyType({})


class InlinedRoutes:
    """The virtual hosts of each RouteConfiguration, and its version with virtual hosts inside.

    The version is the sum of the weights of all parts, so that a changed host costs the same among ten hosts and ten
    thousand.

    Attributes:
        configurations: RouteConfigurations by name, without bodies: `InlinedView` makes bodies on demand.
    """

    def __init__(self) -> None:
        self.configurations: dict[str, Resource] = {}
        self._hosts: dict[str, dict[str, Resource]] = {}
        self._sums: dict[str, int] = {}
        self._touched: set[str] = set()

    def virtual_hosts(self, configuration: str) -> Mapping[str, Resource]:
        return self._hosts.get(configuration, _NONE)

    def write(self, name: str, virtual_host: Resource | None, growth: int) -> None:
        """Take in a changed virtual host (None: removed), whose weight has grown by `growth`."""
        configuration = route_configuration_of(name)
        self.grow(configuration, growth)
        if virtual_host is not None:
            self._hosts.setdefault(configuration, {})[name] = virtual_host
            return
        hosts = self._hosts[configuration]
        del hosts[name]
        if not hosts:
            del self._hosts[configuration]

    def grow(self, configuration: str, weight: int) -> None:
        """Add to the weight of a RouteConfiguration with its virtual hosts."""
        self._touched.add(configuration)
        self._sums[configuration] = self._sums.get(configuration, 0) + weight
        if not self._sums[configuration]:
            del self._sums[configuration]

    def take_touched(self) -> list[str]:
        """Names of the RouteConfigurations changed since the last call, sorted."""
        touched, self._touched = self._touched, set()
        return sorted(touched)

    def renew(self, name: str, *, exists: bool) -> tuple[Resource | None, Resource | None]:
        """Update the version of a RouteConfiguration. Returns the resource before and after."""
        old = self.configurations.get(name)
        if not exists:
            self.configurations.pop(name, None)
            return old, None
        new = Resource(ResourceType.ROUTES, name, b"", version_of(self._sums[name]))
        self.configurations[name] = new
        return old, new
