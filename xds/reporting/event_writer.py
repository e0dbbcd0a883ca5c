"""Writes Events while this process leads: one request at a time, at the rate that `EventQueue` allows."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Set
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Outage, TemporaryFailure, check
from xds.kubeapi.paging import find_by_name, list_all
from xds.problems.problem import ObjectRef, Problem
from xds.reporting.event_queue import (
    REPORTING_CONTROLLER,
    EventQueue,
    ExistingEvent,
    PendingEvent,
    event_manifest,
    repetition_patch,
)
from xds.reporting.failed_writes import FailedWrites
from xds.reporting.lease import Leadership, NotLeader, boot_time, timestamp
from xds.reporting.outcome import Outcome, no_writes

PROBLEMS_PER_SLICE: Final = 50
"""Changed problems that are worked on before other tasks run: thousands of Ingresses may change at once."""

REPEAT_CHECK_SECONDS: Final = 600.0
"""Between two checks for Events that are about to expire or were dropped."""

_GROUP_PATH: Final = "/apis/events.k8s.io/v1"
_PERMISSIONS: Final = "Give this service account create, patch and list of events in events.k8s.io."

REJECTED_REMEDY: Final = "`xds problems` shows the problem; correct the policy that the error names, if it does."

_log = structlog.get_logger()


class EventWriter:
    """Keeps the Events of the cluster in step with the problems.

    Args:
        api: For reading.
        leadership: For writing.
        problems: All problems that stand.
        uid: The uid of an object; "" if unknown, None for an object that doesn't exist.
        namespaces: Where Events are written and read; none: in all namespaces.
        controller: `reportingController` of the Events: names the installation.

    Attributes:
        failed_writes: Of Events, by object.
        writes: Number of writes of Events by outcome.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        problems: Callable[[], list[Problem]],
        uid: Callable[[ObjectRef], str | None],
        namespaces: Iterable[str] = (),
        *,
        controller: str = REPORTING_CONTROLLER,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._problems = problems
        self._uid = uid
        self._namespaces = tuple(namespaces)
        self._controller = controller
        self._queue: EventQueue | None = None
        self._changed: dict[Problem, bool] = {}
        self._outage = Outage("events", _PERMISSIONS)
        self.failed_writes: FailedWrites[ObjectRef] = FailedWrites("events", _PERMISSIONS)
        self.writes = no_writes()
        self._wake = asyncio.Event()

    def note(
        self, appeared: Iterable[Problem], solved: Iterable[Problem], created_again: Set[ObjectRef] = frozenset()
    ) -> None:
        """Note problems that appeared or are solved, and objects that were created again with their problems. A replica
        that doesn't lead ignores the call: a new leader starts with all problems.
        """
        if self._queue is not None:
            if created_again:
                self._queue.renew(created_again)
            for problem in appeared:
                self._note_one(problem, appeared=True)
            for problem in solved:
                self._note_one(problem, appeared=False)
            self._wake.set()

    async def run(self) -> None:
        """Write Events, for ever. Cancellation ends the loop at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            try:
                with contextlib.suppress(NotLeader):
                    await self._lead()
            finally:
                self._queue = None
                self.failed_writes.clear()
                self._changed.clear()

    async def _lead(self) -> None:
        existing = await self._existing()
        self._queue = queue = EventQueue(self._uid, self._controller, self._open_at)
        queue.adopt(existing, self._problems())
        repeat_at = boot_time() + REPEAT_CHECK_SECONDS
        while self._leadership.is_leader():
            if boot_time() >= repeat_at:
                repeat_at = boot_time() + REPEAT_CHECK_SECONDS
                if queue.dropped:
                    error = "more problems than Events may be written"
                    remedy = "Nothing to do: `xds problems` lists all problems."
                    _log.warning("events_dropped", count=queue.dropped, error=error, remedy=remedy)
                    queue.dropped = 0
                queue.repeat(boot_time())
            self._wake.clear()
            if self._changed:
                self._update_some(queue)
                await asyncio.sleep(0)
            elif event := queue.pop(boot_time()):
                await self._write_or_retry(event, queue)
            else:
                await self._sleep_until(min(repeat_at, queue.due_at()))

    def _note_one(self, problem: Problem, *, appeared: bool) -> None:
        """Opposite changes of a problem cancel each other."""
        if self._changed.get(problem, appeared) is appeared:
            self._changed[problem] = appeared
        else:
            del self._changed[problem]

    def _update_some(self, queue: EventQueue) -> None:
        for problem in list(itertools.islice(self._changed, PROBLEMS_PER_SLICE)):
            if self._changed.pop(problem):
                queue.update([problem], ())
            else:
                queue.update((), [problem])
        self.failed_writes.forget_unless(queue.has_queued)

    async def _sleep_until(self, due_at: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, due_at - boot_time())):
                await self._wake.wait()

    async def _existing(self) -> list[ExistingEvent]:
        """The Events written before, by any replica.

        Raises:
            NotLeader: the term ended before the API server answered.
        """
        while self._leadership.is_leader():
            try:
                existing = await self._list()
            except (ApiUnavailable, TemporaryFailure) as error:
                await asyncio.sleep(self._outage.failed(error))
            else:
                self._outage.worked()
                return existing
        raise NotLeader

    async def _list(self) -> list[ExistingEvent]:
        """A namespace that is forbidden (403) counts as empty, unless all namespaces are."""
        found: list[ExistingEvent] = []
        forbidden: TemporaryFailure | None = None
        paths = [_collection(each) for each in self._namespaces] or [f"{_GROUP_PATH}/events"]
        read = 0
        for path in paths:
            try:
                found += [each async for each in self._list_of(path)]
                read += 1
            except TemporaryFailure as error:
                if error.status != 403:
                    raise
                _log.warning("events_not_listed", collection=path, error=str(error), remedy=_PERMISSIONS)
                forbidden = error
        if forbidden is not None and not read:
            raise forbidden
        return found

    async def _list_of(self, path: str) -> AsyncGenerator[ExistingEvent, None]:
        async for found in list_all(self._api, path, f"reportingController={self._controller}"):
            yield ExistingEvent.parse(found, boot_time() - _age(found))

    def _open_at(self, about: ObjectRef) -> float:
        return self.failed_writes.due_at(about, about.namespace)

    async def _write_or_retry(self, event: PendingEvent, queue: EventQueue) -> None:
        about = event.key.object
        try:
            await self._write(event)
        except (ApiUnavailable, TemporaryFailure) as error:
            self.writes[Outcome.FAILED] += 1
            self.failed_writes.failed(about, about.namespace, error, boot_time())
            queue.retry(event, boot_time())
        else:
            self.failed_writes.worked(about, about.namespace)

    async def _write(self, event: PendingEvent) -> None:
        body = event_manifest(event, self._leadership.identity, timestamp(), self._controller)
        status, found = await self._leadership.write("POST", _collection(event.namespace), body)
        if status == 409:
            status, found = await self._count_again(event)
        if _is_namespace_gone(status, found):
            return
        check(status, found)
        if 200 <= status < 300:
            self.writes[Outcome.WRITTEN] += 1
        else:
            self.writes[Outcome.REJECTED] += 1
            error = f"{status} {found.get('message', '')}".strip()
            _log.warning("event_rejected", object=str(event.key.object), error=error, remedy=REJECTED_REMEDY)

    async def _count_again(self, event: PendingEvent) -> tuple[int, dict[str, Any]]:
        """Count one more occurrence of an Event that exists already."""
        collection = _collection(event.namespace)
        if (found := await find_by_name(self._api, collection, event.name)) is None:
            return 503, {"message": f"the Event {event.name} expires just now"}
        patch = repetition_patch(found, timestamp())
        return await self._leadership.write("PATCH", f"{collection}/{event.name}", patch)


def _collection(namespace: str) -> str:
    return f"{_GROUP_PATH}/namespaces/{namespace}/events"


def _is_namespace_gone(status: int, found: Mapping[str, Any]) -> bool:
    """Whether the namespace is being deleted or doesn't exist, so that nobody will read the Event."""
    causes = (found.get("details") or {}).get("causes") or ()
    return status == 404 or any(each.get("reason") == "NamespaceTerminating" for each in causes)


def _age(found: Mapping[str, Any]) -> float:
    """Seconds since the last occurrence of an Event, by the wall clock."""
    last = (found.get("series") or {}).get("lastObservedTime") or found.get("eventTime")
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(last))).total_seconds()
    except ValueError:
        return 0
