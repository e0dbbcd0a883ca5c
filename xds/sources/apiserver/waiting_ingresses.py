"""Ingresses that wait because they begin to name objects whose state is unknown.

Unknown is not absent. A Secret whose look-up is throttled, refused or unanswered may well exist. An Ingress that begins
to name the Secret stays as it is served until the answer is known: make before break. The same holds for a Service that
isn't known while the watch of Services, or of EndpointSlices, is behind.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import EndpointSlice, Ingress, Secret, Service
from xds.kube.references import references
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An object whose state is unknown.

    Attributes:
        object: The object, or the Service of unknown EndpointSlices.
        field: The Ingress' field that names the object.
        why: The words of the API server, or the failure; empty while the answer isn't overdue.
    """

    object: ObjectRef
    field: FieldPath
    why: str

    def problem(self, ingress: Ingress) -> Problem:
        reason = Reason.SECRET_UNREADABLE if self.object.kind == Secret.kind else Reason.BACKEND_UNREADABLE
        message = f"{self.object} can't be read: {self.why}; the Ingress stays as it was before it named the object"
        return Problem(ingress.ref, reason, message, reason.remedy, self.field)


class WaitingIngresses:
    """The changes of Ingresses that wait.

    Args:
        trackers: Of all watches, kept current by the caller.
        outages: Tells which watches are behind.

    Attributes:
        problems: Of Ingresses whose answers are overdue.
    """

    def __init__(self, trackers: Mapping[Scope, ObjectTracker], outages: Outages) -> None:
        self.problems: dict[Key, Problem] = {}
        self._trackers = trackers
        self._outages = outages
        self._delivered: dict[Key, Ingress] = {}
        self._waiting: dict[Key, Ingress] = {}

    def take(self, changes: Iterable[Change], *, wait: bool) -> list[Change]:
        """Return the changes to deliver now, with earlier changes that waited, and deletions of Secrets out of use.

        Args:
            changes: In order.
            wait: Whether Ingresses may wait: not before every kind is listed, as nothing is served before.
        """
        ready: list[Change] = []
        latest, self._waiting, self.problems = self._waiting, {}, {}
        for change in changes:
            if isinstance(change, Applied) and isinstance(change.object, Ingress):
                latest[change.object.key] = change.object
                continue
            if isinstance(change, Deleted) and change.kind is Ingress:
                latest.pop(change.key, None)
                self._delivered.pop(change.key, None)
            ready.append(change)
        ready += [Applied(each) for each in latest.values() if not (wait and self._waits(each))]
        return [*ready, *self._out_of_use(ready)]

    def _waits(self, ingress: Ingress) -> bool:
        unknown = list(self._unknown(ingress))
        if not unknown:
            return False
        self._waiting[ingress.key] = ingress
        if overdue := next((each for each in unknown if each.why), None):
            self.problems[ingress.key] = overdue.problem(ingress)
        return True

    def _out_of_use(self, delivered: Iterable[Change]) -> list[Change]:
        """Return the deletions of Secrets that no Ingress names after the changes."""
        by_namespace: dict[str, list[Change]] = {}
        for change in delivered:
            if isinstance(change, Applied) and isinstance(change.object, Ingress):
                self._delivered[change.object.key] = change.object
                by_namespace.setdefault(change.object.key.namespace, []).append(change)
            elif isinstance(change, Deleted) and change.kind is Ingress:
                by_namespace.setdefault(change.key.namespace, []).append(change)
        deletions: list[Change] = []
        for scope, tracker in self._trackers.items():
            for namespace, changes in by_namespace.items():
                if isinstance(tracker, NamedObjects) and scope.namespace in ("", namespace):
                    deletions += tracker.release(changes)
        return deletions

    def _unknown(self, ingress: Ingress) -> Iterator[_Unknown]:
        """Return the unknown objects that the Ingress names, and that it doesn't name as it is served."""
        trackers = self._trackers.items()
        named = [tracker for _, tracker in trackers if isinstance(tracker, NamedObjects)]
        secrets = {key: why for tracker in named for key, why in tracker.unknown.items()}
        if not secrets and not self._outages.behind:
            return
        served = self._delivered.get(ingress.key)
        before, after = references(served) if served else None, references(ingress)
        for key in sorted(after.secrets - (before.secrets if before else frozenset())):
            if key in secrets:
                yield _Unknown(ObjectRef(Secret.kind, *key), _field_of_secret(ingress, key), secrets[key])
        for key in sorted(after.services - (before.services if before else frozenset())):
            for scope, tracker in trackers:
                if scope in self._outages.behind and scope.namespace in ("", key.namespace) and _lacks(tracker, key):
                    why = f"the watch of {scope.resource} is behind: {self._outages.why(scope) or 'it lists anew'}"
                    yield _Unknown(ObjectRef(Service.kind, *key), FieldPath.of("spec"), why)


def _lacks(tracker: ObjectTracker, service: Key) -> bool:
    """Whether the tracker is of Services or EndpointSlices, and knows nothing of the Service."""
    if tracker.kind is Service:
        return service not in tracker
    slices = (each for each in tracker.objects() if isinstance(each, EndpointSlice))
    return tracker.kind is EndpointSlice and all(each.service != service for each in slices)


def _field_of_secret(ingress: Ingress, secret: Key) -> FieldPath:
    names = [entry.secret_name for entry in ingress.spec.tls or ()]
    return FieldPath.of("spec", "tls", names.index(secret.name), "secretName")
