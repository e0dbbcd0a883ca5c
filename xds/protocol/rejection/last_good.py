"""What the fleet made of each resource: served is what the source wants, but for versions that were refused.

A version is *untried* until a proxy accepts it. One that is refused for its own sake, and that no proxy accepted, is
replaced by the last that was accepted; by nothing, if there is none. That lasts until the source changes the resource,
or a proxy turns out to have accepted it after all. It is the memory of one process life.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from math import inf
from typing import Final
from weakref import WeakSet

from xds.protocol.messages import Acknowledged, Event, Rejected, Response, Resumed
from xds.snapshot.inlined import InlinedResource
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ResourceChange, ResourceKey, Revision, Store

NEEDED_BY: Final[Mapping[ResourceType, tuple[ResourceType, ...]]] = {
    ResourceType.CLUSTER: (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST),
    ResourceType.ENDPOINTS: (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST),
    ResourceType.SECRET: (ResourceType.LISTENER,),
    ResourceType.ROUTES: (ResourceType.LISTENER,),
    ResourceType.VIRTUAL_HOST: (ResourceType.LISTENER,),
    ResourceType.LISTENER: (),
}
"""The types that name one, so that their last good version doesn't work without it."""

_REFERRING: Final = frozenset(type_ for types in NEEDED_BY.values() for type_ in types)

REMOVED_LIMIT: Final = 10_000
"""Resources kept that the source removed, and that the last good version of others may name."""

CANNOT_BIND: Final = "cannot bind"
"""In Envoy's words, where the machine is to blame and not the listener: its port is taken, say. Other proxies may do.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/listener_manager/listener_impl.cc
"""


@dataclass(slots=True)
class _Untried:
    """A resource whose present version no proxy has accepted. `good` is the last that one did (None: there is none),
    `good_at` the number of the served revision it is known from, and `since` that of the first wanted one after it.
    """

    good: Resource | None
    good_at: int
    since: int
    refused: bool = False


class LastGood:
    """Holds `served`, which follows the wanted snapshot and what the proxies say to it.

    An acknowledgement costs what is untried in the response, and of a thousand streams that share a response, one.
    """

    def __init__(self, wanted: Store) -> None:
        self.served = Store(history=1)
        self._wanted = wanted
        self._untried: dict[ResourceType, dict[str, _Untried]] = {type_: {} for type_ in ResourceType}
        self._refused: dict[ResourceType, set[str]] = {type_: set() for type_ in ResourceType}
        self._removed: dict[ResourceKey, tuple[Resource, int]] = {}
        self._accepted: WeakSet[Response] = WeakSet()

    def rejected(self, type_: ResourceType) -> Set[str]:
        """The names whose wanted version is not served: proxies refused it."""
        return self._refused[type_]

    def withdrawn(self, type_: ResourceType) -> Set[str]:
        """Those of them of which nothing is served."""
        refused = self._refused[type_]
        return refused - self.served.resources(type_).keys() if refused else refused

    def is_untried(self, type_: ResourceType, name: str) -> bool:
        """Whether no proxy has accepted the wanted version."""
        return name in self._untried[type_]

    def good(self, type_: ResourceType, name: str) -> Resource | None:
        """The last version that was accepted of a resource whose present one wasn't."""
        untried = self._untried[type_].get(name)
        return untried.good if untried else None

    def blamed(self, event: Rejected) -> list[Resource]:
        """What of the snapshot a refusal is about; empty if others accepted all of it.

        Of virtual hosts that were sent inside of a RouteConfiguration, those that the words name, if any.
        """
        names = {name for name, _ in event.rejection.blamed}
        blamed = [resource for resource in event.response.resources if resource.name in names]
        blamed = list(filter(self._is_wanted, self._untried_of(blamed)))
        named = [each for each in blamed if _is_named(each, event.rejection.message)]
        return named or blamed

    def follow(self, revision: Revision) -> Revision | None:
        """The wanted snapshot has become this revision. Returns what that changes in what is served."""
        unserved = [change for change in revision.changes if change.name in self._refused[change.type]]
        for change in revision.changes:
            if change.new is not None:
                self._begin(change, revision.number)
        for change in revision.changes:
            if change.new is None:
                self._begin(change, revision.number)
        changes = {(change.type, change.name): change.new for change in revision.changes}
        before = {(change.type, change.name): self.served.get(change.type, change.name) for change in unserved}
        served = self.served.commit(
            changes | self._kept(changes),
            read_at=revision.read_at,
            now=revision.committed_at,
            unfinished=revision.unfinished,
        )
        # Also where it makes no difference to what is served: proxies have been spared, or have refused, what is over.
        settled = tuple(change._replace(old=change.new) for change in unserved if before[_key(change)] == change.new)
        if not settled:
            return served
        base = served or Revision(self.served.revision, revision.read_at, revision.committed_at, ())
        return replace(base, changes=(*base.changes, *settled))

    def learn(self, events: Iterable[Event], now: float) -> list[Revision]:
        """A proxy answered. Returns what that changes in what is served, one revision after the other."""
        changes: dict[ResourceKey, Resource | None] = {}
        for event in events:
            match event:
                case Acknowledged(response=response):
                    changes |= self._accept(response)
                case Rejected(type=type_, rejection=rejection):
                    if type_ is not ResourceType.LISTENER or CANNOT_BIND not in rejection.message:
                        changes |= self._refuse(self.blamed(event))
                case Resumed(type=type_, versions=versions):
                    changes |= self._recognize(type_, versions)
        return self._change(changes, now) if changes else []

    def _change(self, changes: Mapping[ResourceKey, Resource | None], now: float) -> list[Revision]:
        """Serve this. What it needs comes before it, and what is needed no more goes after it."""
        kept = self._kept(changes)
        back = {key: resource for key, resource in kept.items() if resource is not None}
        gone = {key: resource for key, resource in kept.items() if resource is None}
        steps = ((back, False), (changes, True), (gone, False))
        made = ((self.served.commit(step, read_at=now, now=now), from_proxies) for step, from_proxies in steps if step)
        return [replace(revision, from_proxies=from_proxies) for revision, from_proxies in made if revision]

    def _begin(self, change: ResourceChange, number: int) -> None:
        """The source changed a resource: nobody has tried it yet."""
        self._refused[change.type].discard(change.name)
        names = self._untried[change.type]
        untried = names.get(change.name)
        if change.new is not None:
            if untried is None:
                names[change.name] = _Untried(change.old, self.served.revision, number)
            untried = names[change.name]
            untried.refused = False
            if untried.good is not None and untried.good.version == change.new.version:
                del names[change.name]
            return
        names.pop(change.name, None)
        good = untried.good if untried else change.old
        if good is not None and self._may_go_back(NEEDED_BY[change.type]):
            self._removed[change.type, change.name] = (good, number)
            if len(self._removed) > REMOVED_LIMIT:
                del self._removed[next(iter(self._removed))]

    def _may_go_back(self, types: Iterable[ResourceType]) -> bool:
        """Whether something of these types is untried, and may return to what it was, or to what turns out good yet."""
        return any(self._untried[type_] for type_ in types)

    def _accept(self, response: Response) -> Mapping[ResourceKey, Resource | None]:
        if response in self._accepted or not any(self._untried[type_] for type_ in _parts(response.type)):
            return {}
        self._accepted.add(response)
        found: dict[ResourceKey, Resource | None] = {}
        for resource in self._untried_of(response.resources):
            known = self._untried[resource.type][resource.name]
            if self._is_wanted(resource):
                found |= self._tried(resource.type, resource.name)
            elif known.good is None or response.revision > known.good_at:
                known.good, known.good_at = resource, response.revision
        return found

    def _untried_of(self, resources: Iterable[Resource]) -> list[Resource]:
        """Those of which some version is untried: of a RouteConfiguration with virtual hosts inside, such parts."""
        found = []
        for resource in resources:
            if isinstance(resource, InlinedResource):
                parts = resource.hosts
                found += [parts[name] for name in self._untried[ResourceType.VIRTUAL_HOST] if name in parts]
                resource = resource.configuration  # noqa: PLW2901 - which is what remains of it
            if resource.name in self._untried[resource.type]:
                found.append(resource)
        return found

    def _recognize(self, type_: ResourceType, versions: Mapping[str, str]) -> Mapping[ResourceKey, Resource | None]:
        untried, wanted = self._untried[type_], self._wanted.resources(type_)
        few, many = sorted((untried, versions), key=len)
        names = [name for name in few if name in many and name in wanted and wanted[name].version == versions[name]]
        found: dict[ResourceKey, Resource | None] = {}
        for name in names:
            found |= self._tried(type_, name)
        if type_ is ResourceType.ROUTES:
            found |= self._recognize_inlined(versions)
        return found

    def _recognize_inlined(self, versions: Mapping[str, str]) -> Mapping[ResourceKey, Resource | None]:
        """RouteConfigurations with their virtual hosts inside were brought: these have been accepted too."""
        routes = self._wanted.inlined_routes
        right = {name for name, version in versions.items() if name in routes and routes[name].version == version}
        found: dict[ResourceKey, Resource | None] = {}
        for name in right & self._untried[ResourceType.ROUTES].keys():
            found |= self._tried(ResourceType.ROUTES, name)
        for name in list(self._untried[ResourceType.VIRTUAL_HOST]) if right else ():
            if route_configuration_of(name) in right:
                found |= self._tried(ResourceType.VIRTUAL_HOST, name)
        return found

    def _tried(self, type_: ResourceType, name: str) -> Mapping[ResourceKey, Resource | None]:
        """A proxy has accepted the wanted version."""
        untried = self._untried[type_].pop(name)
        self._refused[type_].discard(name)
        return {(type_, name): self._wanted.get(type_, name)} if untried.refused else {}

    def _refuse(self, blamed: Iterable[Resource]) -> Mapping[ResourceKey, Resource | None]:
        found: dict[ResourceKey, Resource | None] = {}
        for resource in blamed:
            type_, name = resource.type, resource.name
            untried = self._untried[type_][name]
            if not untried.refused:
                untried.refused = True
                self._refused[type_].add(name)
                found[type_, name] = untried.good
        return found

    def _is_wanted(self, resource: Resource) -> bool:
        wanted = self._wanted.get(resource.type, resource.name)
        return wanted is not None and wanted.version == resource.version

    def _kept(self, changes: Mapping[ResourceKey, Resource | None]) -> dict[ResourceKey, Resource | None]:
        """What was removed, and is served all the same as long as a last good version may name it."""
        if not any(key[0] in _REFERRING or new is None or key in self._removed for key, new in changes.items()):
            return {}
        back_to = {types: (self._since(types, refused=True), self._since(types)) for types in set(NEEDED_BY.values())}
        kept: dict[ResourceKey, Resource | None] = {}
        for key, (resource, number) in list(self._removed.items()):
            gone_back, may_go_back = back_to[NEEDED_BY[key[0]]]
            if changes.get(key) is None:
                kept[key] = resource if number >= gone_back else None
            if changes.get(key) is not None or number < may_go_back:
                del self._removed[key]
        return kept

    def _since(self, types: Iterable[ResourceType], *, refused: bool = False) -> float:
        """The oldest wanted revision behind which something of these types may go back, or has; infinite if nothing."""
        found = (untried for type_ in types for untried in self._untried[type_].values())
        return min((each.since for each in found if not refused or (each.refused and each.good)), default=inf)


def _is_named(resource: Resource, words: str) -> bool:
    domain = resource.name.rpartition("/")[2]
    return resource.type is ResourceType.VIRTUAL_HOST and domain != "*" and domain in words


def _parts(type_: ResourceType) -> tuple[ResourceType, ...]:
    """What a resource of a type may be made of."""
    return (type_, ResourceType.VIRTUAL_HOST) if type_ is ResourceType.ROUTES else (type_,)


def _key(change: ResourceChange) -> ResourceKey:
    return change.type, change.name
