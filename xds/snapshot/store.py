"""The store: the current snapshot, and a bounded history of its revisions."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from xds.snapshot.inlined import InlinedRoutes
from xds.snapshot.resource import Resource, ResourceType, version_of

HISTORY_LIMIT: Final = 100
"""Revisions kept for `xds snapshot diff`."""

HISTORY_BYTES_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of all resources in the history. The newest revision is kept in any case."""

ResourceKey: TypeAlias = tuple[ResourceType, str]


class ResourceChange(NamedTuple):
    """A resource before and after a commit; None as `old`: added; None as `new`: removed."""

    type: ResourceType
    name: str
    old: Resource | None
    new: Resource | None


ChangesByType: TypeAlias = Mapping[ResourceType, Sequence[ResourceChange]]


def by_type(changes: Iterable[ResourceChange]) -> ChangesByType:
    """Group changes by type, in their order."""
    found: dict[ResourceType, list[ResourceChange]] = {}
    for change in changes:
        found.setdefault(change.type, []).append(change)
    return found


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit.

    Attributes:
        number: Counts from 1 in this process.
        read_at: The reading of the change from the source, in seconds of the caller's clock.
        committed_at: The commit, in seconds of the same clock.
        inlined: Changes of the RouteConfigurations with virtual hosts inside, see `InlinedRoutes`.
        from_proxies: Whether the cause is an ACK, NACK or reconnect of a proxy, and not the source.
        unfinished: Whether further revisions of the same large change follow.
        by_type: The changes again, grouped by type.
    """

    number: int
    read_at: float
    committed_at: float
    changes: tuple[ResourceChange, ...]
    inlined: tuple[ResourceChange, ...] = ()
    from_proxies: bool = False
    unfinished: bool = False
    by_type: ChangesByType = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_type", by_type(self.changes))

    @property
    def size(self) -> int:
        """Bytes of the resources before and after."""
        found = 0
        for _, _, old, new in self.changes:
            found += (len(old.body) if old is not None else 0) + (len(new.body) if new is not None else 0)
        return found


def merged(revisions: Iterable[Revision]) -> tuple[ResourceChange, ...]:
    """The changes of consecutive revisions as one, sorted by type and name. Slow for a large revision, and fit for any
    thread.
    """
    found: dict[ResourceKey, ResourceChange] = {}
    for change in (change for revision in revisions for change in revision.changes):
        key = (change.type, change.name)
        first = found.get(key, change)
        found[key] = ResourceChange(change.type, change.name, first.old, change.new)
    order = {type_: place for place, type_ in enumerate(ResourceType)}
    kept = (change for change in found.values() if change.old != change.new)
    return tuple(sorted(kept, key=lambda change: (order[change.type], change.name)))


class UnknownRevisionError(LookupError):
    """The history doesn't have the revision: too old, or not made yet."""


class Store:
    """The snapshot: resources by type and name. `commit` alone writes; any code may read at any time.

    The version of a type is the sum of its resources' weights, so that a changed endpoint costs the same among ten
    clusters and ten thousand.

    Attributes:
        revision: The number of the newest revision; 0 before the first commit.
    """

    def __init__(self, history: int = HISTORY_LIMIT) -> None:
        self._resources: dict[ResourceType, dict[str, Resource]] = {type_: {} for type_ in ResourceType}
        self._since: dict[ResourceType, dict[str, float]] = {type_: {} for type_ in ResourceType}
        self._sums: dict[ResourceType, int] = dict.fromkeys(ResourceType, 0)
        self._inlined = InlinedRoutes()
        self._history: deque[Revision] = deque()
        self._history_limit = history
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self.revision = 0
        self._unfinished = False

    @property
    def unfinished(self) -> bool:
        """Whether further revisions of a large change follow."""
        return self._unfinished

    @property
    def history(self) -> tuple[Revision, ...]:
        """The kept revisions, oldest first."""
        return tuple(self._history)

    def get(self, type_: ResourceType, name: str) -> Resource | None:
        return self._resources[type_].get(name)

    def since(self, type_: ResourceType, name: str) -> float | None:
        """The last change of a resource, in seconds of the caller's clock; None: there is no such resource."""
        return self._since[type_].get(name)

    def resources(self, type_: ResourceType) -> Mapping[str, Resource]:
        """The resources of a type by name: a view, not a copy."""
        return self._resources[type_]

    def version(self, type_: ResourceType) -> str:
        """The version of all resources of a type together: equal sets have equal versions, in any process."""
        return version_of(self._sums[type_])

    def virtual_hosts(self, configuration: str) -> Mapping[str, Resource]:
        """The virtual hosts of a RouteConfiguration by name: a view, not a copy."""
        return self._inlined.virtual_hosts(configuration)

    @property
    def inlined_routes(self) -> Mapping[str, Resource]:
        """The RouteConfigurations with virtual hosts inside, by name, without bodies: see `InlinedRoutes`."""
        return self._inlined.configurations

    def inlined_version(self) -> str:
        """The version of all RouteConfigurations with virtual hosts inside."""
        return version_of(self._sums[ResourceType.ROUTES] + self._sums[ResourceType.VIRTUAL_HOST])

    def commit(
        self,
        resources: Mapping[ResourceKey, Resource | None],
        *,
        read_at: float,
        now: float,
        unfinished: bool | None = None,
    ) -> Revision | None:
        """Write resources into the snapshot.

        Args:
            resources: The resources to add or change; None: the resource is removed.
            read_at: The reading of the change from the source, in seconds of the caller's clock.
            now: Seconds of the same clock.
            unfinished: Whether further revisions of a large change follow; None: as before the commit.

        Returns:
            The revision; None: nothing differs. The first commit and the end of a large change always make one.
        """
        changes = tuple(
            ResourceChange(type_, name, self._resources[type_].get(name), new)
            for (type_, name), new in self.differing(resources)
        )
        unfinished = self._unfinished if unfinished is None else unfinished
        ends = self._unfinished and not unfinished
        if not changes and self.revision and not ends:
            return None
        self._unfinished = unfinished
        for change in changes:
            self._write(change, now)
        self.revision += 1
        inlined = tuple(self._inlined_changes())
        revision = Revision(self.revision, read_at, now, changes, inlined, unfinished=unfinished)
        self._remember(revision)
        return revision

    def between(self, start: int, end: int) -> list[Revision]:
        """The revisions from `start` (exclusive; 0 is the empty snapshot) to `end`.

        Raises:
            UnknownRevisionError: the history doesn't hold every revision between.
        """
        revisions = [revision for revision in self._history if start < revision.number <= end]
        if not 0 <= start <= end <= self.revision or len(revisions) != end - start:
            raise UnknownRevisionError(self._reach())
        return revisions

    def _remember(self, revision: Revision) -> None:
        self._history.append(revision)
        self._sizes.append(revision.size)
        self._bytes += self._sizes[-1]
        while len(self._history) > self._history_limit or (
            len(self._history) > 1 and self._bytes > HISTORY_BYTES_LIMIT
        ):
            self._history.popleft()
            self._bytes -= self._sizes.popleft()

    def _reach(self) -> str:
        oldest = self._history[0].number - 1 if self._history else 0
        return f"the history reaches from revision {oldest} to {self.revision}"

    def differing(
        self, resources: Mapping[ResourceKey, Resource | None]
    ) -> Iterable[tuple[ResourceKey, Resource | None]]:
        """The resources that are not as in the snapshot."""
        for key, new in resources.items():
            old = self._resources[key[0]].get(key[1])
            if old is not new and (old is None or new is None or old.version != new.version):
                yield key, new

    def _write(self, change: ResourceChange, now: float) -> None:
        type_, name, old, new = change
        growth = (new.weight if new is not None else 0) - (old.weight if old is not None else 0)
        self._sums[type_] += growth
        if new is not None:
            self._resources[type_][name] = new
            self._since[type_][name] = now
        else:
            del self._resources[type_][name], self._since[type_][name]
        if type_ is ResourceType.ROUTES:
            self._inlined.grow(name, growth)
        elif type_ is ResourceType.VIRTUAL_HOST:
            self._inlined.write(name, new, growth)

    def _inlined_changes(self) -> Iterable[ResourceChange]:
        """The changed RouteConfigurations, by themselves or in a virtual host, sorted by name."""
        for name in self._inlined.take_touched():
            old, new = self._inlined.renew(name, exists=name in self._resources[ResourceType.ROUTES])
            if old != new:
                yield ResourceChange(ResourceType.ROUTES, name, old, new)
