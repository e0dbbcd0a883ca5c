"""Ingresses that wait because they begin to name objects whose state is unknown.

Unknown is not absent. A Secret whose look-up is throttled, refused or unanswered may well exist. An Ingress that begins
to name the Secret stays as it is served until the answer is known: make before break. The same holds for a Service that
isn't known while the watch of Services, or of EndpointSlices, is behind.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import EndpointSlice, Ingress, Secret, Service
from xds.kube.references import AnnotatedObjects, references
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.object_watches import ObjectWatches
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
        annotated: Returns the objects that the annotations of an Ingress name.
        objects: The watches of single objects.

    Attributes:
        problems: Of Ingresses whose answers are overdue.
    """

    def __init__(
        self,
        trackers: Mapping[Scope, ObjectTracker],
        outages: Outages,
        annotated: AnnotatedObjects,
        objects: ObjectWatches,
    ) -> None:
        self.problems: dict[Key, Problem] = {}
        self._trackers = trackers
        self._outages = outages
        self._annotated = annotated
        self._objects = objects
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
        """Return the deletions of objects that no Ingress names after the changes, and that no other watch has.

        A Secret whose other keys no annotation names any more is replaced.
        """
        by_namespace: dict[str, list[Change]] = {}
        for change in delivered:
            if isinstance(change, Applied) and isinstance(change.object, Ingress):
                self._delivered[change.object.key] = change.object
                by_namespace.setdefault(change.object.key.namespace, []).append(change)
            elif isinstance(change, Deleted) and change.kind is Ingress:
                by_namespace.setdefault(change.key.namespace, []).append(change)
        released: list[Change] = []
        for scope, tracker in self._trackers.items():
            for namespace, changes in by_namespace.items():
                if isinstance(tracker, NamedObjects) and scope.namespace in ("", namespace):
                    released += tracker.release(changes)
        for changes in by_namespace.values():
            released += self._objects.release(changes)
        return [each for each in released if not (isinstance(each, Deleted) and self._is_watched(each))]

    def _is_watched(self, deleted: Deleted) -> bool:
        """Whether another watch has the object, so that the object is only out of use for one of two."""
        if self._objects.holds(ObjectRef(deleted.kind.kind, *deleted.key)):
            return True
        return any(tracker.kind is deleted.kind and deleted.key in tracker for tracker in self._trackers.values())

    def _unknown(self, ingress: Ingress) -> Iterator[_Unknown]:
        """Return the unknown objects that the Ingress names, and that it doesn't name as it is served."""
        trackers = self._trackers.items()
        named = [tracker for _, tracker in trackers if isinstance(tracker, NamedObjects)]
        secrets = {key: why for tracker in named for key, why in tracker.unknown.items()}
        if not (secrets or self._outages.behind or self._objects.unknown):
            return
        served = self._delivered.get(ingress.key)
        before = references(served, self._annotated) if served else None
        after = references(ingress, self._annotated)
        for key in sorted(after.secrets - (before.secrets if before else frozenset())):
            if key in secrets:
                yield _Unknown(ObjectRef(Secret.kind, *key), _field_of_secret(ingress, key), secrets[key])
        for about in sorted(after.objects - (before.objects if before else frozenset())):
            why = secrets.get(about.key) if about.kind == Secret.kind else None
            if why is not None or about in self._objects.unknown:
                yield _Unknown(about, FieldPath.of("metadata", "annotations"), why or "")
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
