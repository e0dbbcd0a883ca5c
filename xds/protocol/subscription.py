"""What was asked for of one type, and what a request changes about it."""

from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.snapshot.resource import ResourceType, route_configuration_of

WILDCARD: Final = "*"

LEGACY_WILDCARD: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER, ResourceType.VIRTUAL_HOST})
"""The types of which an empty request asks for everything."""

NAMES_LIMIT: Final = 200_000
"""Names that one stream may ask for of one type, and that one list of a request may hold."""


def check_count(names: int, type_url: str) -> None:
    """Raises:
    ProtocolError: they are more than one stream may ask for.
    """
    if names > NAMES_LIMIT:
        raise ProtocolError(ErrorCode.RESOURCE_EXHAUSTED, f"more than {NAMES_LIMIT} names of {type_url}")


class NameSets:
    """Lets streams that ask for the same names hold the same set: a thousand sets of a thousand names are 60 MB.

    It holds them weakly: a set goes with the last stream that needs it.
    """

    def __init__(self) -> None:
        self._by_hash: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()

    def share(self, names: frozenset[str]) -> frozenset[str]:
        """The set that others hold, if there is an equal one."""
        known = self._by_hash.get(hash(names))
        if known == names:
            return known
        self._by_hash[hash(names)] = names
        return names


@dataclass(frozen=True, slots=True)
class Subscription:
    """The names and whether the wildcard was asked for. `legacy`: an empty request still asks for everything.

    `scope`: the wildcard stands for the virtual hosts of these RouteConfigurations; None: for everything.

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
        """What both cover."""
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
    """The subscription after a request, and what the request wants to be told even if nothing changed."""

    subscription: Subscription
    names: frozenset[str] = frozenset()
    everything: bool = False


def after_delta(old: Subscription, subscribe: frozenset[str], unsubscribe: frozenset[str], sets: NameSets) -> Demand:
    """What a delta request asks for. A name in both lists ends up unsubscribed."""
    if not subscribe and not unsubscribe:
        return _after_nothing(old)
    wildcard = (old.wildcard or WILDCARD in subscribe) and WILDCARD not in unsubscribe
    added, removed = _plain(subscribe), _plain(unsubscribe)
    new = Subscription(sets.share(_change(old.names, added, removed)), wildcard, scope=old.scope)
    # "Since the specific resource name may also be included in the wildcard, the server must send a response that
    # includes the specific resource", whereas "phantom unsubscriptions" are ignored.
    # https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#unsubscribing-from-resources
    uncertain = removed & old.names if wildcard else frozenset()
    asked = sets.share(added - removed if removed else added)
    return Demand(new, asked | uncertain if uncertain else asked, wildcard and WILDCARD in subscribe)


def after_sotw(old: Subscription, names: frozenset[str], sets: NameSets) -> Demand:
    """What a state-of-the-world request asks for: its list is the whole list."""
    if not names:
        return _after_nothing(old) if old.legacy else Demand(Subscription())
    if (names is old.names or names == old.names) and not old.wildcard:
        return Demand(old)
    listed = sets.share(names - {WILDCARD})
    new = Subscription(listed, WILDCARD in names)
    asked = sets.share(listed - old.names)
    return Demand(new, asked, new.wildcard and not old.wildcard)


def _after_nothing(old: Subscription) -> Demand:
    if not old.legacy or old.wildcard:
        return Demand(old)
    return Demand(replace(old, wildcard=True), everything=True)


def _change(names: frozenset[str], added: frozenset[str], removed: frozenset[str]) -> frozenset[str]:
    if added <= names and names.isdisjoint(removed):
        return names
    return (names | added) - removed if names or removed else added


def _plain(names: frozenset[str]) -> frozenset[str]:
    """Without the wildcard; the same object if it isn't there: a thousand streams needn't copy a thousand names."""
    return names - {WILDCARD} if WILDCARD in names else names
