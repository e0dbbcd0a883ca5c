"""The backlog: the difference between one proxy and the store, for one type.

A subscribed resource that is not in the backlog is at the proxy as in the store, or in flight. A change thus costs its
own size, and an idle stream costs nothing.

    a change in the store ── note ──▶  upserts, removals ──┐
    a request of the proxy ─ request ▶ requested ──────────┴─ take ──▶ Update, for the next response
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import partial
from operator import is_
from typing import Final, TypeAlias

from xds.protocol.in_flight import Update
from xds.protocol.subscription import Subscription
from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceChange

BEFORE_STREAM: Final = 0
"""Revision number of changes from before the stream: older than every revision of the store."""

VANISHED_LIMIT: Final = 1000
"""Names in `Backlog.vanished`. A resource beyond the limit is sent when it returns, even if the proxy still has it."""

SharedChange: TypeAlias = tuple[str, int, int]
"""Name, id of the base and revision of a single change: equal for all streams with the same change and base."""

_is_none = partial(is_, None)  # `None in values` would compare each resource


@dataclass(frozen=True, slots=True)
class Removal:
    """A resource that the proxy has and the store removed, last in this revision."""

    base: Resource
    revision: int


class Backlog:
    """The unsent changes and unanswered requests of one type on one stream.

    A *base* is the version that the proxy has now; None: the proxy doesn't have the resource.

    Attributes:
        upserts: Bases of added and changed resources, by name.
        removals: Removed resources by name.
        requested: Names to send whether or not they changed.
        everything: Whether to send every resource of the type.
        requested_before: The subscription before the first unanswered request; None: no request is unanswered, or the
            proxy has every requested resource.
        vanished: Bases, without body, of removed resources for which the protocol has no word (state of the world,
            other than LDS and CDS), by name.
    """

    __slots__ = (
        "_removable",
        "_revisions",
        "_uncertain_since",
        "everything",
        "removals",
        "requested",
        "requested_before",
        "upserts",
        "vanished",
    )

    def __init__(self, *, removable: bool) -> None:
        self._removable = removable
        self.upserts: dict[str, Resource | None] = {}
        self.removals: dict[str, Removal] = {}
        self.vanished: dict[str, Resource] = {}
        self.requested: frozenset[str] = frozenset()
        self.everything = False
        self.requested_before: Subscription | None = None
        # The first unsent revision of each name in upserts or removals; the oldest comes first.
        self._revisions: dict[str, int] = {}
        self._uncertain_since: int | None = None

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removals or self.requested or self.everything)

    def __len__(self) -> int:
        return len(self.upserts) + len(self.removals)

    @property
    def adds(self) -> bool:
        """Whether a resource is to be sent that the proxy doesn't have."""
        return self.everything or bool(self.requested) or any(map(_is_none, self.upserts.values()))

    @property
    def oldest_revision(self) -> int | None:
        """The oldest unsent revision; None: no change is unsent."""
        return next(iter(self._revisions.values()), None)

    @property
    def uncertain_since(self) -> int | None:
        """The oldest revision that the proxy may lack; None: there is none."""
        return oldest(self.oldest_revision, self._uncertain_since)

    @property
    def single_change(self) -> SharedChange | None:
        """The only content of the backlog; None: the backlog holds more or less than one change."""
        if len(self._revisions) != 1 or len(self.upserts) != 1:
            return None
        if self.requested or self.everything or self.requested_before is not None:
            return None
        [(name, base)] = self.upserts.items()
        return name, id(base), self._revisions[name]

    def note(self, changes: Iterable[ResourceChange], subscription: Subscription, revision: int) -> bool:
        """Record changes in the store. The latest version wins, and a return to the base cancels a change.

        Returns:
            Whether a subscribed change is to be sent.
        """
        unsent = False
        names, covers, upserts, revisions = subscription.names, subscription.covers, self.upserts, self._revisions
        plain = not self.removals and not self.vanished and self.requested_before is None
        for change in changes:
            _, name, old, new = change
            if name not in names and not covers(name):
                continue
            if new is None or not plain:
                unsent |= self.put(name, self.pop(change), new, revision)
                plain = plain and new is not None
                continue
            # `pop` and `put` for the common case: in a storm of changes most of the time goes here.
            base = upserts.pop(name, old)
            if base is None or base.version != new.version:
                upserts[name] = base
                revisions.setdefault(name, revision)
                unsent = True
            else:
                revisions.pop(name, None)
        return unsent

    def put(self, name: str, base: Resource | None, new: Resource | None, revision: int) -> bool:
        """Record that the proxy has `base` and is due `new` since this revision. `pop` must have taken the name out.

        Returns:
            Whether the change is to be sent: no, if base and new version are equal.
        """
        if new is not None and (base is None or base.version != new.version):
            self.upserts[name] = base
        elif new is None and base is not None and self._removable:
            self.removals[name] = Removal(base, revision)
        else:
            if new is None and base is not None:
                self._remember_vanished(base)
            self._revisions.pop(name, None)
            return False
        self._revisions.setdefault(name, revision)
        return True

    def pop(self, change: ResourceChange) -> Resource | None:
        """Take a changed resource out of the backlog and return its base."""
        for bases in (self.upserts, self.vanished):
            if change.name in bases:
                return bases.pop(change.name)
        if change.name in self.removals:
            return self.removals.pop(change.name).base
        return change.old if self.requested_before is None or self.requested_before.covers(change.name) else None

    def base(self, name: str, served: Resource | None) -> Resource | None:
        """The proxy's version of a subscribed resource that is served in this version; None: the proxy has none."""
        if name in self.upserts:
            return self.upserts[name]
        if name in self.removals:
            return self.removals[name].base
        before = self.requested_before
        return served if before is None or before.covers(name) else None

    def drop(self, name: str) -> None:
        """Forget a change: the proxy is to keep its version."""
        for names in (self.upserts, self.removals, self.vanished, self._revisions):
            names.pop(name, None)

    def clear(self) -> None:
        """Forget the added and changed resources: they are sent."""
        self.upserts.clear()
        self._revisions.clear()

    def date_back(self, name: str) -> None:
        """Count an unsent change as older than every revision: until its ACK, the proxy works with another version."""
        if name in self._revisions:
            others = {other: revision for other, revision in self._revisions.items() if other != name}
            self._revisions = {name: BEFORE_STREAM, **others}

    def has_change(self, name: str) -> bool:
        """Whether the resource changed since the proxy's version."""
        return name in self.upserts or name in self.removals or name in self.vanished

    def rebase(self, name: str, base: Resource | None, new: Resource | None) -> None:
        """Replace the base after a NACK: the proxy works with `base`, not with the version sent, and is due `new`."""
        removal, revision = self.removals.pop(name, None), self._revisions.get(name, BEFORE_STREAM)
        self.upserts.pop(name, None)
        self.vanished.pop(name, None)
        self.put(name, base, new, removal.revision if removal else revision)
        if base is not None and new is not None:
            self.date_back(name)

    def request(
        self,
        names: frozenset[str],
        *,
        everything: bool = False,
        before: Subscription | None = None,
        uncertain_since: int | None = None,
    ) -> None:
        """Have these names sent even if the proxy has them.

        Args:
            names: Their resources are sent.
            everything: Whether every resource of the type is sent.
            before: The subscription until now: the proxy has none but its resources; None: the proxy has all of them.
            uncertain_since: The proxy may have the resources as before this revision; None: no.
        """
        self.requested_before = before if self.requested_before is None else self.requested_before
        self._uncertain_since = oldest(self._uncertain_since, uncertain_since)
        self.requested = self.requested | names if self.requested else names
        self.everything = self.everything or everything

    @property
    def requested_again(self) -> frozenset[str]:
        """The requested names that the proxy already has."""
        if self.requested_before is None:
            return self.requested
        return frozenset(filter(self.requested_before.covers, self.requested))

    def answer(self, names: Set[str]) -> int | None:
        """Drop requested names that go out with another response. Returns `uncertain_since` of the requests."""
        uncertain_since = self._uncertain_since
        self.requested = self.requested.difference(names)
        if not self.requested and not self.everything:
            self.requested_before, self._uncertain_since = None, None
        return uncertain_since

    def forget(self, subscription: Subscription) -> None:
        """Drop names that the subscription doesn't cover."""
        covers = subscription.covers
        for names in (self.upserts, self.removals, self.vanished, self._revisions):
            for name in [name for name in names if not covers(name)]:
                del names[name]
        self.requested = frozenset(filter(covers, self.requested))
        self.everything = self.everything and subscription.wildcard
        self.requested_before = self.requested_before & subscription if self.requested_before is not None else None
        self._uncertain_since = self._uncertain_since if self.requested or self.everything else None

    def ready(self, *, updates_allowed: bool, delayed: Set[str]) -> bool:
        """Whether there is a response to send. Requested names always are; removals are, unless `delayed`."""
        return bool(
            self.everything
            or self.requested
            or (updates_allowed and self.upserts)
            or any(name not in delayed for name in self.removals)
        )

    def take(self, *, updates_allowed: bool, delayed: Set[str], full_set: bool) -> Update:
        """Take out the content of the next response.

        Args:
            updates_allowed: Whether changes may go that were not requested.
            delayed: Names of removals that must wait.
            full_set: Whether the response holds every resource: then changes can't stay behind, and it repeats the
                resources of delayed removals.
        """
        requested, everything, before = self.requested, self.everything, self.requested_before
        uncertain_since = self._uncertain_since
        upserts = self._take_upserts(every=updates_allowed or full_set or everything)
        kept, released = self._take_removals(delayed, full_set=full_set or everything) if self.removals else ({}, {})
        self.requested, self.everything, self.requested_before, self._uncertain_since = frozenset(), False, None, None
        revision = min(map(self._revisions.pop, (*upserts, *released)), default=None)
        added = requested.difference(kept) if kept else requested
        if any(map(_is_none, upserts.values())):
            added = added.union(name for name, base in upserts.items() if base is None)
        names = requested.union(upserts, released) if upserts or released else requested
        bases = {**upserts, **released} if released else upserts
        return Update(
            names, everything, added, tuple(kept.values()), revision, oldest(revision, uncertain_since), bases, before
        )

    def _take_upserts(self, *, every: bool) -> dict[str, Resource | None]:
        if every:
            upserts, self.upserts = self.upserts, {}
            return upserts
        return {name: self.upserts.pop(name) for name in self.requested if name in self.upserts}

    def _take_removals(self, delayed: Set[str], *, full_set: bool) -> tuple[dict[str, Resource], dict[str, Resource]]:
        """Removed resources that the response must repeat, and released removals; by name."""
        repeated = {name: self.removals[name].base for name in sorted(delayed) if full_set or name in self.requested}
        # Of a resource that the proxy resumed with, only the version is known: its body can't be sent again.
        kept = {name: base for name, base in repeated.items() if base.body}
        unknown = self.requested & (repeated.keys() - kept.keys())
        released = [name for name in self.removals if name not in delayed or name in unknown]
        return kept, {name: self.removals.pop(name).base for name in released}

    def _remember_vanished(self, base: Resource) -> None:
        self.vanished[base.name] = replace(base, body=b"")
        if len(self.vanished) > VANISHED_LIMIT:
            del self.vanished[next(iter(self.vanished))]


def oldest(revision: int | None, other: int | None) -> int | None:
    """The older of two revisions; None: there is none."""
    if revision is None or other is None:
        return other if revision is None else revision
    return min(revision, other)


def sendable(bases: Mapping[str, Resource | None]) -> tuple[Resource, ...]:
    """The bases with a known body, by name: a full set can repeat them."""
    return tuple(base for _, base in sorted(bases.items()) if base is not None and base.body)


def unsendable(bases: Mapping[str, Resource | None]) -> frozenset[str]:
    """The names of the other bases: a full set leaves them out."""
    return frozenset(name for name, base in bases.items() if base is None or not base.body)
