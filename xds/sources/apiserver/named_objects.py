"""Objects of a kind that others name, out of a watch of all objects of the kind; no other object leaves a trace.

Most Secrets of a cluster concern nobody here, so keeping them would cost memory and show private keys without need.
But a referrer (an Ingress, a Gateway …) may name an object whose events were dropped before. So an object is *looked
up* when a referrer begins to name it. Watch and look-up are two streams without a common order, and the newer state
must win:

- An event of the watch is dropped only while no referrer names its object. A later look-up answers with a state at
  least as new as the API server had when asked (a list without resourceVersion is consistent). So no event is missed.
- During a look-up, the watch may report the same object. The answer counts only if its version is higher than the
  version of the last such event, including a deletion.
- After the answer, events of the watch up to the answer's version are old: a watch may lag behind. A list that began
  before the answer can't tell that the object vanished.

Versions go back when etcd is restored from an older copy: the watch then lists anew, which clears the versions here.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

from xds.kube.change import Change
from xds.kube.objects import KubeObject
from xds.kube.referrers import after_changes
from xds.kube.wire import Found, Gone, Page, version_number
from xds.problems.problem import Key, ObjectRef
from xds.sources.apiserver.tracker import ObjectTracker

Names: TypeAlias = Callable[[KubeObject], frozenset[Key]]
"""Returns the objects that a referrer names."""


class NamedObjects(ObjectTracker):
    """Tracks the objects of a kind that referrers name.

    Args:
        kind: Of the objects.
        names: Returns the objects of the kind that a referrer names.
        always: Objects to track although no referrer names them, the Secret of `--default-tls-secret` for example.

    Attributes:
        unknown: The named objects about which neither a look-up nor the watch has told anything yet, with the failure
            of the last look-up; empty before any failure.
    """

    def __init__(self, kind: type[KubeObject], names: Names, always: Iterable[Key] = ()) -> None:
        super().__init__(kind)
        self._names = names
        self._named: Counter[Key] = Counter(frozenset(always))
        self._by_referrer: dict[ObjectRef, frozenset[Key]] = {}
        self.unknown: dict[Key, str] = {}
        self._looked_up: dict[Key, int] = {}  # under way, with the version of the last event
        self._answered: dict[Key, int] = {}
        self._asked_before_list: set[Key] = set()

    # Naming

    def expect(self, changes: Iterable[Change]) -> list[Key]:
        """Track the objects that the changed referrers name, in addition to earlier ones.

        Returns:
            The objects to look up before the changes count.
        """
        begun = []
        for referrer, keys in self._naming(changes, self._names).items():
            for key in keys - self._by_referrer.get(referrer, frozenset()):
                if not self._named[key]:
                    begun.append(key)
                self._named[key] += 1
            self._by_referrer[referrer] = self._by_referrer.get(referrer, frozenset()) | keys
        return begun

    def release(self, changes: Iterable[Change]) -> list[Change]:
        """Drop the objects that no referrer names after these changes, which `expect` was given before.

        Returns:
            The deletions of dropped objects.
        """
        deletions: list[Change] = []
        for referrer, keys in self._naming(changes, self._names).items():
            for key in self._by_referrer.pop(referrer, frozenset()) - keys:
                deletions += self._unname(key)
            if keys:
                self._by_referrer[referrer] = keys
        return deletions

    def _unname(self, key: Key) -> list[Change]:
        self._named[key] -= 1
        if self._named[key]:
            return []
        del self._named[key]
        self.cancel_look_up([key])
        self._answered.pop(key, None)
        return self._gone(key)

    @staticmethod
    def _naming(changes: Iterable[Change], names: Names) -> dict[ObjectRef, frozenset[Key]]:
        """Return the objects that each changed referrer names after the changes."""
        return {about: names(each) if each else frozenset() for about, each in after_changes(changes).items()}

    # Look-ups

    def begin_look_up(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._looked_up[key], self.unknown[key] = 0, ""

    def fail_look_up(self, key: Key, why: str) -> None:
        """Note that the look-up failed, and goes on."""
        if key in self.unknown:
            self.unknown[key] = why

    def cancel_look_up(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._looked_up.pop(key, None)
            self.unknown.pop(key, None)
            self._asked_before_list.discard(key)

    def end_look_up(self, key: Key, page: Page) -> list[Change]:
        """Return the changes that the answer makes, a list of at most this object."""
        last_event, version = self._looked_up.get(key), version_number(page.version)
        self.cancel_look_up([key])
        if last_event is None or last_event >= version:
            return []
        self._answered[key] = version
        if not any(each.key == key for each in page.items):
            return self._gone(key)
        return [change for each in page.items if each.key == key for change in self._found(each)]

    # The watch

    def begin_list(self) -> None:
        super().begin_list()
        self._answered.clear()
        self._asked_before_list = set(self._looked_up)

    def apply(self, event: Found | Gone) -> list[Change]:
        return super().apply(event) if self._counts(event) else []

    def end_list(self, version: str) -> list[Change]:
        if self._list is not None:
            self._list.found = {key: each for key, each in self._list.found.items() if self._counts(each)}
            # The list would have shown these objects, so a pending answer must be newer than the list.
            for key in self._looked_up.keys() & (self._asked_before_list | self._list.keys):
                self._looked_up[key] = max(self._looked_up[key], version_number(version))
                self.unknown.pop(key, None)
        return super().end_list(version)

    def _vanished(self, listed: set[Key]) -> list[Key]:
        return [key for key in super()._vanished(listed) if key not in self._answered]

    def _counts(self, event: Found | Gone) -> bool:
        """Whether the event is of a named object, and newer than the last answer."""
        key = event.key
        if key not in self._named:
            return False
        if key in self._looked_up and self._list is None:
            self._looked_up[key] = max(self._looked_up[key], version_number(event.version))
            self.unknown.pop(key, None)
        return key not in self._answered or version_number(event.version) > self._answered[key]
