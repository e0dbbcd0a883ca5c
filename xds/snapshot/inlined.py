"""RouteConfigurations with their virtual hosts inside, for proxies that don't take these by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from xds.snapshot.resource import Resource, ResourceType, route_configuration_of, version_of


@dataclass(frozen=True, slots=True)
class InlinedResource(Resource):
    """A RouteConfiguration with its virtual hosts inside, and the resources that it was put together from."""

    configuration: Resource
    hosts: Mapping[str, Resource]


_NONE: Final[Mapping[str, Resource]] = MappingProxyType({})


class InlinedRoutes:
    """Knows which virtual hosts each RouteConfiguration has, and which version it has with them inside: the sum of
    their weights and its own, so that one changed host costs the same among ten and ten thousand.

    The resources in `configurations` have no body: that is put together for those who need it, when they do.
    """

    def __init__(self) -> None:
        self.configurations: dict[str, Resource] = {}
        self._hosts: dict[str, dict[str, Resource]] = {}
        self._sums: dict[str, int] = {}
        self._touched: set[str] = set()

    def virtual_hosts(self, configuration: str) -> Mapping[str, Resource]:
        return self._hosts.get(configuration, _NONE)

    def write(self, name: str, virtual_host: Resource | None, growth: int) -> None:
        """This virtual host is so now (None: gone), and its weight has grown by so much."""
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
        """The RouteConfiguration or a virtual host of it changed by so much."""
        self._touched.add(configuration)
        self._sums[configuration] = self._sums.get(configuration, 0) + weight
        if not self._sums[configuration]:
            del self._sums[configuration]

    def take_touched(self) -> list[str]:
        """Those that changed since this was last asked, by name."""
        touched, self._touched = self._touched, set()
        return sorted(touched)

    def renew(self, name: str, *, exists: bool) -> tuple[Resource | None, Resource | None]:
        """Bring the version of one up to date. Returns it as it was and as it is."""
        old = self.configurations.get(name)
        if not exists:
            self.configurations.pop(name, None)
            return old, None
        new = Resource(ResourceType.ROUTES, name, b"", version_of(self._sums[name]))
        self.configurations[name] = new
        return old, new
