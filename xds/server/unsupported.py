"""Proxies that are not served: their Envoy is older than the oldest supported one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xds.protocol.messages import Node, Variant
from xds.protocol.status import Status
from xds.protocol.stuck import Stuck, StuckReason
from xds.server.debug.messages import ProxyStatus

REMEMBERED_SECONDS: Final = 120.0
"""Time after the last attempt for which a proxy is listed. Envoy tries again within 30 s."""

PROXIES_LIMIT: Final = 100
"""Proxies listed at a time."""


@dataclass(frozen=True, slots=True)
class UnsupportedProxy:
    """A proxy whose stream was ended at the first request.

    Attributes:
        reason: The version that is too old, and the versions that work.
        since: The first attempt, in seconds of the caller's clock.
    """

    node: Node
    peer: str
    variant: Variant
    reason: str
    since: float

    @property
    def status(self) -> ProxyStatus:
        stream = Status(self.variant, self.node, self.since, (), ())
        return ProxyStatus(self.peer, stream, (Stuck(StuckReason.UNSUPPORTED, None, self.since),))


class UnsupportedProxies:
    """Remembers proxies by node id from the first attempt to connect until REMEMBERED_SECONDS after the last one.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._proxies: dict[str, UnsupportedProxy] = {}
        self._seen: dict[str, float] = {}

    def add(self, node: Node, peer: str, variant: Variant, reason: str) -> bool:
        """Note an attempt. Returns whether the proxy was not listed until now."""
        now = self._clock()
        is_new = node.id not in self._proxies
        if is_new and len(self._proxies) >= PROXIES_LIMIT:
            return False
        since = now if is_new else self._proxies[node.id].since
        self._proxies[node.id] = UnsupportedProxy(node, peer, variant, reason, since)
        self._seen[node.id] = now
        return is_new

    def remove(self, node: Node) -> None:
        """Forget a proxy that is served now."""
        self._proxies.pop(node.id, None)
        self._seen.pop(node.id, None)

    @property
    def current(self) -> list[UnsupportedProxy]:
        """The proxies that tried lately, in the order of the first attempt."""
        earliest = self._clock() - REMEMBERED_SECONDS
        for node_id in [node_id for node_id, seen in self._seen.items() if seen < earliest]:
            del self._proxies[node_id], self._seen[node_id]
        return list(self._proxies.values())
