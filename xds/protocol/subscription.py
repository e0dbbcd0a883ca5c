"""What was asked for of one type, and what a request changes about it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from xds.snapshot.resource import ResourceType

WILDCARD: Final = "*"

LEGACY_WILDCARD: Final = frozenset({ResourceType.LISTENER, ResourceType.CLUSTER})
"""The types of which an empty request asks for everything."""

SHARED_SETS: Final = 16
"""Changes of name sets that are remembered: the proxies of a fleet make the same one at about the same time."""


class NameSets:
    """Lets streams that ask for the same names hold the same set: a thousand sets of a thousand names are 60 MB."""

    def __init__(self) -> None:
        self.change = lru_cache(maxsize=SHARED_SETS)(_change)
        """The names of a set with some added and then some removed."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The names and whether the wildcard was asked for. `legacy`: an empty request still asks for everything.

    "Once the client does explicitly subscribe to a resource name (whether it be "*" or any other name), then this
    legacy semantic is no longer available"
    https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
    """

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    legacy: bool = False

    def covers(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def __and__(self, other: "Subscription") -> "Subscription":
        """What both cover."""
        if self.wildcard:
            return Subscription(other.names, other.wildcard)
        return Subscription(self.names if other.wildcard else self.names & other.names)


def unasked(type_: ResourceType) -> Subscription:
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
    added, removed = subscribe - {WILDCARD}, unsubscribe - {WILDCARD}
    new = Subscription(sets.change(old.names, added, removed), wildcard)
    # "Since the specific resource name may also be included in the wildcard, the server must send a response that
    # includes the specific resource", whereas "phantom unsubscriptions" are ignored.
    # https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#unsubscribing-from-resources
    uncertain = removed & old.names if wildcard else frozenset()
    asked = sets.change(frozenset(), added, removed) if removed else added
    return Demand(new, asked | uncertain if uncertain else asked, wildcard and WILDCARD in subscribe)


def after_sotw(old: Subscription, names: frozenset[str], sets: NameSets) -> Demand:
    """What a state-of-the-world request asks for: its list is the whole list."""
    if not names:
        return _after_nothing(old) if old.legacy else Demand(Subscription())
    if names == old.names and not old.wildcard:
        return Demand(old)
    listed = sets.change(frozenset(), names - {WILDCARD}, frozenset())
    new = Subscription(listed, WILDCARD in names)
    asked = listed - old.names if old.names else listed
    return Demand(new, asked, new.wildcard and not old.wildcard)


def _after_nothing(old: Subscription) -> Demand:
    if not old.legacy or old.wildcard:
        return Demand(old)
    return Demand(replace(old, wildcard=True), everything=True)


def _change(names: frozenset[str], added: frozenset[str], removed: frozenset[str]) -> frozenset[str]:
    if not names and not removed:
        return added
    if added <= names and names.isdisjoint(removed):
        return names
    return (names | added) - removed
