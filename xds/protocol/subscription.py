"""Subscriptions: the requested names of one type, and the effect of a request."""

from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.snapshot.resource import ResourceType, route_configuration_of

WILDCARD: Final = "*"

LEGACY_WILDCARD: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER, ResourceType.VIRTUAL_HOST})
"""The types of which an empty request asks for every resource."""

NAMES_LIMIT: Final = 200_000
"""The most names of one type in a subscription, and in a list of a request."""


def check_count(names: int, type_url: str) -> None:
    """Raises:
    ProtocolError: `names` is above the limit of a stream.
    """
    if names > NAMES_LIMIT:
        raise ProtocolError(ErrorCode.RESOURCE_EXHAUSTED, f"more than {NAMES_LIMIT} names of {type_url}")


class NameSets:
    """Equal sets of names as one object for all streams: a thousand sets of a thousand names take 60 MB.

    Sets are held weakly: a set goes with its last stream.
    """

    def __init__(self) -> None:
        self._by_hash: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()

    def share(self, names: frozenset[str]) -> frozenset[str]:
        """An equal set that other streams hold, or else the set itself."""
        known = self._by_hash.get(hash(names))
        if known == names:
            return known
        self._by_hash[hash(names)] = names
        return names


@dataclass(frozen=True, slots=True)
class Subscription:
    """The subscription of one stream to one type.

    Attributes:
        legacy: Whether an empty request still asks for every resource.
        scope: The RouteConfigurations whose virtual hosts the wildcard stands for; None: the wildcard stands for every
            resource.

    "Once the client does explicitly subscribe to a resource name (whether it be "*" or any other name), then this
    legacy semantic is no longer available"
    https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
    """

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    legacy: bool = False
    scope: frozenset[str] | None = None

    def covers(self, name: str) -> bool:
        return name in self.names or (
            self.wildcard and (self.scope is None or route_configuration_of(name) in self.scope)
        )

    def __and__(self, other: "Subscription") -> "Subscription":
        """The names that both subscriptions cover."""
        if self.wildcard and self.scope is None:
            return Subscription(other.names, other.wildcard, scope=other.scope)
        if other.wildcard and other.scope is None:
            return Subscription(self.names, self.wildcard, scope=self.scope)
        names = frozenset(name for name in self.names | other.names if self.covers(name) and other.covers(name))
        scope = (self.scope & other.scope) if self.scope is not None and other.scope is not None else None
        return Subscription(names, self.wildcard and other.wildcard, scope=scope)


def initial_subscription(type_: ResourceType) -> Subscription:
    """The subscription to a type before its first request."""
    return Subscription(legacy=type_ in LEGACY_WILDCARD)


@dataclass(frozen=True, slots=True)
class Demand:
    """The effect of a request: the subscription, and the resources to send even if unchanged."""

    subscription: Subscription
    names: frozenset[str] = frozenset()
    everything: bool = False


def after_delta(old: Subscription, subscribe: frozenset[str], unsubscribe: frozenset[str], sets: NameSets) -> Demand:
    """The effect of a delta request. A name in both lists ends up unsubscribed."""
    if not subscribe and not unsubscribe:
        return _after_empty(old)
    wildcard = (old.wildcard or WILDCARD in subscribe) and WILDCARD not in unsubscribe
    added, removed = _plain(subscribe), _plain(unsubscribe)
    new = Subscription(sets.share(_change(old.names, added, removed)), wildcard, scope=old.scope)
    # "Since the specific resource name may also be included in the wildcard, the server must send a response that
    # includes the specific resource", whereas "phantom unsubscriptions" are ignored.
    # https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#unsubscribing-from-resources
    still_covered = removed & old.names if wildcard else frozenset()
    requested = sets.share(added - removed if removed else added)
    return Demand(new, requested | still_covered if still_covered else requested, wildcard and WILDCARD in subscribe)


def after_sotw(old: Subscription, names: frozenset[str], sets: NameSets) -> Demand:
    """The effect of a state-of-the-world request, whose list replaces the names."""
    if not names:
        return _after_empty(old) if old.legacy else Demand(Subscription())
    if (names is old.names or names == old.names) and not old.wildcard:
        return Demand(old)
    listed = sets.share(names - {WILDCARD})
    new = Subscription(listed, WILDCARD in names)
    requested = sets.share(listed - old.names)
    return Demand(new, requested, new.wildcard and not old.wildcard)


def _after_empty(old: Subscription) -> Demand:
    if not old.legacy or old.wildcard:
        return Demand(old)
    return Demand(replace(old, wildcard=True), everything=True)


def _change(names: frozenset[str], added: frozenset[str], removed: frozenset[str]) -> frozenset[str]:
    if added <= names and names.isdisjoint(removed):
        return names
    return (names | added) - removed if names or removed else added


def _plain(names: frozenset[str]) -> frozenset[str]:
    """The names without the wildcard. Without a wildcard the same object, so that a thousand streams don't copy it."""
    return names - {WILDCARD} if WILDCARD in names else names
