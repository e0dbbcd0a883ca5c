"""What of the API server doesn't work at the moment: told once when it begins, and once when it is over."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from xds.kubeapi.client import ErrorStatus
from xds.sources.apiserver.scope import Scope

KEPT: Final = "what was read before stays; changes are followed again once it works"

_REMEDIES: Final = {
    401: "renew the credentials; they are read again at each try",
    404: "this needs an API server of Kubernetes 1.21 or newer",
}

_log = structlog.get_logger()


class Outages:
    """Which watches fail, and why; and which are behind, from their failure until they have what they missed.

    Args:
        server: For people.
        caught_up: Is called when one is behind no more.
    """

    def __init__(self, server: str, caught_up: Callable[[], None]) -> None:
        self.behind: set[Scope] = set()
        self._server = server
        self._on_caught_up = caught_up
        self._unreachable: dict[Scope, str] = {}
        self._refused: dict[Scope, ErrorStatus] = {}
        self._back = asyncio.Event()

    def why(self, scope: Scope) -> str:
        """Why the watch fails; empty if it doesn't."""
        return self._unreachable.get(scope) or str(self._refused.get(scope, ""))

    def failed(self, scope: Scope, error: Exception) -> None:
        """The watch tried, and could not."""
        self.behind.add(scope)
        if isinstance(error, ErrorStatus):
            self._failed_with_status(scope, error)
            return
        self._back.clear()
        if not self._unreachable:
            _log.warning("api_server_unreachable", server=self._server, watch=str(scope), error=str(error), effect=KEPT)
        self._unreachable[scope] = str(error)

    def expired(self, scope: Scope, error: Exception) -> None:
        """The watch can't go on from where it was."""
        self.behind.add(scope)
        self._reached(scope)
        _log.info("listing_again", watch=str(scope), reason=str(error))

    def works(self, scope: Scope) -> None:
        """The watch is answered."""
        if self._refused.pop(scope, None):
            _log.info("watch_accepted", watch=str(scope))
        self._reached(scope)

    def caught_up(self, scope: Scope) -> None:
        """The watch has what it missed."""
        if scope in self.behind:
            self.behind.discard(scope)
            self._on_caught_up()

    async def pause(self, scope: Scope, delay: float) -> bool:
        """Waits for `delay` seconds; less, and returns True, if the watch couldn't get there and another one does."""
        if scope not in self._unreachable:
            await asyncio.sleep(delay)
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                return await self._back.wait()
        return False

    def _failed_with_status(self, scope: Scope, error: ErrorStatus) -> None:
        self._reached(scope)
        before = self._refused.get(scope)
        self._refused[scope] = error
        if before and before.status == error.status:
            return
        remedy = scope.grant(error.message) if error.status == 403 else _REMEDIES.get(error.status, KEPT)
        _log.warning("watch_refused", watch=str(scope), status=error.status, message=error.message, remedy=remedy)

    def _reached(self, scope: Scope) -> None:
        if self._unreachable.pop(scope, None) is None:
            return
        self._back.set()
        if not self._unreachable:
            _log.info("api_server_reached", server=self._server)
