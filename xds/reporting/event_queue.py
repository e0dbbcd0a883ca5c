"""Problems and their solution as Kubernetes Events: which Event is due, and when.

An Event stands for one reason and message of one object, however often and wherever in the object the problem shows.
The name of the Event follows from these facts, so every replica, in every life, writes the same Event, and a repetition
is a higher count in the series of the Event. A queued Event is written as the problem is at that time: a problem
that appears and is solved in between leaves no Event.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from math import inf
from typing import Any, Final

from xds.kube.kinds import KINDS_BY_NAME
from xds.problems.problem import ObjectRef, Problem

REPORTING_CONTROLLER: Final = "xds-ingress.dev/controller"
"""`reportingController` of Events of an installation for the default class; a field selector finds the Events again."""

RESOLVED: Final = "Resolved"
"""The reason of an Event for a solved problem."""

NAMESPACE_OF_UNNAMESPACED: Final = "default"
"""The namespace of Events about objects without a namespace.
https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go
"""

MAX_NOTE_BYTES: Final = 1024
"""https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go"""

MAX_QUEUED_EVENTS: Final = 10_000
"""Further Events are dropped; the next `repeat` queues Events for problems that still stand."""

EVENT_TTL_SECONDS: Final = 3600.0
"""How long the API server keeps an Event (--event-ttl). Problems solved before are unknown to a new leader."""

REPEAT_AFTER_SECONDS: Final = EVENT_TTL_SECONDS / 2

# An object may have 10 Events at once, then one in 30 s; all objects together 50, then 10 in a second.
OBJECT_BURST: Final = 10
OBJECT_INTERVAL_SECONDS: Final = 30.0
TOTAL_BURST: Final = 50
TOTAL_INTERVAL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class EventKey:
    """The identity of an Event.

    Attributes:
        name: Of the Event about the problem; the Event about the solution has a suffix.
        uid: Of the object; empty if unknown.
        note: The text for users.
    """

    name: str
    object: ObjectRef
    uid: str
    reason: str
    note: str

    @classmethod
    def of(cls, problem: Problem, uid: str, controller: str = REPORTING_CONTROLLER) -> "EventKey":
        about = problem.object
        digest = blake2b(digest_size=8)
        installation = () if controller == REPORTING_CONTROLLER else (controller,)
        for text in (about.kind, uid, problem.reason, problem.message, *installation):
            digest.update(text.encode() + b"\0")
        note = clipped(f"{problem.message.rstrip('.')}. {problem.remedy}".strip())
        return cls(f"{about.name[:200].rstrip('.-')}.{digest.hexdigest()}", about, uid, problem.reason, note)


@dataclass(frozen=True, slots=True)
class Written:
    """The Event written last for a key.

    Attributes:
        at: Seconds of the queue's clock.
    """

    solved: bool
    at: float


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An Event to write, about a problem or about the solution of the problem."""

    key: EventKey
    solved: bool

    @property
    def name(self) -> str:
        return f"{self.key.name}.solved" if self.solved else self.key.name

    @property
    def namespace(self) -> str:
        return self.key.object.namespace or NAMESPACE_OF_UNNAMESPACED


def clipped(note: str) -> str:
    """The note, cut to the length that the API server allows."""
    encoded = note.encode()
    if len(encoded) <= MAX_NOTE_BYTES:
        return note
    return encoded[: MAX_NOTE_BYTES - 3].decode(errors="ignore") + "…"


def event_manifest(
    event: PendingEvent, instance: str, at: str, controller: str = REPORTING_CONTROLLER
) -> dict[str, Any]:
    """The Event as a document.

    Args:
        event: The problem or the solution.
        instance: The replica that writes the Event.
        at: A MicroTime.
        controller: The installation.
    """
    key, about = event.key, event.key.object
    kind = KINDS_BY_NAME.get(about.kind)
    regarding = {"kind": about.kind, "apiVersion": kind.api_version if kind else "", "name": about.name}
    regarding |= {"namespace": about.namespace} if about.namespace else {}
    regarding |= {"uid": key.uid} if key.uid else {}
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": event.namespace},
        "eventTime": at,
        "type": "Normal" if event.solved else "Warning",
        "reason": RESOLVED if event.solved else key.reason,
        "note": clipped(f"{key.reason} is solved. It was: {key.note}") if event.solved else key.note,
        "action": "Translate",
        "regarding": regarding,
        "reportingController": controller,
        "reportingInstance": instance[:128],
    }


def repetition_patch(found: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The merge patch that counts one more occurrence of an existing Event. `at` is a MicroTime."""
    count = int((found.get("series") or {}).get("count") or 1)
    return {"series": {"count": count + 1, "lastObservedTime": at}}


@dataclass(frozen=True, slots=True)
class ExistingEvent:
    """An Event that this process or another replica wrote earlier.

    Attributes:
        at: The last occurrence, in seconds of the queue's clock.
    """

    key: EventKey
    solved: bool
    at: float

    @classmethod
    def parse(cls, found: Mapping[str, Any], at: float) -> "ExistingEvent":
        regarding = found.get("regarding") or {}
        about = ObjectRef(regarding.get("kind", ""), regarding.get("namespace", ""), regarding.get("name", ""))
        name, reason = found["metadata"]["name"].removesuffix(".solved"), found.get("reason", "")
        key = EventKey(name, about, regarding.get("uid", ""), reason, found.get("note", ""))
        return cls(key, reason == RESOLVED, at)


class RateLimit:
    """Allows `burst` Events at once, and then one in each `interval` seconds."""

    def __init__(self, burst: int, interval: float) -> None:
        self._slack = (burst - 1) * interval
        self._interval = interval
        self._unused_at = -inf

    def open_at(self) -> float:
        """When the next Event is allowed."""
        return self._unused_at - self._slack

    def take(self, now: float) -> None:
        self._unused_at = max(self._unused_at, now) + self._interval

    def is_unused(self, now: float) -> bool:
        """Whether the whole burst is available, so that a new limit would behave the same."""
        return self._unused_at <= now


class EventQueue:
    """Decides which Event is written next. Memory is bounded, however many problems there are.

    All times are seconds of one clock, which callers pass in.

    Args:
        uid: The uid of an object; "" if unknown. None for an object that doesn't exist, which gets no Event.
        controller: `reportingController` of the Events.
        open_at: When Events about an object may be tried, after earlier failures.
    """

    def __init__(
        self,
        uid: Callable[[ObjectRef], str | None],
        controller: str = REPORTING_CONTROLLER,
        open_at: Callable[[ObjectRef], float] = lambda _: -inf,
    ) -> None:
        self.dropped = 0
        """Events dropped because the queue was full."""
        self._uid = uid
        self._controller = controller
        self._open_at = open_at
        self._keys: dict[Problem, EventKey] = {}
        self._standing: Counter[str] = Counter()
        self._written: dict[str, Written] = {}
        self._queued: dict[ObjectRef, dict[str, EventKey]] = {}
        self._size = 0
        self._object_limits: dict[ObjectRef, RateLimit] = {}
        self._total_limit = RateLimit(TOTAL_BURST, TOTAL_INTERVAL_SECONDS)
        self._schedule: list[tuple[float, int, ObjectRef]] = []
        self._serial = 0

    def __len__(self) -> int:
        """Number of queued Events."""
        return self._size

    def adopt(self, existing: Iterable[ExistingEvent], problems: Iterable[Problem]) -> None:
        """Start with the Events that exist and the problems that stand.

        An existing Event about a problem that no longer stands leads to an Event about the solution.
        """
        newest: dict[str, ExistingEvent] = {}
        for each in existing:
            before = newest.setdefault(each.key.name, each)
            if each.at >= before.at and each is not before:
                newest[each.key.name] = each
        self._written = {name: Written(each.solved, each.at) for name, each in newest.items()}
        self.update(problems, ())
        for each in newest.values():
            if not each.solved:
                self._consider(each.key)

    def update(self, appeared: Iterable[Problem], solved: Iterable[Problem]) -> None:
        """Note problems that appeared and problems that are solved."""
        keys = [key for problem in appeared if (key := self._add(problem))]
        keys += [key for problem in solved if (key := self._remove(problem))]
        for key in keys:
            self._consider(key)

    def renew(self, created_again: Set[ObjectRef]) -> None:
        """Queue the Events of standing problems for objects that were created again, and so have another uid."""
        standing = [problem for problem in self._keys if problem.object in created_again]
        self.update((), standing)
        self.update(standing, ())

    def repeat(self, now: float) -> None:
        """Queue Events again for standing problems whose Event is about to expire or was dropped."""
        for key in self._keys.values():
            written = self._written.get(key.name)
            if written and not written.solved and written.at + REPEAT_AFTER_SECONDS < now:
                del self._written[key.name]
            self._consider(key)
        standing = {key.name for key in self._keys.values()}
        self._written = {
            name: written
            for name, written in self._written.items()
            if name in standing or written.at + EVENT_TTL_SECONDS > now
        }
        limits = self._object_limits.items()
        self._object_limits = {about: limit for about, limit in limits if not limit.is_unused(now)}

    def has_queued(self, about: ObjectRef) -> bool:
        """Whether an Event about the object is queued."""
        return bool(self._queued.get(about))

    def due_at(self) -> float:
        """When the next Event may be written; infinite if no Event is queued."""
        return max(self._schedule[0][0], self._total_limit.open_at()) if self._schedule else inf

    def pop(self, now: float) -> PendingEvent | None:
        """The Event to write now; None if none is due. The Event counts as written unless `retry` is called."""
        while self._schedule and self.due_at() <= now:
            _, _, about = heappop(self._schedule)
            if self._open_at(about) > now:
                self._reschedule(about)
                continue
            event = self._pop_of(about)
            if event is not None:
                self._total_limit.take(now)
                limit = self._object_limits.setdefault(about, RateLimit(OBJECT_BURST, OBJECT_INTERVAL_SECONDS))
                limit.take(now)
            self._reschedule(about)
            if event is not None:
                self._written[event.key.name] = Written(event.solved, now)
                return event
        return None

    def retry(self, event: PendingEvent, now: float) -> None:
        """Queue an Event again that could not be written."""
        self._written.pop(event.key.name, None)
        if event.solved:
            self._written[event.key.name] = Written(solved=False, at=now)
        self._consider(event.key)

    def _add(self, problem: Problem) -> EventKey | None:
        uid = self._uid(problem.object)
        if uid is None or problem in self._keys:
            return None
        key = self._keys[problem] = EventKey.of(problem, uid, self._controller)
        self._standing[key.name] += 1
        return key

    def _remove(self, problem: Problem) -> EventKey | None:
        key = self._keys.pop(problem, None)
        if key is None:
            return None
        self._standing[key.name] -= 1
        if not self._standing[key.name]:
            del self._standing[key.name]
        return key

    def _consider(self, key: EventKey) -> None:
        """Queue an Event of the key, or remove the queued one, as the problem now requires."""
        queued = self._queued.get(key.object, {})
        if not self._is_due(key):
            if queued.pop(key.name, None):
                self._size -= 1
        elif key.name not in queued:
            self._put(key)

    def _is_due(self, key: EventKey) -> bool:
        """Whether the Event written last for the key no longer says the truth."""
        written = self._written.get(key.name)
        if key.name in self._standing:
            return written is None or written.solved
        return written is not None and not written.solved and self._uid(key.object) == key.uid

    def _put(self, key: EventKey) -> None:
        if self._size >= MAX_QUEUED_EVENTS:
            self.dropped += 1
            return
        self._size += 1
        queued = self._queued.get(key.object)
        if queued is None:
            self._queued[key.object] = {key.name: key}
            self._reschedule(key.object)
        else:
            queued[key.name] = key

    def _pop_of(self, about: ObjectRef) -> PendingEvent | None:
        """The next Event about an object."""
        queued = self._queued[about]
        while queued:
            key = queued.pop(next(iter(queued)))
            self._size -= 1
            if self._is_due(key):
                return PendingEvent(key, solved=key.name not in self._standing)
        return None

    def _reschedule(self, about: ObjectRef) -> None:
        if not self._queued[about]:
            del self._queued[about]
            return
        limit = self._object_limits.get(about)
        self._serial += 1
        open_at = max(limit.open_at() if limit else -inf, self._open_at(about))
        heappush(self._schedule, (open_at, self._serial, about))
