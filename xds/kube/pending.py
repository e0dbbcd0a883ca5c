"""Pending changes: those not yet worked on. A newer change of an object replaces an older one."""

from collections import OrderedDict
from collections.abc import Sequence, Set

from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.delayed_deletions import DelayedDeletions, Pending, Subject
from xds.kube.objects import EndpointSlice, Service
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef


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
    """Two queues: `endpoints` overtakes `routing`. Deletions may wait before they join a queue: see `DelayedDeletions`.

    An EndpointSlice read together with a change of its Service joins `routing`: one step of the user must not reach
    proxies as two.

    Args:
        state: The objects as worked on.
        deletion_grace_seconds: How long deletions wait; 0: none waits.
    """

    def __init__(self, state: KubeState, deletion_grace_seconds: float) -> None:
        self.endpoints = ChangeQueue()
        self.routing = ChangeQueue()
        self._state = state
        self._deletions = DelayedDeletions(deletion_grace_seconds, state.all_ingresses.get, state.service_of_slice)

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.routing)

    @property
    def deletions_due_at(self) -> float:
        """When the next deletion that waits joins a queue, in seconds of the batches' clock; infinite: none waits."""
        return self._deletions.due_at

    def take_created_again(self) -> Set[ObjectRef]:
        """Objects, since the last call, that were created again while their deletion waited."""
        taken = self._deletions.created_again
        if taken:
            self._deletions.created_again = set()
        return taken

    def put(self, batch: Batch) -> None:
        changes = [(_subject(change), change) for change in batch.changes]
        self._put(self._deletions.take(changes, batch.read_at), batch.read_at)

    def put_due_deletions(self, now: float) -> None:
        """Let the deletions that have waited long enough join a queue."""
        for changes in self._deletions.take_due(now):
            self._put(changes, now)

    def _put(self, changes: Sequence[Pending], read_at: float) -> None:
        services = {subject[1] for subject, _ in changes if subject[0] is Service}
        for subject, change in changes:
            if subject[0] is not EndpointSlice or (services and self._owner(change, subject[1]) in services):
                self.endpoints.drop(subject)
                self.routing.put(subject, change, read_at)
            else:
                self.routing.drop(subject)
                self.endpoints.put(subject, change, read_at)

    def _owner(self, change: Change, key: Key) -> Key | None:
        if isinstance(change, Applied) and isinstance(change.object, EndpointSlice):
            return change.object.service
        return self._state.service_of_slice(key)


def _subject(change: Change) -> Subject:
    if isinstance(change, Applied):
        return type(change.object), change.object.key
    if isinstance(change, Deleted):
        return change.kind, change.key
    return type(change), change.kind if isinstance(change, Listed) else None
