"""What one watch knows of its objects: which exist and in which version, but not what they are.

It turns what the API server says into changes. A list is one step: nothing of it shows until it is complete, and only
then may an object be said to be gone. So a list that breaks off changes nothing.
"""

from dataclasses import dataclass, field

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject
from xds.kube.wire import Found, Gone
from xds.problems.problem import Key, Problem


@dataclass(slots=True)
class _List:
    """What a list has said so far. `found` is only what is new or other than it was."""

    versions: dict[Key, str] = field(default_factory=dict)
    found: dict[Key, Found] = field(default_factory=dict)


class ObjectTracker:
    """Of the objects of one kind, in one namespace or in all of them.

    `problems` are of those that can't be decoded. Whoever was applied before stays as it was: the last good version.
    """

    def __init__(self, kind: type[KubeObject]) -> None:
        self.kind = kind
        self.problems: dict[Key, Problem] = {}
        self._versions: dict[Key, str] = {}
        self._never_good: set[Key] = set()
        self._list: _List | None = None

    def __len__(self) -> int:
        return len(self._versions)

    def begin_list(self) -> None:
        """What follows is a list, from its start."""
        self._list = _List()

    def take(self, event: Found | Gone) -> list[Change]:
        """What the event changes; within a list nothing does."""
        if self._list is not None:
            self._note(event, self._list)
            return []
        return self._found(event) if isinstance(event, Found) else self._gone(event.key)

    def end_list(self, version: str) -> list[Change]:  # noqa: ARG002 -- for those who need it
        """The list is complete, as of that version. What it changes."""
        if self._list is None:
            return []
        ended, self._list = self._list, None
        changes: list[Change] = []
        for each in ended.found.values():
            changes += self._found(each)
        for key in self._vanished(ended.versions):
            changes += self._gone(key)
        return changes

    def _vanished(self, listed: dict[Key, str]) -> list[Key]:
        return [key for key in self._versions if key not in listed]

    def _note(self, event: Found | Gone, listing: _List) -> None:
        """Events of a watch may come before its list is complete."""
        if isinstance(event, Gone):
            listing.versions.pop(event.key, None)
            listing.found.pop(event.key, None)
            return
        listing.versions[event.key] = event.version
        if self._versions.get(event.key) == event.version != "":
            listing.found.pop(event.key, None)
        else:
            listing.found[event.key] = event

    def _found(self, event: Found) -> list[Change]:
        key = event.key
        is_new = key not in self._versions
        self._versions[key] = event.version
        if isinstance(event.what, Problem):
            self.problems[key] = event.what
            self._never_good |= {key} if is_new else set()
            return []
        self.problems.pop(key, None)
        self._never_good.discard(key)
        return [Applied(event.what)]

    def _gone(self, key: Key) -> list[Change]:
        self.problems.pop(key, None)
        was_applied = self._versions.pop(key, None) is not None and key not in self._never_good
        self._never_good.discard(key)
        return [Deleted(self.kind, key)] if was_applied else []
