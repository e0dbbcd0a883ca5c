"""Index from changed resources to the streams that subscribe to them."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from xds.protocol.subscription import Subscription
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ChangesByType

S = TypeVar("S")


class SubscriberIndex(Generic[S]):
    """Streams by subscription.

    Streams with equal subscriptions form a group, and a change is compared with each group once: a fleet with equal
    subscriptions costs as much as one proxy. An entry for each stream and name would make millions for a thousand
    proxies.
    """

    def __init__(self) -> None:
        self._groups: dict[ResourceType, dict[Subscription, dict[S, None]]] = {type_: {} for type_ in ResourceType}
        self._subscriptions: dict[S, dict[ResourceType, Subscription]] = {}

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self, stream: S, subscriptions: Iterable[tuple[ResourceType, Subscription]]) -> None:
        """Replace the stream's subscriptions of these types. Subscriptions of other types stay."""
        current = self._subscriptions.setdefault(stream, {})
        for type_, subscription in subscriptions:
            old = current.get(type_)
            if old is subscription:
                continue
            if old is not None:
                self._leave(stream, type_, old)
            current[type_] = subscription
            self._groups[type_].setdefault(subscription, {})[stream] = None

    def remove(self, stream: S) -> None:
        """Remove a stream that ended, or that never subscribed."""
        for type_, subscription in self._subscriptions.pop(stream, {}).items():
            self._leave(stream, type_, subscription)

    def streams(self, changes: ChangesByType) -> Iterable[S]:
        """The streams that subscribe to a changed resource, without duplicates."""
        found: dict[S, None] = {}
        for type_, changed in changes.items():
            for subscription, group in self._groups[type_].items():
                if any(subscription.covers(change.name) for change in changed):
                    found.update(group)
        return found

    def _leave(self, stream: S, type_: ResourceType, subscription: Subscription) -> None:
        group = self._groups[type_][subscription]
        del group[stream]
        if not group:
            del self._groups[type_][subscription]
