"""Outages of an API server as its watches meet them, logged once at the start and once at the end."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from xds.kubeapi.client import ErrorStatus
from xds.sources.apiserver.scope import Scope

EFFECT: Final = "objects read before stay in use; changes are followed again after the outage"

_REMEDIES: Final = {
    401: "renew the credentials; each try reads them again",
    404: "use an API server of Kubernetes 1.21 or newer",
}

_log = structlog.get_logger()


class Outages:
    """Keeps which watches fail, and why.

    Args:
        server: The API server, for people.
        caught_up: Is called when a watch has caught up.

    Attributes:
        behind: Watches that failed and haven't yet received the events they missed.
    """

    def __init__(self, server: str, caught_up: Callable[[], None]) -> None:
        self.behind: set[Scope] = set()
        self._server = server
        self._on_caught_up = caught_up
        self._unreachable: dict[Scope, str] = {}
        self._rejected: dict[Scope, ErrorStatus] = {}
        self._back = asyncio.Event()

    def why(self, scope: Scope) -> str:
        """Why the watch fails; empty for a watch that works."""
        return self._unreachable.get(scope) or str(self._rejected.get(scope, ""))

    def failed(self, scope: Scope, error: Exception) -> None:
        """Note that the watch tried and failed."""
        self.behind.add(scope)
        if isinstance(error, ErrorStatus):
            self._was_rejected(scope, error)
            return
        self._back.clear()
        if not self._unreachable:
            _log.warning(
                "api_server_unreachable", server=self._server, watch=str(scope), error=str(error), effect=EFFECT
            )
        self._unreachable[scope] = str(error)

    def expired(self, scope: Scope, error: Exception) -> None:
        """Note that the watch can't resume, and lists again."""
        self.behind.add(scope)
        self._reached(scope)
        _log.info("listing_again", watch=str(scope), reason=str(error))

    def works(self, scope: Scope) -> None:
        """Note that the API server answers the watch."""
        if self._rejected.pop(scope, None):
            _log.info("watch_accepted", watch=str(scope))
        self._reached(scope)

    def caught_up(self, scope: Scope) -> None:
        """Note that the watch has received the events it missed."""
        if scope in self.behind:
            self.behind.discard(scope)
            self._on_caught_up()

    async def pause(self, scope: Scope, delay: float) -> bool:
        """Wait before the next try.

        A watch that found the API server unreachable stops waiting when another watch gets through.

        Args:
            scope: Of the watch that waits.
            delay: Seconds.

        Returns:
            Whether another watch got through.
        """
        if scope not in self._unreachable:
            await asyncio.sleep(delay)
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                return await self._back.wait()
        return False

    def _was_rejected(self, scope: Scope, error: ErrorStatus) -> None:
        self._reached(scope)
        before = self._rejected.get(scope)
        self._rejected[scope] = error
        if before and before.status == error.status:
            return
        remedy = scope.grant(error.message) if error.status == 403 else _REMEDIES.get(error.status, EFFECT)
        _log.warning("watch_rejected", watch=str(scope), status=error.status, message=error.message, remedy=remedy)

    def _reached(self, scope: Scope) -> None:
        if self._unreachable.pop(scope, None) is None:
            return
        self._back.set()
        if not self._unreachable:
            _log.info("api_server_reached", server=self._server)
