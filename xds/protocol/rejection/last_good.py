"""The last good versions of one build: its served snapshot is the wanted one, except for versions on trial.

               a change in the source
                     │
                     ▼
                  untried ───── ACK, resume ─────▶ accepted (the last good version)
                     │  ▲                              ▲
       NACK with blame  │ the rejecting streams ended  │ ACK, resume: accepted after all
                     ▼  │                              │
                  on trial: the last good version is served, or nothing (withdrawn); see `trial`

A change in the source leads back to untried from every state. The memory lasts as long as the process.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from math import inf
from typing import Final, TypeAlias
from weakref import WeakSet

from xds.protocol.messages import Acknowledged, Event, Rejected, Response, Resumed
from xds.protocol.rejection.nack import MESSAGE_LIMIT, NAMED_TYPES, TRUNCATED
from xds.snapshot.inlined import InlinedResource
from xds.snapshot.resource import Resource, ResourceType, route_configuration_of
from xds.snapshot.store import ResourceChange, ResourceKey, Revision, Store

NEEDED_BY: Final[Mapping[ResourceType, tuple[ResourceType, ...]]] = {
    ResourceType.CLUSTER: (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST),
    ResourceType.ENDPOINTS: (ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST),
    ResourceType.SECRET: (ResourceType.CLUSTER, ResourceType.LISTENER),
    ResourceType.EXTENSION: (ResourceType.LISTENER,),
    ResourceType.ROUTES: (ResourceType.LISTENER,),
    ResourceType.VIRTUAL_HOST: (ResourceType.LISTENER,),
    ResourceType.LISTENER: (),
}
"""The types that name resources of a type and don't work without them."""

_REFERRING_TYPES: Final = frozenset(type_ for types in NEEDED_BY.values() for type_ in types)

REMOVED_LIMIT: Final = 10_000
"""Removed resources kept because other last good versions may name them."""

Changes: TypeAlias = Mapping[ResourceKey, Resource | None]
"""Resources to serve from now on; None: nothing."""


@dataclass(slots=True)
class _Untried:
    """A resource whose wanted version no proxy has accepted yet.

    Attributes:
        good: The last accepted version; None: no proxy has accepted one.
        good_at: The served revision of `good`.
        since: The first wanted revision after `good`.
        rejected_by: The open streams whose proxy rejected the wanted version: on trial as long as there is one.
    """

    good: Resource | None
    good_at: int
    since: int
    rejected_by: frozenset[Hashable] = frozenset()


class LastGood:
    """Follows the wanted snapshot and the answers of a build's proxies, and keeps the build's served snapshot.

    An ACK costs the untried resources in the response, once for all streams with the same response.

    Args:
        wanted: The snapshot that the source asks for.
        now: Seconds of the clock of the store's revisions.

    Attributes:
        served: The snapshot that proxies of the build get.
        generation: Counts the versions that went on trial.
        trial_since: The generation of the first version on trial, at a time when no other was.
    """

    def __init__(self, wanted: Store, now: float = 0.0) -> None:
        self.served = Store(history=1)
        self.generation = 0
        self.trial_since = 0
        self._wanted = wanted
        self._untried: dict[ResourceType, dict[str, _Untried]] = {type_: {} for type_ in ResourceType}
        self._on_trial: dict[ResourceType, set[str]] = {type_: set() for type_ in ResourceType}
        # Last good versions that the source removed, with the wanted revision of the removal.
        self._removed: dict[ResourceKey, tuple[Resource, int]] = {}
        self._accepted: WeakSet[Response] = WeakSet()
        self._rejected_by: dict[Hashable, set[ResourceKey]] = {}
        if wanted.revision:
            self._take_over(now)

    def _take_over(self, now: float) -> None:
        """Serve the wanted snapshot as it is: the build is new, and has tried nothing yet."""
        resources: dict[ResourceKey, Resource | None] = {}
        for type_ in ResourceType:
            for name, resource in self._wanted.resources(type_).items():
                resources[type_, name] = resource
                self._untried[type_][name] = _Untried(None, 0, self._wanted.revision)
        self.served.commit(resources, read_at=now, now=now, unfinished=self._wanted.unfinished)

    @property
    def is_any_on_trial(self) -> bool:
        """Whether a version is on trial."""
        return any(self._on_trial.values())

    def on_trial(self, types: Collection[ResourceType]) -> Mapping[ResourceType, Mapping[str, Resource]]:
        """The wanted versions on trial, by type and name."""
        found = {type_: {name: self._wanted.get(type_, name) for name in self._on_trial[type_]} for type_ in types}
        return {
            type_: {name: resource for name, resource in of_type.items() if resource is not None}
            for type_, of_type in found.items()
            if of_type
        }

    def names_on_trial(self, type_: ResourceType) -> Set[str]:
        """Names of resources whose wanted version is on trial, and so not served."""
        return self._on_trial[type_]

    def withdrawn(self, type_: ResourceType) -> Set[str]:
        """Names on trial of which no version is served."""
        names = self._on_trial[type_]
        return names - self.served.resources(type_).keys() if names else names

    def wants(self, resource: Resource) -> bool:
        """Whether the source wants this version."""
        wanted = self._wanted.get(resource.type, resource.name)
        return wanted is not None and wanted.version == resource.version

    def has_replaced(self, resource: Resource) -> bool:
        """Whether the source wants another version. A removed resource has none."""
        wanted = self._wanted.get(resource.type, resource.name)
        return wanted is not None and wanted.version != resource.version

    def is_untried(self, type_: ResourceType, name: str) -> bool:
        """Whether no proxy has accepted the wanted version."""
        return name in self._untried[type_]

    def good(self, type_: ResourceType, name: str) -> Resource | None:
        """The last accepted version of an untried resource; None: there is none."""
        untried = self._untried[type_].get(name)
        return untried.good if untried else None

    def blamed(self, event: Rejected) -> list[Resource]:
        """The wanted resources blamed by a NACK; empty if other proxies accepted every blamed resource.

        Of virtual hosts inside a RouteConfiguration, the ones named in the message; without a name, every one.
        """
        names = {name for name, _ in event.rejection.blamed}
        sent = [resource for resource in event.response.resources if resource.name in names]
        blamed = list(filter(self.wants, self._untried_parts(sent)))
        message, hosts = event.rejection.message, (each for each in blamed if each.type is ResourceType.VIRTUAL_HOST)
        domains = ((each, each.name.rpartition("/")[2]) for each in hosts)
        return [each for each, domain in domains if domain != "*" and domain in message] or blamed

    def follow(self, revision: Revision) -> Revision | None:
        """Take in a revision of the wanted snapshot. Returns the change of the served one; None: nothing changes."""
        unserved = [change for change in revision.changes if change.name in self._on_trial[change.type]]
        # Removals last: a removed resource is kept if a resource that may name it is untried.
        for change in revision.changes:
            if change.new is not None:
                self._note_untried(change, change.new, revision.number)
        for change in revision.changes:
            if change.new is None:
                self._remove(change, revision.number)
        changes = {(change.type, change.name): change.new for change in revision.changes}
        before = {(change.type, change.name): self.served.get(change.type, change.name) for change in unserved}
        served = self.served.commit(
            changes | self._kept(changes),
            read_at=revision.read_at,
            now=revision.committed_at,
            unfinished=revision.unfinished,
        )
        # Sessions hear of the end of a rejection even if the served version stays: their rejected resources end too.
        over = tuple(
            change._replace(old=change.new) for change in unserved if before[change.type, change.name] == change.new
        )
        if not over:
            return served
        base = served or Revision(self.served.revision, revision.read_at, revision.committed_at, ())
        return replace(base, changes=(*base.changes, *over))

    def learn(self, events: Iterable[Event], stream: Hashable, now: float) -> list[Revision]:
        """Take in the answers on a stream. Returns the changes of the served snapshot, in order."""
        changes: dict[ResourceKey, Resource | None] = {}
        for event in events:
            match event:
                case Acknowledged(response=response):
                    changes |= self._accept(response)
                case Rejected(rejection=rejection):
                    changes |= self._accept_rest(event)
                    blamed = self.blamed(event)
                    changes |= self._reject((each for each in blamed if each.name not in rejection.unbound), stream)
                case Resumed(type=type_, versions=versions):
                    changes |= self._accept_versions(type_, versions)
        return self._serve(changes, now) if changes else []

    def ended(self, stream: Hashable, now: float) -> list[Revision]:
        """Let the rejections of a stream lapse with its end. Returns the changes of the served snapshot, in order."""
        changes: dict[ResourceKey, Resource | None] = {}
        for type_, name in self._rejected_by.pop(stream, ()):
            untried = self._untried[type_].get(name)
            if untried is None or stream not in untried.rejected_by:
                continue
            untried.rejected_by -= {stream}
            if not untried.rejected_by:
                self._on_trial[type_].discard(name)
                changes[type_, name] = self._wanted.get(type_, name)
        return self._serve(changes, now) if changes else []

    def _serve(self, changes: Changes, now: float) -> list[Revision]:
        """Serve other versions. Kept resources return before a version that needs them, and go after the last one."""
        kept = self._kept(changes)
        needed = {key: resource for key, resource in kept.items() if resource is not None}
        unneeded = {key: resource for key, resource in kept.items() if resource is None}
        revisions = []
        for step in (needed, changes, unneeded):
            revision = self.served.commit(step, read_at=now, now=now) if step else None
            if revision:
                revisions.append(replace(revision, from_proxies=step is changes))
        return revisions

    def _note_untried(self, change: ResourceChange, new: Resource, revision: int) -> None:
        """Note a new wanted version, which counts as untried unless equal to the last good version."""
        self._on_trial[change.type].discard(change.name)
        names = self._untried[change.type]
        untried = names.get(change.name)
        if untried is None:
            untried = names[change.name] = _Untried(change.old, self.served.revision, revision)
        untried.rejected_by = frozenset()
        if untried.good is not None and untried.good.version == new.version:
            del names[change.name]

    def _remove(self, change: ResourceChange, revision: int) -> None:
        """Note a removal by the source. The last good version stays while other last good versions may need it.

        A version in flight, not rejected so far, counts as good: the resource that names it may be in flight as well.
        """
        self._on_trial[change.type].discard(change.name)
        untried = self._untried[change.type].pop(change.name, None)
        good = untried.good if untried else None
        if good is None and not (untried and untried.rejected_by):
            good = change.old
        if good is not None and any(self._untried[type_] for type_ in NEEDED_BY[change.type]):
            self._removed[change.type, change.name] = (good, revision)
            if len(self._removed) > REMOVED_LIMIT:
                del self._removed[next(iter(self._removed))]

    def _accept(self, response: Response) -> Changes:
        if response in self._accepted:
            return {}
        types = (response.type, ResourceType.VIRTUAL_HOST) if response.type is ResourceType.ROUTES else (response.type,)
        if not any(self._untried[type_] for type_ in types):
            return {}
        self._accepted.add(response)
        return self._accept_resources(response.resources, response.revision)

    def _accept_rest(self, event: Rejected) -> Changes:
        """Count the resources beside the blamed ones as accepted, of types of which Envoy applies the good part."""
        rejection = event.rejection
        is_cut = rejection.message.endswith(TRUNCATED) or len(rejection.message) >= MESSAGE_LIMIT
        if event.type not in NAMED_TYPES or not rejection.blamed or is_cut:
            return {}
        blamed = {name for name, _ in rejection.blamed}
        rest = (resource for resource in event.response.resources if resource.name not in blamed)
        return self._accept_resources(rest, event.response.revision)

    def _accept_resources(self, resources: Iterable[Resource], revision: int) -> Changes:
        changes: dict[ResourceKey, Resource | None] = {}
        for resource in self._untried_parts(resources):
            untried = self._untried[resource.type][resource.name]
            if self.wants(resource):
                changes |= self._note_accepted(resource.type, resource.name)
            elif untried.good is None or revision > untried.good_at:
                untried.good, untried.good_at = resource, revision
        return changes

    def _accept_versions(self, type_: ResourceType, versions: Mapping[str, str]) -> Changes:
        """Count versions that a proxy resumed with as accepted."""
        untried, wanted = self._untried[type_], self._wanted.resources(type_)
        few, many = sorted((untried, versions), key=len)
        names = [name for name in few if name in many and name in wanted and wanted[name].version == versions[name]]
        changes: dict[ResourceKey, Resource | None] = {}
        for name in names:
            changes |= self._note_accepted(type_, name)
        if type_ is ResourceType.ROUTES:
            changes |= self._accept_inlined_versions(versions)
        return changes

    def _accept_inlined_versions(self, versions: Mapping[str, str]) -> Changes:
        """Count RouteConfigurations as accepted together with the virtual hosts inside."""
        routes = self._wanted.inlined_routes
        current = {name for name, version in versions.items() if name in routes and routes[name].version == version}
        changes: dict[ResourceKey, Resource | None] = {}
        for name in current & self._untried[ResourceType.ROUTES].keys():
            changes |= self._note_accepted(ResourceType.ROUTES, name)
        for name in list(self._untried[ResourceType.VIRTUAL_HOST]) if current else ():
            if route_configuration_of(name) in current:
                changes |= self._note_accepted(ResourceType.VIRTUAL_HOST, name)
        return changes

    def _note_accepted(self, type_: ResourceType, name: str) -> Changes:
        """Note that a proxy has accepted the wanted version. A version rejected before is served again."""
        untried = self._untried[type_].pop(name)
        self._on_trial[type_].discard(name)
        return {(type_, name): self._wanted.get(type_, name)} if untried.rejected_by else {}

    def _reject(self, blamed: Iterable[Resource], stream: Hashable) -> Changes:
        changes: dict[ResourceKey, Resource | None] = {}
        for resource in blamed:
            type_, name = resource.type, resource.name
            untried = self._untried[type_][name]
            if not untried.rejected_by:
                self.generation += 1
                if not self.is_any_on_trial:
                    self.trial_since = self.generation
                self._on_trial[type_].add(name)
                changes[type_, name] = untried.good
            untried.rejected_by |= {stream}
            self._rejected_by.setdefault(stream, set()).add((type_, name))
        return changes

    def _untried_parts(self, resources: Iterable[Resource]) -> list[Resource]:
        """The untried resources. A RouteConfiguration with virtual hosts inside counts as its parts."""
        found = []
        for resource in resources:
            if isinstance(resource, InlinedResource):
                hosts = resource.hosts
                found += [hosts[name] for name in self._untried[ResourceType.VIRTUAL_HOST] if name in hosts]
            part = resource.configuration if isinstance(resource, InlinedResource) else resource
            if part.name in self._untried[part.type]:
                found.append(part)
        return found

    def _kept(self, changes: Changes) -> dict[ResourceKey, Resource | None]:
        """The removed resources that last good versions may name, to be served all the same; None: not any more."""
        if not any(key[0] in _REFERRING_TYPES or new is None or key in self._removed for key, new in changes.items()):
            return {}
        oldest = {
            types: (self._oldest_untried(types, on_trial=True), self._oldest_untried(types))
            for types in set(NEEDED_BY.values())
        }
        kept: dict[ResourceKey, Resource | None] = {}
        for key, (resource, revision) in list(self._removed.items()):
            oldest_on_trial, oldest_untried = oldest[NEEDED_BY[key[0]]]
            if changes.get(key) is None:
                kept[key] = resource if revision >= oldest_on_trial else None
            if changes.get(key) is not None or revision < oldest_untried:
                del self._removed[key]
        return kept

    def _oldest_untried(self, types: Iterable[ResourceType], *, on_trial: bool = False) -> float:
        """The oldest wanted revision since which resources of these types are untried, or (`on_trial`) served in their
        last good version; infinite if there is none.
        """
        untried = (each for type_ in types for each in self._untried[type_].values())
        return min((each.since for each in untried if not on_trial or (each.rejected_by and each.good)), default=inf)
