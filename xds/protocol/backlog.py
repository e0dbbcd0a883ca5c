"""What a proxy has still to be told of one type."""

from collections.abc import Set
from dataclasses import dataclass

from xds.protocol.subscription import Subscription
from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceChange


@dataclass(frozen=True, slots=True)
class Taken:
    """What of a backlog goes into the next response.

    `added` are the names which the proxy didn't have; `kept` what the store no longer has but the proxy must keep;
    `since` is the number of the oldest revision in it, None if it only answers what was asked.
    """

    names: frozenset[str]
    everything: bool
    added: frozenset[str]
    kept: tuple[Resource, ...]
    since: int | None


class Backlog:
    """The difference between a proxy and the store, and nothing else: whatever is subscribed and not in here is at
    the proxy as it is in the store. That makes a change cost what changed, and an idle stream nothing.

    `upserts` and `removals` map a name to its base, that is, what the proxy has now (None: nothing). `asked` and
    `everything` are to be sent whether or not they changed. `vanished` holds the bases of what the store no longer
    has where the protocol has no word for it (state of the world, other than LDS and CDS). While something is asked for
    that the proxy did not have, `before` is what it had asked for until then.
    """

    __slots__ = ("_removable", "asked", "before", "everything", "removals", "since", "upserts", "vanished")

    def __init__(self, *, removable: bool) -> None:
        self._removable = removable
        self.upserts: dict[str, Resource | None] = {}
        self.removals: dict[str, Resource] = {}
        self.vanished: dict[str, Resource] = {}
        self.asked: frozenset[str] = frozenset()
        self.everything = False
        self.before: Subscription | None = None
        self.since: int | None = None

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removals or self.asked or self.everything)

    def __len__(self) -> int:
        return len(self.upserts) + len(self.removals)

    @property
    def adds(self) -> bool:
        """Whether something is to be sent that the proxy doesn't have yet."""
        return self.everything or bool(self.asked) or None in self.upserts.values()

    def note(self, change: ResourceChange, revision: int) -> None:
        """Something subscribed changed in the store. Latest wins; what is back to what the proxy has is forgotten."""
        base = self._pop_base(change)
        if change.new is not None:
            if base is None or base.version != change.new.version:
                self.upserts[change.name] = base
        elif base is not None:
            (self.removals if self._removable else self.vanished)[change.name] = base
        self._date(revision)

    def ask(self, names: frozenset[str], *, everything: bool = False, before: Subscription | None = None) -> None:
        """These are to be told even if the proxy has them; `before`: it had nothing but what this covers."""
        self.before = before if self.before is None else self.before
        self.asked = self.asked | names if self.asked else names
        self.everything = self.everything or everything

    def forget(self, subscription: Subscription) -> None:
        """Drop what this doesn't cover."""
        covers = subscription.covers
        for bases in (self.upserts, self.removals, self.vanished):
            for name in [name for name in bases if not covers(name)]:
                del bases[name]
        self.asked = frozenset(filter(covers, self.asked))
        self.everything = self.everything and subscription.wildcard
        self.before = self.before & subscription if self.before is not None else None
        self._date(self.since)

    def ready(self, *, free: bool, held: Set[str]) -> bool:
        """Whether something may be sent: what was asked always, updates if they are `free`, removals not `held`."""
        return bool(
            self.everything or self.asked or (free and self.upserts) or any(name not in held for name in self.removals)
        )

    def take(self, *, free: bool, held: Set[str], whole: bool) -> Taken:
        """Take out what goes into the next response. `whole`: it holds the full set, so nothing can stay behind but
        the removals that are held, and those it must repeat.
        """
        asked, everything, since = self.asked, self.everything, self.since
        upserts = self._take_upserts(all_=free or whole or everything)
        kept, released = self._take_removals(held, whole=whole or everything)
        self.asked, self.everything, self.before = frozenset(), False, None
        self._date(since)
        added = asked.difference(kept).union(name for name, base in upserts.items() if base is None)
        names = asked.union(upserts, released) if upserts or released else asked
        return Taken(names, everything, added, tuple(kept.values()), since if upserts or released else None)

    def _take_upserts(self, *, all_: bool) -> dict[str, Resource | None]:
        if all_:
            upserts, self.upserts = self.upserts, {}
            return upserts
        return {name: self.upserts.pop(name) for name in self.asked if name in self.upserts}

    def _take_removals(self, held: Set[str], *, whole: bool) -> tuple[dict[str, Resource], list[str]]:
        """What the response must repeat although the store has lost it, by name, and what it removes."""
        told = {name: self.removals[name] for name in sorted(held) if whole or name in self.asked} if held else {}
        # Of what a proxy brought from another stream only the version is known: that can't be sent again.
        kept = {name: base for name, base in told.items() if base.body}
        unknown = self.asked & (told.keys() - kept.keys())
        released = [name for name in self.removals if name not in held or name in unknown]
        for name in released:
            del self.removals[name]
        return kept, released

    def _pop_base(self, change: ResourceChange) -> Resource | None:
        for bases in (self.upserts, self.removals, self.vanished):
            if change.name in bases:
                return bases.pop(change.name)
        return change.old if self.before is None or self.before.covers(change.name) else None

    def _date(self, revision: int | None) -> None:
        if not self.upserts and not self.removals:
            self.since = None
        elif self.since is None:
            self.since = revision
