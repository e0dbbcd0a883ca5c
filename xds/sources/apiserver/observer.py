"""The interface by which a watch tells of its failures and successes."""

from typing import Protocol

from xds.sources.apiserver.scope import Scope


class Observer(Protocol):
    """Hears how a watch fares."""

    def works(self, scope: Scope) -> None:
        """The API server answers the watch."""

    def caught_up(self, scope: Scope) -> None:
        """A resumed watch has received the events it missed."""

    def failed(self, scope: Scope, error: Exception) -> None:
        """The watch tried and failed."""

    def expired(self, scope: Scope, error: Exception) -> None:
        """The watch can't resume, and lists again."""

    async def pause(self, scope: Scope, delay: float) -> bool:
        """Wait before the next try, `delay` seconds at most. Returns whether another watch got through."""
