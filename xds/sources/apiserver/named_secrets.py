"""Of all the Secrets that a watch tells of, those that an Ingress names; of the others nothing is kept, not even that
they exist.

An Ingress may name a Secret that was told of, and dropped, before. So whoever begins to name one has it *looked up*.
Watch and look-up are two streams without a common order, and the later word must win:

- A line of the watch is dropped only when nobody names its Secret. Whoever names it later looks it up after that, and
  the answer is never older than what the API server had when it was asked (it has no resourceVersion, so it is
  consistent). So nothing is missed.
- Of a Secret that is being looked up, the watch may say something meanwhile. The answer counts only if its version is
  higher than that of the last such event, be it the end of the Secret.
- Once the answer counts, events of the watch up to its version say nothing new, since a watch may lag behind. Nor do
  lists that began before it: they can't tell that the Secret has vanished.

The versions of one kind can be compared as numbers:
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions (before Kubernetes 1.35 the API didn't
promise it, and etcd's revisions were all there is). They may go back when etcd is restored from a backup; a list that
begins later forgets them.
"""

from collections import Counter
from collections.abc import Iterable

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, Secret
from xds.kube.references import references
from xds.kube.wire import Found, Gone, Page
from xds.problems.problem import Key
from xds.sources.apiserver.tracker import ObjectTracker


class NamedSecrets(ObjectTracker):
    """What one watch of Secrets has told of those that are named.

    Args:
        always: Is named without an Ingress: the Secret of `--default-tls-secret`, say.
    """

    def __init__(self, always: Iterable[Key] = ()) -> None:
        super().__init__(Secret)
        self._always = frozenset(always)
        self._named: Counter[Key] = Counter(self._always)
        self._by_ingress: dict[Key, frozenset[Key]] = {}
        self._asked: dict[Key, int] = {}
        self._answered: dict[Key, int] = {}
        self._asked_before_list: set[Key] = set()

    # Who names what.

    def name(self, changes: Iterable[Change]) -> list[Key]:
        """These changes of Ingresses are to come: what they name is kept from now on. Returns what must be looked up
        before they may count.
        """
        begun = []
        for ingress, secrets in _naming(changes).items():
            for key in secrets - self._by_ingress.get(ingress, frozenset()):
                if not self._named[key]:
                    begun.append(key)
                self._named[key] += 1
            self._by_ingress[ingress] = self._by_ingress.get(ingress, frozenset()) | secrets
        return begun

    def release(self, changes: Iterable[Change]) -> list[Change]:
        """These changes of Ingresses, which `name` was told of, have been made. What to say of the Secrets that nobody
        names any more.
        """
        said: list[Change] = []
        for ingress, secrets in _naming(changes).items():
            for key in self._by_ingress.pop(ingress, frozenset()) - secrets:
                said += self._unname(key)
            if secrets:
                self._by_ingress[ingress] = secrets
        return said

    def _unname(self, key: Key) -> list[Change]:
        self._named[key] -= 1
        if self._named[key]:
            return []
        del self._named[key]
        self.forget([key])
        self._answered.pop(key, None)
        return self._gone(key)

    # What is looked up.

    def ask(self, keys: Iterable[Key]) -> None:
        """They are about to be looked up."""
        self._asked.update(dict.fromkeys(keys, 0))

    def forget(self, keys: Iterable[Key]) -> None:
        """The look-up came to nothing."""
        for key in keys:
            self._asked.pop(key, None)
            self._asked_before_list.discard(key)

    def answer(self, key: Key, page: Page) -> list[Change]:
        """What the look-up found, which is at most one Secret, and what that changes."""
        said, version = self._asked.get(key), _number(page.version)
        self.forget([key])
        if said is None or said >= version:
            return []
        self._answered[key] = version
        if not any(each.key == key for each in page.items):
            return self._gone(key)
        found = [each for each in page.items if each.key == key and each.version != self._versions.get(key)]
        return [change for each in found for change in self._found(each)]

    # What the watch says.

    def begin_list(self) -> None:
        super().begin_list()
        self._answered.clear()
        self._asked_before_list = set(self._asked)

    def take(self, event: Found | Gone) -> list[Change]:
        return super().take(event) if self._counts(event) else []

    def end_list(self, version: str) -> list[Change]:
        if self._list is not None:
            self._list.found = {key: each for key, each in self._list.found.items() if self._counts(each)}
            # An answer that is still to come must be newer than the list, if that would have told of the Secret.
            for key in self._asked.keys() & (self._asked_before_list | self._list.versions.keys()):
                self._asked[key] = max(self._asked[key], _number(version))
        return super().end_list(version)

    def _vanished(self, listed: dict[Key, str]) -> list[Key]:
        return [key for key in super()._vanished(listed) if key not in self._answered]

    def _counts(self, event: Found | Gone) -> bool:
        """Is it of a Secret that is named, and news?"""
        key = event.key
        if key not in self._named:
            return False
        if key in self._asked and self._list is None:
            self._asked[key] = max(self._asked[key], _number(event.version))
        return key not in self._answered or _number(event.version) > self._answered[key]


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _naming(changes: Iterable[Change]) -> dict[Key, frozenset[Key]]:
    """Which Secrets each Ingress names after the changes, of those that are said."""
    after: dict[Key, frozenset[Key]] = {}
    for change in changes:
        if isinstance(change, Applied) and isinstance(change.object, Ingress):
            after[change.object.key] = references(change.object).secrets
        elif isinstance(change, Deleted):
            after[change.key] = frozenset()
    return after
