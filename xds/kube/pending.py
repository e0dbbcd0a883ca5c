"""Changes that wait to be taken in. Of each object the last one counts, so they are as many as there are objects."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.objects import EndpointSlice, Service
from xds.problems.problem import Key

Name: TypeAlias = tuple[type, Any]
"""Of what a change is about: two of the same name replace each other. Of an object, its kind and key."""

ServiceOf: TypeAlias = Callable[[Key], Key | None]
"""Whose endpoints the EndpointSlice of a name holds, as far as is known."""


class ChangeQueue:
    """A queue of changes. `read_at` is when the oldest was read, in seconds of the batches' clock."""

    def __init__(self) -> None:
        self._changes: OrderedDict[Name, Change] = OrderedDict()
        self.read_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._changes)

    def put(self, name: Name, change: Change, read_at: float) -> None:
        if not self._changes:
            self.read_at = read_at
        self._changes[name] = change

    def drop(self, name: Name) -> None:
        """Something newer is known of it."""
        self._changes.pop(name, None)

    def pop(self) -> Change:
        """The first in the queue, which must not be empty."""
        return self._changes.popitem(last=False)[1]


class PendingChanges:
    """Two lanes: `endpoints` may overtake `routing`.

    EndpointSlices that were read together with a change of their own Service go with it: routing that is made of one
    step must not come in two.
    """

    def __init__(self, service_of: ServiceOf) -> None:
        self.endpoints = ChangeQueue()
        self.routing = ChangeQueue()
        self._service_of = service_of

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.routing)

    def put(self, batch: Batch) -> None:
        named = [(_name(change), change) for change in batch.changes]
        services = {name[1] for name, _ in named if name[0] is Service}
        for name, change in named:
            if name[0] is not EndpointSlice or (services and self._owner(change, name[1]) in services):
                self.endpoints.drop(name)
                self.routing.put(name, change, batch.read_at)
            else:
                self.routing.drop(name)
                self.endpoints.put(name, change, batch.read_at)

    def _owner(self, change: Change, key: Key) -> Key | None:
        if isinstance(change, Applied) and isinstance(change.object, EndpointSlice):
            return change.object.service
        return self._service_of(key)


def _name(change: Change) -> Name:
    if isinstance(change, Applied):
        return type(change.object), change.object.key
    if isinstance(change, Deleted):
        return change.kind, change.key
    return type(change), change.kind if isinstance(change, Listed) else None
