"""The state that the sessions of one server share."""

from collections.abc import Iterable

from xds.protocol.messages import Event, Variant
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.responses import ResponseCache
from xds.protocol.resume import ResumedVersions
from xds.protocol.subscription import NameSets
from xds.snapshot.store import ChangesByType, Revision, Store
from xds.snapshot.view import Inline, InlinedView, View


class Fleet:
    """The served snapshot, without the resources that proxies rejected, and the objects that sessions share.

    Args:
        wanted: The snapshot that the source asks for. Its owner gives each revision to `follow`.
        inline: Puts virtual hosts into a RouteConfiguration, for streams without VHDS.
        vhds: Whether delta streams get virtual hosts as resources of their own.
    """

    def __init__(self, wanted: Store, inline: Inline, *, vhds: bool) -> None:
        self.last_good = LastGood(wanted)
        store = self.last_good.served
        self.names = NameSets()
        self.resumed_versions = ResumedVersions()
        inlined = ResponseCache(InlinedView(store, inline))
        # There is no VHDS in the state of the world.
        self._caches = {Variant.SOTW: inlined, Variant.DELTA: ResponseCache(View(store)) if vhds else inlined}

    @property
    def unfinished(self) -> bool:
        """Whether further revisions of a large change follow. Until then only endpoints are sent."""
        return self.last_good.served.unfinished

    def response_cache(self, variant: Variant) -> ResponseCache:
        """The responses for streams of a variant, and their view of the served snapshot."""
        return self._caches[variant]

    def changes(self, revision: Revision, variant: Variant) -> ChangesByType:
        """The changes of a revision, as streams of a variant see them."""
        return self.response_cache(variant).view.changes(revision)

    def follow(self, revision: Revision) -> Revision | None:
        """Take in a revision of the wanted snapshot. Returns the change of the served one for each session's `update`;
        None: nothing changes.
        """
        return self.last_good.follow(revision)

    def learn(self, events: Iterable[Event], now: float) -> list[Revision]:
        """Take in the answers of one proxy. Returns the changes of the served snapshot for each session's `update`, in
        order.
        """
        return self.last_good.learn(events, now)
