"""Pending changes: those not yet worked on. A newer change of an object replaces an older one."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.objects import EndpointSlice, Service
from xds.problems.problem import Key

Subject: TypeAlias = tuple[type, Any]
"""The subject of a change: kind and key of an object. Changes of the same subject replace each other."""

ServiceOf: TypeAlias = Callable[[Key], Key | None]
"""Returns the Service of an EndpointSlice; None for an unknown slice."""


class ChangeQueue:
    """A queue with one change for each subject.

    Attributes:
        read_at: The time at which the oldest change was read, in seconds of the batches' clock.
    """

    def __init__(self) -> None:
        self._changes: OrderedDict[Subject, Change] = OrderedDict()
        self.read_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._changes)

    def put(self, subject: Subject, change: Change, read_at: float) -> None:
        if not self._changes:
            self.read_at = read_at
        self._changes[subject] = change

    def drop(self, subject: Subject) -> None:
        """Remove the change of the subject, if any."""
        self._changes.pop(subject, None)

    def pop(self) -> Change:
        """Remove and return the oldest change of a queue that is not empty."""
        return self._changes.popitem(last=False)[1]


class PendingChanges:
    """Two queues: `endpoints` overtakes `routing`.

    An EndpointSlice read together with a change of its Service joins `routing`: one step of the user must not reach
    proxies as two.
    """

    def __init__(self, service_of: ServiceOf) -> None:
        self.endpoints = ChangeQueue()
        self.routing = ChangeQueue()
        self._service_of = service_of

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.routing)

    def put(self, batch: Batch) -> None:
        changes = [(_subject(change), change) for change in batch.changes]
        services = {subject[1] for subject, _ in changes if subject[0] is Service}
        for subject, change in changes:
            if subject[0] is not EndpointSlice or (services and self._owner(change, subject[1]) in services):
                self.endpoints.drop(subject)
                self.routing.put(subject, change, batch.read_at)
            else:
                self.routing.drop(subject)
                self.endpoints.put(subject, change, batch.read_at)

    def _owner(self, change: Change, key: Key) -> Key | None:
        if isinstance(change, Applied) and isinstance(change.object, EndpointSlice):
            return change.object.service
        return self._service_of(key)


def _subject(change: Change) -> Subject:
    if isinstance(change, Applied):
        return type(change.object), change.object.key
    if isinstance(change, Deleted):
        return change.kind, change.key
    return type(change), change.kind if isinstance(change, Listed) else None
