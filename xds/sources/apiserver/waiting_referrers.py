"""Referrers that wait: Ingresses and objects of the Gateway API that begin to name an object whose state is unknown.

Unknown is not absent. A Secret whose look-up is throttled, refused or unanswered may well exist. An Ingress that begins
to name the Secret stays as it is served until the answer is known: make before break. The same holds for a Service that
isn't known while the watch of Services, or of EndpointSlices, is behind.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xds.kube.change import Applied, Change, Deleted
from xds.kube.gateway_objects import ROUTE_KINDS, Route
from xds.kube.objects import EndpointSlice, Ingress, KubeObject, Secret, Service
from xds.kube.references import AnnotatedObjects, references
from xds.kube.referrers import REFERRERS, named_objects, named_services
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.object_watches import ObjectWatches
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker

_MAY_WAIT: Final = frozenset[type[KubeObject]]((*REFERRERS, *ROUTE_KINDS))


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An object whose state is unknown.

    Attributes:
        object: The object, or the Service of unknown EndpointSlices.
        field: The referrer's field that names the object.
        why: The words of the API server, or the failure; empty while the answer isn't overdue.
    """

    object: ObjectRef
    field: FieldPath
    why: str

    def problem(self, of: KubeObject) -> Problem:
        reason = Reason.SECRET_UNREADABLE if self.object.kind == Secret.kind else Reason.BACKEND_UNREADABLE
        message = f"{self.object} can't be read: {self.why}; the {of.kind} stays as it was before it named the object"
        return Problem(of.ref, reason, message, reason.remedy, self.field)


class WaitingReferrers:
    """The changes of referrers that wait.

    Args:
        trackers: Of all watches, kept current by the caller.
        outages: Tells which watches are behind.
        annotated: Returns the objects that the annotations of an Ingress name.
        objects: The watches of single objects.

    Attributes:
        problems: Of referrers whose answers are overdue.
    """

    def __init__(
        self,
        trackers: Mapping[Scope, ObjectTracker],
        outages: Outages,
        annotated: AnnotatedObjects,
        objects: ObjectWatches,
    ) -> None:
        self.problems: dict[ObjectRef, Problem] = {}
        self._trackers = trackers
        self._outages = outages
        self._annotated = annotated
        self._objects = objects
        self._delivered: dict[ObjectRef, KubeObject] = {}
        self._waiting: dict[ObjectRef, KubeObject] = {}

    def take(self, changes: Iterable[Change], *, wait: bool) -> list[Change]:
        """Return the changes to deliver now, with earlier changes that waited, and deletions of objects out of use.

        Args:
            changes: In order.
            wait: Whether referrers may wait: not before every kind is listed, as nothing is served before.
        """
        ready: list[Change] = []
        withdrawn: list[Change] = []
        latest, self._waiting, self.problems = self._waiting, {}, {}
        for change in changes:
            if isinstance(change, Applied) and type(change.object) in _MAY_WAIT:
                latest[change.object.ref] = change.object
                continue
            if isinstance(change, Deleted) and change.kind in _MAY_WAIT:
                about = ObjectRef(change.kind.kind, *change.key)
                latest.pop(about, None)
                if self._delivered.pop(about, None) is None:
                    withdrawn.append(change)
                    continue
            ready.append(change)
        for about, each in latest.items():
            if not (wait and self._waits(about, each)):
                ready.append(Applied(each))
                self._delivered[about] = each
        return [*ready, *self._out_of_use([*ready, *withdrawn])]

    def _waits(self, about: ObjectRef, each: KubeObject) -> bool:
        unknown = list(self._unknown(about, each))
        if not unknown:
            return False
        self._waiting[about] = each
        if overdue := next((each for each in unknown if each.why), None):
            self.problems[about] = overdue.problem(each)
        return True

    def _out_of_use(self, changes: Iterable[Change]) -> list[Change]:
        """Return the deletions of objects that no referrer names after the changes, and that no other watch has.

        A Secret of which an annotation names fewer keys is replaced by a Secret with these keys.
        """
        of_ingresses: dict[str, list[Change]] = {}
        others: list[Change] = []
        for change in changes:
            kind = type(change.object) if isinstance(change, Applied) else getattr(change, "kind", None)
            if kind is Ingress and isinstance(change, Applied | Deleted):
                key = change.key if isinstance(change, Deleted) else change.object.key
                of_ingresses.setdefault(key.namespace, []).append(change)
            elif kind in REFERRERS:
                others.append(change)
        released: list[Change] = []
        for scope, tracker in self._trackers.items():
            if isinstance(tracker, NamedObjects):
                for namespace, ingresses in of_ingresses.items():
                    if scope.namespace in ("", namespace):
                        released += tracker.release(ingresses)
                released += tracker.release(others) if others else ()
        for each in (*of_ingresses.values(), others):
            released += self._objects.release(each)
        return [each for each in released if not (isinstance(each, Deleted) and self._is_watched(each))]

    def _is_watched(self, deleted: Deleted) -> bool:
        """Whether another watch has the object, so that the object is only out of use for one of two."""
        if self._objects.holds(ObjectRef(deleted.kind.kind, *deleted.key)):
            return True
        return any(tracker.kind is deleted.kind and deleted.key in tracker for tracker in self._trackers.values())

    def _unknown(self, about: ObjectRef, of: KubeObject) -> Iterator[_Unknown]:
        """Return the unknown objects that the changed referrer names, and that the served referrer doesn't name."""
        trackers = self._trackers.items()
        named = [tracker for _, tracker in trackers if isinstance(tracker, NamedObjects)]
        secrets = {key: why for tracker in named for key, why in tracker.unknown.items()}
        if not (secrets or self._outages.behind or self._objects.unknown):
            return
        served = self._delivered.get(about)
        before = _named(served, self._annotated) if served else {}
        for each, field in _named(of, self._annotated).items():
            if each in before:
                continue
            if each.kind == Service.kind:
                yield from self._unknown_service(each, field)
            elif (each.kind == Secret.kind and each.key in secrets) or each in self._objects.unknown:
                yield _Unknown(each, field, secrets.get(each.key, "") if each.kind == Secret.kind else "")

    def _unknown_service(self, about: ObjectRef, field: FieldPath) -> Iterator[_Unknown]:
        for scope, tracker in self._trackers.items():
            is_behind = scope in self._outages.behind and scope.namespace in ("", about.namespace)
            if is_behind and _lacks(tracker, about.key):
                why = f"the watch of {scope.resource} is behind: {self._outages.why(scope) or 'it lists anew'}"
                yield _Unknown(about, field, why)


def _named(of: KubeObject, annotated: AnnotatedObjects) -> Mapping[ObjectRef, FieldPath]:
    """Return the Secrets, ConfigMaps and Services that the referrer names, each with the field."""
    if isinstance(of, Route):
        return named_services(of)
    if not isinstance(of, Ingress):
        return named_objects(of)
    found = references(of, annotated)
    fields = {ObjectRef(Secret.kind, *key): _field_of_secret(of, key) for key in sorted(found.secrets)}
    for about in sorted(found.objects):
        fields.setdefault(about, FieldPath.of("metadata", "annotations"))
    return fields | {ObjectRef(Service.kind, *key): FieldPath.of("spec") for key in sorted(found.services)}


def _lacks(tracker: ObjectTracker, service: Key) -> bool:
    """Whether the tracker is of Services or EndpointSlices, and knows nothing of the Service."""
    if tracker.kind is Service:
        return service not in tracker
    slices = (each for each in tracker.objects() if isinstance(each, EndpointSlice))
    return tracker.kind is EndpointSlice and all(each.service != service for each in slices)


def _field_of_secret(ingress: Ingress, secret: Key) -> FieldPath:
    names = [entry.secret_name for entry in ingress.spec.tls or ()]
    return FieldPath.of("spec", "tls", names.index(secret.name), "secretName")
