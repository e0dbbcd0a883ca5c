"""Writes Events, while this process leads: one request at a time, and no more than `events` lets through."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Declined, Outage, check
from xds.kubeapi.paging import every, find
from xds.problems.problem import ObjectRef, Problem
from xds.reporting.event_queue import CONTROLLER, EventQueue, Existing, PendingEvent, again, manifest
from xds.reporting.lease import Leadership, NotLeader, now, timestamp

PORTION: Final = 50
"""News that are looked at at a time: there may be one for each of thousands of Ingresses."""

LOOK_AFTER: Final = 600.0
"""Seconds between two looks at what still stands."""

_GROUP: Final = "/apis/events.k8s.io/v1"
_GRANT: Final = "Give this service account create, patch and list of events in events.k8s.io."

_log = structlog.get_logger()


class EventWriter:
    """
    Args:
        api: What is only read is asked here.
        leadership: What is written goes through it.
        problems: All there are now.
        uid: Of an object that exists, "" if that isn't known; None if there is no such object.
        namespaces: Which have Events of ours; none: any.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        problems: Callable[[], list[Problem]],
        uid: Callable[[ObjectRef], str | None],
        namespaces: Iterable[str] = (),
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._problems = problems
        self._uid = uid
        self._namespaces = tuple(namespaces)
        self._desk: EventQueue | None = None
        self._news: dict[Problem, bool] = {}
        self._outage = Outage("events", _GRANT)
        self._wake = asyncio.Event()

    def note(self, appeared: Iterable[Problem], solved: Iterable[Problem]) -> None:
        """These problems came, these went. Who doesn't lead looks at all there are when that changes."""
        if self._desk is not None:
            for problem in appeared:
                self._hear(problem, appeared=True)
            for problem in solved:
                self._hear(problem, appeared=False)
            self._wake.set()

    async def run(self) -> None:
        """Write what is to be written, for ever. Cancellation ends it at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            try:
                with contextlib.suppress(NotLeader):
                    await self._lead()
            finally:
                self._desk = None
                self._news.clear()

    async def _lead(self) -> None:
        existing = await self._existing()
        self._desk = desk = EventQueue(self._uid)
        desk.adopt(existing, self._problems())
        look_at = now() + LOOK_AFTER
        while self._leadership.is_leader():
            if now() >= look_at:
                look_at = now() + LOOK_AFTER
                _tell_of_dropped(desk)
                desk.remind(now())
            self._wake.clear()
            if self._news:
                self._take_some(desk)
                await asyncio.sleep(0)
            elif saying := desk.next(now()):
                await self._say(saying, desk)
            else:
                await self._rest(min(look_at, desk.due()))

    def _hear(self, problem: Problem, *, appeared: bool) -> None:
        """What came and went before it was looked at is no news."""
        if self._news.get(problem, appeared) is appeared:
            self._news[problem] = appeared
        else:
            del self._news[problem]

    def _take_some(self, desk: EventQueue) -> None:
        for problem in list(itertools.islice(self._news, PORTION)):
            if self._news.pop(problem):
                desk.take([problem], ())
            else:
                desk.take((), [problem])

    async def _rest(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, until - now())):
                await self._wake.wait()

    async def _existing(self) -> list[Existing]:
        """What was said before, perhaps by others."""
        while self._leadership.is_leader():
            try:
                return [each async for each in self._list()]
            except (ApiUnavailable, Declined) as error:
                await asyncio.sleep(self._outage.failed(error))
        raise NotLeader

    async def _list(self) -> AsyncGenerator[Existing, None]:
        for path in [_collection(each) for each in self._namespaces] or [f"{_GROUP}/events"]:
            async for found in every(self._api, path, f"reportingController={CONTROLLER}"):
                yield Existing.parse(found, now() - _age(found))

    async def _say(self, saying: PendingEvent, desk: EventQueue) -> None:
        try:
            await self._write(saying)
        except (ApiUnavailable, Declined) as error:
            desk.failed(saying, now())
            await asyncio.sleep(self._outage.failed(error))
        else:
            self._outage.worked()

    async def _write(self, saying: PendingEvent) -> None:
        body = manifest(saying, self._leadership.identity, timestamp())
        status, found = await self._leadership.write("POST", _collection(saying.namespace), body)
        if status == 409:
            status, found = await self._repeat(saying)
        if _is_ending(status, found):
            return
        check(status, found)
        if not 200 <= status < 300:
            about = str(saying.topic.object)
            _log.warning("event_refused", object=about, status=status, error=found.get("message"))

    async def _repeat(self, saying: PendingEvent) -> tuple[int, dict[str, Any]]:
        """It happened before."""
        collection = _collection(saying.namespace)
        if (found := await find(self._api, collection, saying.name)) is None:
            return 503, {"message": f"the Event {saying.name} expires just now"}
        return await self._leadership.write("PATCH", f"{collection}/{saying.name}", again(found, timestamp()))


def _collection(namespace: str) -> str:
    return f"{_GROUP}/namespaces/{namespace}/events"


def _is_ending(status: int, found: Mapping[str, Any]) -> bool:
    """Its namespace ends, or has ended: nobody will look."""
    causes = (found.get("details") or {}).get("causes") or ()
    return status == 404 or any(each.get("reason") == "NamespaceTerminating" for each in causes)


def _age(found: Mapping[str, Any]) -> float:
    """Seconds since an Event last happened, by the clocks on the wall."""
    last = (found.get("series") or {}).get("lastObservedTime") or found.get("eventTime")
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(last))).total_seconds()
    except ValueError:
        return 0


def _tell_of_dropped(desk: EventQueue) -> None:
    if desk.dropped:
        _log.warning("events_dropped", count=desk.dropped, remedy="`xds problems` has all of them.")
        desk.dropped = 0
