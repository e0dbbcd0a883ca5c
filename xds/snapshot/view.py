"""Views of the snapshot for streams with VHDS (`View`) and without (`InlinedView`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from xds.snapshot.inlined import InlinedResource
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ChangesByType, ResourceChange, Revision, Store

_INLINED: Final = frozenset({ResourceType.ROUTES, ResourceType.VIRTUAL_HOST})

Inline: TypeAlias = Callable[[bytes, Iterable[bytes]], bytes]
"""Put encoded virtual hosts into an encoded RouteConfiguration."""


class View:
    """Every resource as in the store: virtual hosts are resources of their own."""

    types: frozenset[ResourceType] = frozenset(ResourceType)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._host_names: dict[str, frozenset[str]] = {}
        self._named_at = 0

    @property
    def revision(self) -> int:
        """The number of the newest revision; 0 before the first."""
        return self._store.revision

    @property
    def unfinished(self) -> bool:
        """Whether further revisions of a large change follow."""
        return self._store.unfinished

    def resources(self, type_: ResourceType) -> Mapping[str, Resource]:
        """The resources of a type by name. Only a resource from `complete` may be sent."""
        return self._store.resources(type_)

    def virtual_hosts(self, configuration: str) -> Mapping[str, Resource]:
        """The virtual hosts of a RouteConfiguration, by name."""
        return self._store.virtual_hosts(configuration)

    def virtual_host_names(self, configuration: str) -> frozenset[str]:
        """Names of the virtual hosts of a RouteConfiguration: the same object throughout a revision."""
        if self._named_at != self.revision:
            self._host_names.clear()
            self._named_at = self.revision
        names = self._host_names.get(configuration)
        if names is None:
            names = self._host_names[configuration] = frozenset(self.virtual_hosts(configuration))
        return names

    def version(self, type_: ResourceType) -> str:
        """The version of all resources of a type together."""
        return self._store.version(type_)

    def changes(self, revision: Revision) -> ChangesByType:
        """The changes of a revision, by type."""
        return revision.by_type

    def complete(self, resource: Resource) -> Resource:
        """The resource with its body."""
        return resource

    def holder(self, resource: Resource) -> Resource:
        """The resource of this view that holds a resource of the store."""
        return resource


class InlinedView(View):
    """Virtual hosts inside RouteConfigurations, encoded on demand and once for all streams."""

    types = frozenset(ResourceType) - {ResourceType.VIRTUAL_HOST}

    def __init__(self, store: Store, inline: Inline) -> None:
        super().__init__(store)
        self._inline = inline
        self._made: WeakValueDictionary[str, Resource] = WeakValueDictionary()

    def resources(self, type_: ResourceType) -> Mapping[str, Resource]:
        return self._store.inlined_routes if type_ is ResourceType.ROUTES else super().resources(type_)

    def version(self, type_: ResourceType) -> str:
        return self._store.inlined_version() if type_ is ResourceType.ROUTES else super().version(type_)

    def changes(self, revision: Revision) -> ChangesByType:
        if _INLINED.isdisjoint(revision.by_type):
            return revision.by_type
        others = {type_: changes for type_, changes in revision.by_type.items() if type_ not in _INLINED}
        routes = (*revision.inlined, *self._unchanged(revision))
        return {**others, ResourceType.ROUTES: routes} if routes else others

    def _unchanged(self, revision: Revision) -> Iterator[ResourceChange]:
        """Unchanged RouteConfigurations with a part in the revision: for sessions, the end of a rejection."""
        changes = (change for type_ in _INLINED & revision.by_type.keys() for change in revision.by_type[type_])
        parts = (change.new for change in changes if change.new is not None)
        names = {self.holder(part).name for part in parts}.difference(change.name for change in revision.inlined)
        for name in sorted(names & self._store.inlined_routes.keys()):
            routes = self._store.inlined_routes[name]
            yield ResourceChange(ResourceType.ROUTES, name, routes, routes)

    def complete(self, resource: Resource) -> Resource:
        if resource.type is not ResourceType.ROUTES:
            return resource
        made = self._made.get(resource.name)
        if made is None or made.version != resource.version:
            made = self._made[resource.name] = self._assembled(resource)
        return made

    def holder(self, resource: Resource) -> Resource:
        routes = self._store.inlined_routes
        if resource.type is ResourceType.VIRTUAL_HOST:
            return routes.get(route_configuration_of(resource.name), resource)
        return routes.get(resource.name, resource) if resource.type is ResourceType.ROUTES else resource

    def _assembled(self, routes: Resource) -> Resource:
        configuration = self._store.resources(ResourceType.ROUTES)[routes.name]
        hosts = self._store.virtual_hosts(routes.name)
        body = self._inline(configuration.body, (hosts[name].body for name in sorted(hosts)))
        return InlinedResource(ResourceType.ROUTES, routes.name, body, routes.version, configuration, dict(hosts))
