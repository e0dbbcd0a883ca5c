"""The snapshot as a stream sees it: with virtual hosts by themselves, or inside their RouteConfigurations."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from xds.snapshot.inlined import InlinedResource
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ChangesByType, ResourceChange, Revision, Store

_INLINED: Final = frozenset({ResourceType.ROUTES, ResourceType.VIRTUAL_HOST})

Inline: TypeAlias = Callable[[bytes, Iterable[bytes]], bytes]
"""Puts encoded virtual hosts into an encoded RouteConfiguration."""


class View:
    """All resources as they are in the store."""

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
        """Whether the rest of a change will follow."""
        return self._store.unfinished

    def resources(self, type_: ResourceType) -> Mapping[str, Resource]:
        """All resources of a type by name. Only what went through `complete` may be sent."""
        return self._store.resources(type_)

    def virtual_hosts(self, configuration: str) -> Mapping[str, Resource]:
        """Those of a RouteConfiguration, by name."""
        return self._store.virtual_hosts(configuration)

    def virtual_host_names(self, configuration: str) -> frozenset[str]:
        """The names of these: one object for all who ask in the same revision."""
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
        """What a revision changes."""
        return revision.by_type

    def complete(self, resource: Resource) -> Resource:
        """The same with its body."""
        return resource

    def holder(self, resource: Resource) -> Resource:
        """What of this view a resource of the store is in."""
        return resource


class InlinedView(View):
    """Virtual hosts are inside their RouteConfigurations, put together when one is to be sent, once for all streams.

    Args:
        inline: How that is done.
    """

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
        """The RouteConfigurations with parts that the revision speaks of, though they are as they were."""
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
