"""The log of rejections: a line for each NACK, but few for a proxy that rejects everything."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from xds.explain.attribution import cannot_bind_remedy
from xds.problems.reasons import Reason
from xds.protocol.messages import Rejected

LINES: Final = 10
"""NACKs of a node logged in a window. Further ones are counted, and the count is logged with the next line."""

WINDOW_SECONDS: Final = 60.0

NODES_LIMIT: Final = 1000
"""Nodes told apart in a window. The NACKs of further nodes are counted together."""

MESSAGE_CHARACTERS: Final = 1000
"""Characters of Envoy's message in a line; `xds proxies` has more."""

_log = structlog.get_logger()


class RejectionLog:
    """Logs NACKs by node id, so that a proxy that reconnects has no more lines than one that stays.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._window_end = 0.0
        self._counts: Counter[str] = Counter()

    def add(self, node: str, peer: str, event: Rejected) -> None:
        now = self._clock()
        if now >= self._window_end:
            self._log_omitted()
            self._counts.clear()
            self._window_end = now + WINDOW_SECONDS
        key = node if node in self._counts or len(self._counts) < NODES_LIMIT else ""
        self._counts[key] += 1
        if self._counts[key] > LINES:
            return
        blamed = [name for name, _ in event.rejection.blamed]
        is_unbound = blamed and event.rejection.unbound.issuperset(blamed)
        _log.error(
            "proxy_rejected",
            peer=peer,
            node=node,
            type=event.type.short,
            resources=[name for name, _ in event.rejection.resources][:10],
            blamed=blamed[:10],
            error=event.rejection.message[:MESSAGE_CHARACTERS],
            remedy=cannot_bind_remedy(blamed) if is_unbound else Reason.REJECTED_BY_PROXY.remedy,
        )

    def _log_omitted(self) -> None:
        for node, count in self._counts.items():
            if count > LINES:
                error = f"{count - LINES} more rejections within {WINDOW_SECONDS:.0f} s"
                _log.error("proxy_rejections_omitted", node=node, error=error, remedy=Reason.PROXY_REJECTS_MANY.remedy)
