"""What a proxy has still to be told of one type."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import partial
from operator import is_
from typing import Final, TypeAlias

from xds.protocol.subscription import Subscription
from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceChange

BEFORE: Final = 0
"""The revision of what happened before the stream began: older than any that it is told of."""

VANISHED_LIMIT: Final = 1000
"""Names remembered of what vanished without a word: what returns after that is sent, even if the proxy has it."""

SharedChange: TypeAlias = tuple[str, int, int]
"""One change and nothing else: equal for all streams that are to be told of it and have the same object as base."""

_is_none = partial(is_, None)  # `None in values` asks each resource whether it is equal


@dataclass(frozen=True, slots=True)
class Removal:
    """What the proxy has and the store has not, and the number of the revision that removed it last."""

    base: Resource
    revision: int


@dataclass(frozen=True, slots=True)
class Update:
    """What of a backlog goes into the next response.

    `added` are the names which the proxy didn't have; `kept` what the store no longer has but the proxy must keep;
    `bases` what the proxy had of what changed; of what it only asked for, it had what `before` covers (None: all).
    `withheld` are names that a full set leaves out.
    `since` is the number of the oldest revision in it, None if it only answers what was asked. `doubtful` is the oldest
    from which on the proxy may not have what is in it: that of a change, or of what was asked for and is there already.
    """

    names: frozenset[str]
    everything: bool
    added: frozenset[str]
    kept: tuple[Resource, ...]
    since: int | None
    doubtful: int | None
    bases: Mapping[str, Resource | None]
    before: Subscription | None = None
    withheld: frozenset[str] = frozenset()

    def base(self, sent: Resource) -> Resource | None:
        """What the proxy had before it was sent this."""
        if sent.name in self.bases:
            return self.bases[sent.name]
        return sent if self.before is None or self.before.covers(sent.name) else None


class Backlog:
    """The difference between a proxy and the store, and nothing else: whatever is subscribed and not in here is at
    the proxy as it is in the store. That makes a change cost what changed, and an idle stream nothing.

    `upserts` and `removals` map a name to its base, that is, what the proxy has now (None: nothing). `asked` and
    `everything` are to be sent whether or not they changed. `vanished` holds the bases of what the store no longer
    has where the protocol has no word for it (state of the world, other than LDS and CDS), without their bodies. While
    something is asked for that the proxy did not have, `before` is what it had asked for until then.
    """

    __slots__ = (
        "_doubt",
        "_removable",
        "_since",
        "asked",
        "before",
        "everything",
        "removals",
        "upserts",
        "vanished",
    )

    def __init__(self, *, removable: bool) -> None:
        self._removable = removable
        self.upserts: dict[str, Resource | None] = {}
        self.removals: dict[str, Removal] = {}
        self.vanished: dict[str, Resource] = {}
        self.asked: frozenset[str] = frozenset()
        self.everything = False
        self.before: Subscription | None = None
        # The first revision of each name in upserts or removals that was not told; the oldest comes first.
        self._since: dict[str, int] = {}
        self._doubt: int | None = None

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removals or self.asked or self.everything)

    def __len__(self) -> int:
        return len(self.upserts) + len(self.removals)

    @property
    def adds(self) -> bool:
        """Whether something is to be sent that the proxy doesn't have yet."""
        return self.everything or bool(self.asked) or any(map(_is_none, self.upserts.values()))

    @property
    def since(self) -> int | None:
        """The number of the oldest revision that the proxy has still to be told of."""
        return next(iter(self._since.values()), None)

    @property
    def doubtful(self) -> int | None:
        """The number of the oldest revision from which on the proxy may have something as it was before."""
        return oldest(self.since, self._doubt)

    @property
    def single(self) -> SharedChange | None:
        """What is to be told, if it is one change."""
        if len(self._since) != 1 or len(self.upserts) != 1 or self.asked or self.everything or self.before is not None:
            return None
        [(name, base)] = self.upserts.items()
        return name, id(base), self._since[name]

    def note(self, changes: Iterable[ResourceChange], subscription: Subscription, revision: int) -> bool:
        """Resources changed in the store. Latest wins; what is back to what the proxy has is forgotten. Returns whether
        any that is subscribed is to be told.
        """
        told = False
        names, covers, upserts, since = subscription.names, subscription.covers, self.upserts, self._since
        plain = not self.removals and not self.vanished and self.before is None
        for change in changes:
            _, name, old, new = change
            if name not in names and not covers(name):
                continue
            if new is None or not plain:
                told |= self.put(name, self.pop(change), new, revision)
                plain = plain and new is not None
                continue
            # As `pop` and `put` do, for what most changes are: in a storm, this is what most of the time goes to.
            base = upserts.pop(name, old)
            if base is None or base.version != new.version:
                upserts[name] = base
                since.setdefault(name, revision)
                told = True
            else:
                since.pop(name, None)
        return told

    def put(self, name: str, base: Resource | None, new: Resource | None, revision: int) -> bool:
        """The proxy has `base`, which was taken out, and is to have `new`, since this revision. Returns whether that is
        to be told: what is back to what the proxy has is not.
        """
        if new is not None and (base is None or base.version != new.version):
            self.upserts[name] = base
        elif new is None and base is not None and self._removable:
            self.removals[name] = Removal(base, revision)
        else:
            if new is None and base is not None:
                self._remember(base)
            self._since.pop(name, None)
            return False
        self._since.setdefault(name, revision)
        return True

    def date_back(self, name: str) -> None:
        """What the proxy works with is older than anything, until it has accepted what it is to be told."""
        if name in self._since:
            self._since = {name: BEFORE, **{other: since for other, since in self._since.items() if other != name}}

    def covers(self, name: str) -> bool:
        """Whether this name is to be told because it changed."""
        return name in self.upserts or name in self.removals or name in self.vanished

    def rebase(self, name: str, base: Resource | None, new: Resource | None) -> None:
        """The proxy refused what it was taken to have, and works with `base`; it is to have `new`."""
        removal, since = self.removals.pop(name, None), self._since.get(name, BEFORE)
        self.upserts.pop(name, None)
        self.vanished.pop(name, None)
        self.put(name, base, new, removal.revision if removal else since)
        if base is not None and new is not None:
            self.date_back(name)

    def clear(self) -> None:
        """All that changed is told."""
        self.upserts.clear()
        self._since.clear()

    def drop(self, name: str) -> None:
        """There is nothing to be told of it."""
        for names in (self.upserts, self.removals, self.vanished, self._since):
            names.pop(name, None)

    def ask(
        self,
        names: frozenset[str],
        *,
        everything: bool = False,
        before: Subscription | None = None,
        doubt: int | None = None,
    ) -> None:
        """These are to be told even if the proxy has them; `before`: it had nothing but what this covers; `doubt`: it
        may have them as they were before this revision.
        """
        self.before = before if self.before is None else self.before
        self._doubt = oldest(self._doubt, doubt)
        self.asked = self.asked | names if self.asked else names
        self.everything = self.everything or everything

    @property
    def asked_again(self) -> frozenset[str]:
        """What is asked for and was at the proxy before."""
        return self.asked if self.before is None else frozenset(filter(self.before.covers, self.asked))

    def answer(self, names: Set[str]) -> int | None:
        """These are told with others. Returns the revision before which the proxy may have them as they were."""
        doubt = self._doubt
        self.asked = self.asked.difference(names)
        if not self.asked and not self.everything:
            self.before, self._doubt = None, None
        return doubt

    def forget(self, subscription: Subscription) -> None:
        """Drop what this doesn't cover."""
        covers = subscription.covers
        for names in (self.upserts, self.removals, self.vanished, self._since):
            for name in [name for name in names if not covers(name)]:
                del names[name]
        self.asked = frozenset(filter(covers, self.asked))
        self.everything = self.everything and subscription.wildcard
        self.before = self.before & subscription if self.before is not None else None
        self._doubt = self._doubt if self.asked or self.everything else None

    def ready(self, *, free: bool, held: Set[str]) -> bool:
        """Whether something may be sent: what was asked always, updates if they are `free`, removals not `held`."""
        return bool(
            self.everything or self.asked or (free and self.upserts) or any(name not in held for name in self.removals)
        )

    def take(self, *, free: bool, held: Set[str], whole: bool) -> Update:
        """Take out what goes into the next response. `whole`: it holds the full set, so nothing can stay behind but
        the removals that are held, and those it must repeat.
        """
        asked, everything, doubt, before = self.asked, self.everything, self._doubt, self.before
        upserts = self._take_upserts(all_=free or whole or everything)
        kept, released = self._take_removals(held, whole=whole or everything) if self.removals else ({}, {})
        self.asked, self.everything, self.before, self._doubt = frozenset(), False, None, None
        since = min(map(self._since.pop, (*upserts, *released)), default=None)
        bases = {**upserts, **released} if released else upserts
        added = asked.difference(kept) if kept else asked
        if any(map(_is_none, upserts.values())):
            added = added.union(name for name, base in upserts.items() if base is None)
        names = asked.union(upserts, released) if upserts or released else asked
        return Update(names, everything, added, tuple(kept.values()), since, oldest(since, doubt), bases, before)

    def _take_upserts(self, *, all_: bool) -> dict[str, Resource | None]:
        if all_:
            upserts, self.upserts = self.upserts, {}
            return upserts
        return {name: self.upserts.pop(name) for name in self.asked if name in self.upserts}

    def _take_removals(self, held: Set[str], *, whole: bool) -> tuple[dict[str, Resource], dict[str, Resource]]:
        """What the response must repeat although the store has lost it, and what it removes; both by name."""
        told = {name: self.removals[name].base for name in sorted(held) if whole or name in self.asked} if held else {}
        # Of what a proxy brought from another stream only the version is known: that can't be sent again.
        kept = {name: base for name, base in told.items() if base.body}
        unknown = self.asked & (told.keys() - kept.keys())
        free = [name for name in self.removals if name not in held or name in unknown]
        return kept, {name: self.removals.pop(name).base for name in free}

    def pop(self, change: ResourceChange) -> Resource | None:
        """What the proxy has of what changed; it is not in the backlog any more."""
        for bases in (self.upserts, self.vanished):
            if change.name in bases:
                return bases.pop(change.name)
        if change.name in self.removals:
            return self.removals.pop(change.name).base
        return change.old if self.before is None or self.before.covers(change.name) else None

    def _remember(self, base: Resource) -> None:
        self.vanished[base.name] = replace(base, body=b"")
        if len(self.vanished) > VANISHED_LIMIT:
            del self.vanished[next(iter(self.vanished))]


def oldest(one: int | None, other: int | None) -> int | None:
    """Of two revisions, of which none may be there."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
