"""What the sessions of one server have in common."""

from collections.abc import Iterable

from xds.protocol.messages import Event, Variant
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.responses import ResponseCache
from xds.protocol.resume import ResumedVersions
from xds.protocol.subscription import NameSets
from xds.snapshot.store import ChangesByType, Revision, Store
from xds.snapshot.view import Inline, InlinedView, View


class Fleet:
    """What the sessions of one server share: the snapshot as it is served, with what the fleet refused left out; the
    responses made for more than one; the sets of names; what was brought from other streams.

    Args:
        wanted: The snapshot that the source asks for. Its owner gives each revision to `follow`.
        inline: How virtual hosts are put into a RouteConfiguration, for those that don't take them by themselves.
        vhds: Whether delta streams do.
    """

    def __init__(self, wanted: Store, inline: Inline, *, vhds: bool) -> None:
        self.last_good = LastGood(wanted)
        store = self.last_good.served
        self.names = NameSets()
        self.brought = ResumedVersions()
        inlined = ResponseCache(InlinedView(store, inline))
        # There is no VHDS in the state of the world.
        self._composers = {Variant.SOTW: inlined, Variant.DELTA: ResponseCache(View(store)) if vhds else inlined}

    @property
    def unfinished(self) -> bool:
        """Whether the rest of a change will follow: of the types other than endpoints nothing is told until then."""
        return self.last_good.served.unfinished

    def response_cache(self, variant: Variant) -> ResponseCache:
        """Makes the responses for a stream, of the snapshot as that sees it."""
        return self._composers[variant]

    def changes(self, revision: Revision, variant: Variant) -> ChangesByType:
        """What a revision changes for the streams of a variant."""
        return self.response_cache(variant).view.changes(revision)

    def follow(self, revision: Revision) -> Revision | None:
        """What a revision of the wanted snapshot changes for the sessions: to be given to their `update`."""
        return self.last_good.follow(revision)

    def learn(self, events: Iterable[Event], now: float) -> list[Revision]:
        """What the answers of one proxy change for all of them: to be given to their `update`, in this order."""
        return self.last_good.learn(events, now)
