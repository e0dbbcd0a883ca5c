"""Problems and their solution as Kubernetes Events: which are to be written, and when.

An Event stands for one thing to say of one object (reason and message), however often and wherever in the object it
shows. Its name follows from that, so whoever writes it, in whichever life, writes the same one, and a second time is
a higher count in its series. What isn't written yet is known as what the newest Event is to say: a problem that comes
and goes meanwhile leaves nothing.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from math import inf
from typing import Any, Final

from xds.kube.objects import KINDS_BY_NAME
from xds.problems.problem import ObjectRef, Problem

CONTROLLER: Final = "xds-ingress.dev/controller"
"""`reportingController`, by which our Events are found again."""

SOLVED: Final = "Resolved"
"""The reason of a recovery."""

EVENTS_OF_CLUSTER: Final = "default"
"""The namespace of Events of objects without one.
https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go
"""

NOTE_LIMIT: Final = 1024
"""Bytes. https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go"""

MAX_PENDING: Final = 10_000
"""Events that wait to be written; what is beyond is noticed again by `remind`."""

KEEP: Final = 3600.0
"""Seconds for which the API server keeps an Event (--event-ttl), and so, what was solved before isn't known."""

REMIND: Final = KEEP / 2

# An object may say 10 things at once, then one in 30 s; all of them together 50, then 10 in a second.
OBJECT_BURST: Final = 10
OBJECT_INTERVAL: Final = 30.0
BURST: Final = 50
INTERVAL: Final = 0.1


@dataclass(frozen=True, slots=True)
class EventKey:
    """What an Event is about. `name` is its own; `uid` is the object's, empty if that isn't known."""

    name: str
    object: ObjectRef
    uid: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Written:
    """What was said last of a topic, and when (seconds)."""

    solved: bool
    at: float


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """One Event to write: a problem, or that it is solved."""

    topic: EventKey
    solved: bool

    @property
    def name(self) -> str:
        return f"{self.topic.name}.solved" if self.solved else self.topic.name

    @property
    def namespace(self) -> str:
        """That of the object, if it has one."""
        return self.topic.object.namespace or EVENTS_OF_CLUSTER


def topic_of(problem: Problem, uid: str) -> EventKey:
    about = problem.object
    digest = blake2b(digest_size=8)
    for text in (about.kind, uid, problem.reason, problem.message):
        digest.update(text.encode() + b"\0")
    note = clipped(f"{problem.message.rstrip('.')}. {problem.remedy}".strip())
    return EventKey(f"{about.name[:200].rstrip('.-')}.{digest.hexdigest()}", about, uid, problem.reason, note)


def clipped(note: str) -> str:
    """The note, as long as an Event's may be."""
    encoded = note.encode()
    if len(encoded) <= NOTE_LIMIT:
        return note
    return encoded[: NOTE_LIMIT - 3].decode(errors="ignore") + "…"


def manifest(saying: PendingEvent, instance: str, at: str) -> dict[str, Any]:
    """The Event as it is created. `at` is a MicroTime."""
    topic, about = saying.topic, saying.topic.object
    kind = KINDS_BY_NAME.get(about.kind)
    regarding = {"kind": about.kind, "apiVersion": kind.api_version if kind else "", "name": about.name}
    regarding |= {"namespace": about.namespace} if about.namespace else {}
    regarding |= {"uid": topic.uid} if topic.uid else {}
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": saying.name, "namespace": saying.namespace},
        "eventTime": at,
        "type": "Normal" if saying.solved else "Warning",
        "reason": SOLVED if saying.solved else topic.reason,
        "note": clipped(f"{topic.reason} is solved. It was: {topic.note}") if saying.solved else topic.note,
        "action": "Translate",
        "regarding": regarding,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
    }


def again(found: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A merge patch for an Event that is there already: it happened once more."""
    count = int((found.get("series") or {}).get("count") or 1)
    return {"series": {"count": count + 1, "lastObservedTime": at}}


@dataclass(frozen=True, slots=True)
class Existing:
    """An Event of ours that was there before. `at` is when it last happened, in seconds of our clock."""

    topic: EventKey
    solved: bool
    at: float

    @classmethod
    def parse(cls, found: Mapping[str, Any], at: float) -> "Existing":
        regarding = found.get("regarding") or {}
        about = ObjectRef(regarding.get("kind", ""), regarding.get("namespace", ""), regarding.get("name", ""))
        name = found["metadata"]["name"]
        topic = EventKey(
            name.removesuffix(".solved"),
            about,
            regarding.get("uid", ""),
            found.get("reason", ""),
            found.get("note", ""),
        )
        return cls(topic, found.get("reason") == SOLVED, at)


class Bucket:
    """Lets `burst` through at once, and then one each `interval` seconds."""

    def __init__(self, burst: int, interval: float) -> None:
        self._slack = (burst - 1) * interval
        self._interval = interval
        self._full_at = -inf

    def open_at(self) -> float:
        """When it lets the next one through."""
        return self._full_at - self._slack

    def take(self, now: float) -> None:
        self._full_at = max(self._full_at, now) + self._interval

    def is_full(self, now: float) -> bool:
        """Is it as good as new?"""
        return self._full_at <= now


class EventQueue:
    """Decides which Event is written next. Bounded, whatever comes.

    Args:
        uid: Of an object that exists, "" if that isn't known; None if there is no such object: nothing is said of it.
    """

    def __init__(self, uid: Callable[[ObjectRef], str | None]) -> None:
        self.dropped = 0
        """How many times there was no room."""
        self._uid = uid
        self._topics: dict[Problem, EventKey] = {}
        self._standing: Counter[str] = Counter()
        self._told: dict[str, Written] = {}
        self._pending: dict[ObjectRef, dict[str, EventKey]] = {}
        self._size = 0
        self._buckets: dict[ObjectRef, Bucket] = {}
        self._all = Bucket(BURST, INTERVAL)
        self._queue: list[tuple[float, int, ObjectRef]] = []
        self._serial = 0

    def __len__(self) -> int:
        """How many wait to be written."""
        return self._size

    def adopt(self, existing: Iterable[Existing], problems: Iterable[Problem]) -> None:
        """Begin with the problems there are, and with what was said before.

        What was said to be a problem and is none any more is solved.
        """
        found: dict[str, Existing] = {}
        for each in existing:
            before = found.setdefault(each.topic.name, each)
            if each.at >= before.at and each is not before:
                found[each.topic.name] = each
        self._told = {name: Written(each.solved, each.at) for name, each in found.items()}
        self.take(problems, ())
        for each in found.values():
            if not each.solved:
                self._consider(each.topic)

    def take(self, appeared: Iterable[Problem], solved: Iterable[Problem]) -> None:
        """These came, these went."""
        topics = [topic for problem in appeared if (topic := self._appeared(problem))]
        topics += [topic for problem in solved if (topic := self._gone(problem))]
        for topic in topics:
            self._consider(topic)

    def remind(self, now: float) -> None:
        """Say again what still stands and would soon be forgotten, and what there was no room for."""
        for topic in self._topics.values():
            told = self._told.get(topic.name)
            if told and not told.solved and told.at + REMIND < now:
                del self._told[topic.name]
            self._consider(topic)
        standing = {topic.name for topic in self._topics.values()}
        self._told = {name: told for name, told in self._told.items() if name in standing or told.at + KEEP > now}
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.is_full(now)}

    def due(self) -> float:
        """When there is something to write (seconds): never, if it is infinite."""
        return max(self._queue[0][0], self._all.open_at()) if self._queue else inf

    def next(self, now: float) -> PendingEvent | None:
        """What to write now. It counts as said: see `failed`."""
        while self._queue and self.due() <= now:
            _, _, about = heappop(self._queue)
            saying = self._pop(about)
            if saying is not None:
                self._count(about, now)
            self._enqueue(about)
            if saying is not None:
                self._told[saying.topic.name] = Written(saying.solved, now)
                return saying
        return None

    def failed(self, saying: PendingEvent, now: float) -> None:
        """It was not written, and is to be tried again."""
        self._told.pop(saying.topic.name, None)
        if saying.solved:
            self._told[saying.topic.name] = Written(solved=False, at=now)
        self._consider(saying.topic)

    def _appeared(self, problem: Problem) -> EventKey | None:
        uid = self._uid(problem.object)
        if uid is None or problem in self._topics:
            return None
        topic = self._topics[problem] = topic_of(problem, uid)
        self._standing[topic.name] += 1
        return topic

    def _gone(self, problem: Problem) -> EventKey | None:
        topic = self._topics.pop(problem, None)
        if topic is None:
            return None
        self._standing[topic.name] -= 1
        if not self._standing[topic.name]:
            del self._standing[topic.name]
        return topic

    def _consider(self, topic: EventKey) -> None:
        """Is there something to say of it?"""
        waiting = self._pending.get(topic.object, {})
        if not self._is_news(topic):
            if waiting.pop(topic.name, None):
                self._size -= 1
        elif topic.name not in waiting:
            self._wait(topic)

    def _is_news(self, topic: EventKey) -> bool:
        told = self._told.get(topic.name)
        if topic.name in self._standing:
            return told is None or told.solved
        return told is not None and not told.solved and self._uid(topic.object) == topic.uid

    def _wait(self, topic: EventKey) -> None:
        if self._size >= MAX_PENDING:
            self.dropped += 1
            return
        self._size += 1
        waiting = self._pending.get(topic.object)
        if waiting is None:
            self._pending[topic.object] = {topic.name: topic}
            self._enqueue(topic.object)
        else:
            waiting[topic.name] = topic

    def _pop(self, about: ObjectRef) -> PendingEvent | None:
        """The next thing to say of an object."""
        waiting = self._pending[about]
        while waiting:
            topic = waiting.pop(next(iter(waiting)))
            self._size -= 1
            if self._is_news(topic):
                return PendingEvent(topic, solved=topic.name not in self._standing)
        return None

    def _enqueue(self, about: ObjectRef) -> None:
        if not self._pending[about]:
            del self._pending[about]
            return
        bucket = self._buckets.get(about)
        self._serial += 1
        heappush(self._queue, (bucket.open_at() if bucket else -inf, self._serial, about))

    def _count(self, about: ObjectRef, now: float) -> None:
        self._all.take(now)
        self._buckets.setdefault(about, Bucket(OBJECT_BURST, OBJECT_INTERVAL)).take(now)
