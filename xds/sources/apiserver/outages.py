"""Outages of an API server as its watches meet them: a log line at the start and the end, and problems in between."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import structlog

from xds.kube.gateway_objects import GatewayClass
from xds.kube.objects import KubeObject
from xds.kubeapi.client import ErrorStatus
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.apiserver.scope import Scope

EFFECT: Final = "objects read before stay in use; changes are followed again after the outage"

_REMEDIES: Final = {
    401: "renew the credentials; each try reads them again",
    404: "use an API server of Kubernetes 1.21 or newer",
}

BEHIND_PROBLEM_SECONDS: Final = 10.0
"""A watch that is behind for so long is a problem. A watch that lists again is behind for a moment."""

UNREACHABLE_PROBLEM_SECONDS: Final = 3.0
"""An API server without an answer for so long is a problem. A dropped connection is made anew within milliseconds."""

REJECTIONS: Final = (400, 401, 403, 404, 405)
"""Statuses that don't pass by themselves, so that the problem is reported at once."""

_log = structlog.get_logger()


class Outages:
    """Keeps which watches fail, and why.

    Args:
        server: The API server, for people.
        caught_up: Is called when a watch has caught up.
        changed: Is called when `problems` has changed.

    Attributes:
        behind: Watches that failed and haven't yet received the events they missed.
        since: Since when each of these is behind, in seconds of Unix time.
        problems: Of the API server and its watches.
    """

    def __init__(self, server: str, caught_up: Callable[[], None], changed: Callable[[], None] = lambda: None) -> None:
        self.behind: set[Scope] = set()
        self.since: dict[Scope, float] = {}
        self.problems: tuple[Problem, ...] = ()
        self._server = server
        self._on_caught_up = caught_up
        self._on_changed = changed
        self._outage = ""
        self._outage_lasts = False
        self._outage_timer: asyncio.TimerHandle | None = None
        self._tolerated: set[Scope] = set()
        self._excused: set[Scope] = set()
        self._late: set[Scope] = set()
        self._timers: dict[Scope, asyncio.TimerHandle] = {}
        self._unreachable: dict[Scope, str] = {}
        self._rejected: dict[Scope, ErrorStatus] = {}
        self._back = asyncio.Event()

    def why(self, scope: Scope) -> str:
        """Why the watch fails; empty for a watch that works."""
        return self._unreachable.get(scope) or str(self._rejected.get(scope, ""))

    def failed(self, scope: Scope, error: Exception) -> None:
        """Note that the watch tried and failed."""
        self._fell_behind(scope)
        if isinstance(error, ErrorStatus):
            self._was_rejected(scope, error)
            self._update()
            return
        self._back.clear()
        if not self._unreachable:
            self._outage = str(error)
            remedy = Reason.API_SERVER_UNREACHABLE.remedy
            _log.warning("api_server_unreachable", server=self._server, error=str(error), effect=EFFECT, remedy=remedy)
            timer = asyncio.get_running_loop().call_later(UNREACHABLE_PROBLEM_SECONDS, self._outage_goes_on)
            self._outage_timer = timer
        self._unreachable[scope] = str(error)
        self._update()

    def tolerate(self, scope: Scope) -> None:
        """Report no problem of a watch that may fail by design, until the watch works."""
        self._tolerated.add(scope)
        self._update()

    def excuse(self, scope: Scope) -> None:
        """Count a watch whose kind a cluster may lack as current. Its problem stays, until the watch works."""
        self._excused.add(scope)
        self._update()

    def begin(self, scope: Scope) -> None:
        """Note that a watch begins while others are followed, and has received nothing yet."""
        self._fell_behind(scope)

    def forget(self, scope: Scope) -> None:
        """Note that a watch has ended for good."""
        self._reached(scope)
        self._rejected.pop(scope, None)
        self.caught_up(scope)

    def expired(self, scope: Scope, error: Exception) -> None:
        """Note that the watch can't resume, and lists again."""
        self._fell_behind(scope)
        self._reached(scope)
        _log.info("listing_again", watch=str(scope), reason=str(error))

    def works(self, scope: Scope) -> None:
        """Note that the API server answers the watch."""
        if self._rejected.pop(scope, None):
            _log.info("watch_accepted", watch=str(scope))
            self._update()
        self._reached(scope)

    def caught_up(self, scope: Scope) -> None:
        """Note that the watch has received the events it missed."""
        if scope in self.behind:
            self.behind.discard(scope)
            del self.since[scope]
            self._late.discard(scope)
            self._tolerated.discard(scope)
            self._excused.discard(scope)
            self._timers.pop(scope).cancel()
            self._update()
            self._on_caught_up()

    def behind_since(self, kind: type[KubeObject]) -> float:
        """Unix time since which a watch of the kind is behind; 0 if none is."""
        counted = self.since.keys() - self._tolerated - self._excused
        return min((self.since[scope] for scope in counted if scope.kind is kind), default=0.0)

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

    def _fell_behind(self, scope: Scope) -> None:
        if scope not in self.behind:
            self.behind.add(scope)
            self.since[scope] = time.time()
            self._timers[scope] = asyncio.get_running_loop().call_later(BEHIND_PROBLEM_SECONDS, self._is_late, scope)

    def _is_late(self, scope: Scope) -> None:
        self._late.add(scope)
        self._update()

    def _outage_goes_on(self) -> None:
        self._outage_lasts = True
        self._update()

    def _update(self) -> None:
        """Find the problems. Their texts stay the same from try to try."""
        wanted = [self._unreachable_problem()] if self._outage_lasts else []
        no_classes = any(scope.kind is GatewayClass for scope in self._excused)
        for scope in sorted(self.behind - self._tolerated - self._unreachable.keys(), key=str):
            if no_classes and scope in self._excused and scope.kind is not GatewayClass:
                continue  # without classes nothing of the Gateway API is served: one problem is enough
            rejected = self._rejected.get(scope)
            if rejected and rejected.status in REJECTIONS:
                wanted.append(self._problem(scope, Reason.WATCH_REFUSED, rejected))
            elif scope in self._late:
                wanted.append(self._problem(scope, Reason.WATCH_BEHIND, rejected))
        if tuple(wanted) != self.problems:
            self.problems = tuple(wanted)
            self._on_changed()

    def _unreachable_problem(self) -> Problem:
        reason = Reason.API_SERVER_UNREACHABLE
        message = f"The API server can't be reached: {self._outage}. {EFFECT.capitalize()}."
        return Problem(ObjectRef("APIServer", "", self._server), reason, message, reason.remedy)

    def _problem(self, scope: Scope, reason: Reason, answer: ErrorStatus | None) -> Problem:
        why = f"answers {answer}" if answer else "has not sent all that was missed"
        message = f"The API server {self._server} {why}. {EFFECT.capitalize()}."
        remedy = remedy_of(scope, answer) if answer and reason is Reason.WATCH_REFUSED else reason.remedy
        return Problem(ObjectRef("Watch", scope.namespace, scope.resource), reason, message, remedy)

    def _was_rejected(self, scope: Scope, error: ErrorStatus) -> None:
        self._reached(scope)
        before = self._rejected.get(scope)
        if before and before.status == error.status:
            return
        self._rejected[scope] = error
        remedy = remedy_of(scope, error)
        _log.warning("watch_rejected", watch=str(scope), error=str(error), remedy=remedy)

    def _reached(self, scope: Scope) -> None:
        if self._unreachable.pop(scope, None) is None:
            return
        self._back.set()
        if not self._unreachable and self._outage_timer is not None:
            self._outage_timer.cancel()
            self._outage_lasts = False
        self._update()
        if not self._unreachable:
            _log.info("api_server_reached", server=self._server)


def remedy_of(scope: Scope, error: ErrorStatus) -> str:
    """The action after a watch was rejected."""
    return scope.grant(error.message) if error.status == 403 else _REMEDIES.get(error.status, EFFECT)
