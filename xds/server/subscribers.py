"""Which streams a change may concern, found without asking each of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from xds.protocol.subscription import Subscription
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ChangesByType

S = TypeVar("S")


class SubscriberIndex(Generic[S]):
    """The streams by what they subscribe to.

    Streams with equal subscriptions are one group, of which one question is asked: a fleet whose proxies subscribe to
    the same costs what one of them does. Entries for each stream and name would be millions for a thousand proxies.
    """

    def __init__(self) -> None:
        self._groups: dict[ResourceType, dict[Subscription, dict[S, None]]] = {type_: {} for type_ in ResourceType}
        self._followed: dict[S, dict[ResourceType, Subscription]] = {}

    def follow(self, stream: S, subscriptions: Iterable[tuple[ResourceType, Subscription]]) -> None:
        """The stream subscribes to this now. Types that it has asked for before stay."""
        followed = self._followed.setdefault(stream, {})
        for type_, subscription in subscriptions:
            old = followed.get(type_)
            if old is subscription:
                continue
            if old is not None:
                self._leave(stream, type_, old)
            followed[type_] = subscription
            self._groups[type_].setdefault(subscription, {})[stream] = None

    def forget(self, stream: S) -> None:
        """The stream is gone."""
        for type_, subscription in self._followed.pop(stream, {}).items():
            self._leave(stream, type_, subscription)

    def of(self, changes: ChangesByType) -> Iterable[S]:
        """The streams that subscribe to something that changed, each once."""
        found: dict[S, None] = {}
        for group in self._concerned(changes):
            found.update(group)
        return found

    def _concerned(self, changes: ChangesByType) -> Iterator[Mapping[S, None]]:
        for type_, changed in changes.items():
            for subscription, streams in self._groups[type_].items():
                if any(subscription.covers(change.name) for change in changed):
                    yield streams

    def _leave(self, stream: S, type_: ResourceType, subscription: Subscription) -> None:
        streams = self._groups[type_][subscription]
        del streams[stream]
        if not streams:
            del self._groups[type_][subscription]
