"""The objects of a watch, and the changes that follow from further events.

A list is one step: its objects stay out of sight until the list is complete, and only a complete list tells which
objects vanished. So a list that breaks off changes nothing.

Objects are compared by content: after etcd was restored from an older copy, a resourceVersion comes a second time, with
other content. The objects are those that `KubeState` holds too, so keeping them here costs no memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject
from xds.kube.wire import Found, Gone
from xds.problems.problem import Key, Problem


@dataclass(slots=True)
class _List:
    """A list under way.

    Attributes:
        keys: Every object listed so far.
        found: The objects that are new or differ from the tracked version.
    """

    keys: set[Key] = field(default_factory=set)
    found: dict[Key, Found] = field(default_factory=dict)


class ObjectTracker:
    """Tracks the objects of a scope.

    Attributes:
        problems: Of objects that can't be decoded. Such an object stays applied as it was last: the last good version.
    """

    def __init__(self, kind: type[KubeObject]) -> None:
        self.kind = kind
        self.problems: dict[Key, Problem] = {}
        self._objects: dict[Key, KubeObject | None] = {}  # None: no version could be decoded
        self._list: _List | None = None

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def objects(self) -> Iterable[KubeObject]:
        """Return the last good version of each object."""
        return filter(None, self._objects.values())

    def begin_list(self) -> None:
        """Take the following events as a list from its start."""
        self._list = _List()

    def apply(self, event: Found | Gone) -> list[Change]:
        """Return the changes that the event makes: none within a list."""
        if self._list is not None:
            self._note(event, self._list)
            return []
        return self._found(event) if isinstance(event, Found) else self._gone(event.key)

    def end_list(self, version: str) -> list[Change]:  # noqa: ARG002 -- a subclass needs it
        """Complete the list of this version, and return the changes."""
        if self._list is None:
            return []
        ended, self._list = self._list, None
        changes: list[Change] = []
        for each in ended.found.values():
            changes += self._found(each)
        for key in self._vanished(ended.keys):
            changes += self._gone(key)
        return changes

    def replace(self, new: KubeObject) -> list[Change]:
        """Track an object that no event brought, in place of the last good version. Returns the change, if any."""
        if self._objects.get(new.key) == new:
            return []
        self._objects[new.key] = new
        return [Applied(new)]

    def _vanished(self, listed: set[Key]) -> list[Key]:
        return [key for key in self._objects if key not in listed]

    def _note(self, event: Found | Gone, listing: _List) -> None:
        """Put the event into the list. In a streamed list, events of the watch may come before the end of the list."""
        if isinstance(event, Gone):
            listing.keys.discard(event.key)
            listing.found.pop(event.key, None)
            return
        listing.keys.add(event.key)
        if event.key not in self.problems and self._objects.get(event.key) == event.result:
            listing.found.pop(event.key, None)
        else:
            listing.found[event.key] = event

    def _found(self, event: Found) -> list[Change]:
        key = event.key
        if isinstance(event.result, Problem):
            self.problems[key] = event.result
            self._objects.setdefault(key, None)
            return []
        self.problems.pop(key, None)
        if self._objects.get(key) == event.result:
            return []
        self._objects[key] = event.result
        return [Applied(event.result)]

    def _gone(self, key: Key) -> list[Change]:
        self.problems.pop(key, None)
        return [Deleted(self.kind, key)] if self._objects.pop(key, None) is not None else []
