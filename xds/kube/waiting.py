"""Changes that wait to be taken in. Of each object the last one counts, so they are as many as there are objects."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias

from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.objects import EndpointSlice, Key, KubeObject, Service

Name: TypeAlias = object
"""Of what a change is about: two of the same name replace each other."""

ServiceOf: TypeAlias = Callable[[Key], Key | None]
"""Whose endpoints the EndpointSlice of a name holds, as far as is known."""


class Lane:
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


class Waiting:
    """Two lanes: `endpoints` may overtake `routing`.

    EndpointSlices that were read together with a change of their own Service go with it: routing that is made of one
    step must not come in two.
    """

    def __init__(self, service_of: ServiceOf) -> None:
        self.endpoints = Lane()
        self.routing = Lane()
        self._service_of = service_of

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.routing)

    def put(self, batch: Batch) -> None:
        services = _services(batch.changes)
        for change in batch.changes:
            name = _name(change)
            key = _slice(change)
            if key is None or (services and self._owner(change, key) in services):
                self.endpoints.drop(name)
                self.routing.put(name, change, batch.read_at)
            else:
                self.routing.drop(name)
                self.endpoints.put(name, change, batch.read_at)

    def _owner(self, change: Change, key: Key) -> Key | None:
        if isinstance(change, Applied) and isinstance(change.object, EndpointSlice):
            return change.object.service
        return self._service_of(key)


def _services(changes: Iterable[Change]) -> set[Key]:
    return {name[1] for name in map(_object, changes) if name and name[0] is Service}


def _name(change: Change) -> Name:
    return _object(change) or ((Listed, change.kind) if isinstance(change, Listed) else type(change))


def _slice(change: Change) -> Key | None:
    """Which EndpointSlice changes; None: something else does."""
    name = _object(change)
    return name[1] if name and name[0] is EndpointSlice else None


def _object(change: Change) -> tuple[type[KubeObject], Key] | None:
    match change:
        case Applied(object=new):
            return type(new), new.key
        case Deleted(kind=kind, key=key):
            return kind, key
        case _:
            return None
