"""Deletions that wait for the object to be created again: `kubectl replace --force` deletes an object and creates it.

A deletion of an Ingress, a Service, a Secret, a ConfigMap, an IngressClass or an object of the Gateway API waits for
half a second. A re-creation meanwhile makes an update of both, and no request finds the route without its object.
kubectl deletes all objects of a file before it creates the first one. So a further deletion or re-creation in the
namespace begins the half second anew, for two seconds at most, and the deletions of a namespace count together. Other
changes count at once:

- An EndpointSlice goes at once while its Service stays. A deleted Service loses its slices within milliseconds, to the
  garbage collector, and the new Service gets slices of other names. So deletions of its slices wait with the deletion
  of the Service and, after a re-creation, for the first new slice with endpoints, but no longer than a deletion.
- An Ingress that begins to claim a path of a deleted Ingress takes the path over: both changes count together, so that
  a renamed Ingress makes no conflict with itself.

What protects a route stays in force while its deletion waits: passwords, certificates of clients, lists of addresses.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeAlias

from xds.kube.change import Applied, Change, Deleted
from xds.kube.gateway_objects import GATEWAY_KINDS, Namespace
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.problems.problem import Key, ObjectRef

DELETION_GRACE_SECONDS: Final = 0.5
"""kubectl takes 0.05 to 0.2 s between the deletion and the creation of an object."""

LONGEST_GRACES: Final = 4
"""The longest wait of a deletion while others follow in its namespace, as a multiple of the usual wait."""

_DELAYED: Final = frozenset[type](
    {Ingress, Service, Secret, ConfigMap, IngressClass} | {kind for kind in GATEWAY_KINDS if kind is not Namespace}
)

Subject: TypeAlias = tuple[type, Any]
"""The subject of a change: kind and key of an object. Changes of the same subject replace each other."""

Pending: TypeAlias = tuple[Subject, Change]

_Claim: TypeAlias = tuple[str, str]
"""Host and path; both empty for a default backend."""


@dataclass(slots=True)
class _Delayed:
    """The deletion of an object, of a Service with the deletions of its slices.

    Attributes:
        began_at: Seconds of the batches' clock.
        changes: The deletions. Of a Service that was created again, the deletions of its slices.
        claims: Of an Ingress.
    """

    began_at: float
    changes: dict[Subject, Change] = field(default_factory=dict)
    claims: frozenset[_Claim] = frozenset()


@dataclass(slots=True)
class _Namespace:
    """The deletions that wait in a namespace, or of objects without one.

    Attributes:
        active_at: When an object was deleted or created again, in seconds of the batches' clock.
        delayed: The oldest first.
    """

    active_at: float
    delayed: OrderedDict[Subject, _Delayed] = field(default_factory=OrderedDict)

    def due_at(self, grace_seconds: float) -> float:
        oldest = next(iter(self.delayed.values()))
        return min(self.active_at + grace_seconds, oldest.began_at + LONGEST_GRACES * grace_seconds)


class DelayedDeletions:
    """The deletions that wait: one for each object.

    Args:
        grace_seconds: How long a deletion waits; 0: none waits.
        ingress: Returns the Ingress as last worked on; None for an unknown one.
        service_of_slice: Returns the Service of an EndpointSlice as last worked on; None for an unknown one.

    Attributes:
        created_again: Objects that were created again while their deletion waited; emptied by the reader.
    """

    def __init__(
        self,
        grace_seconds: float,
        ingress: Callable[[Key], Ingress | None],
        service_of_slice: Callable[[Key], Key | None],
    ) -> None:
        self._grace_seconds = grace_seconds
        self._ingress = ingress
        self._service_of_slice = service_of_slice
        self._namespaces: dict[str, _Namespace] = {}
        self.created_again: set[ObjectRef] = set()

    @property
    def due_at(self) -> float:
        """When the next deletions count, in seconds of the batches' clock; infinite: none waits."""
        if not self._namespaces:
            return inf
        return min(each.due_at(self._grace_seconds) for each in self._namespaces.values())

    def take(self, changes: Sequence[Pending], now: float) -> Sequence[Pending]:
        """Keep back the deletions of a batch that wait, and return the changes that count now.

        Args:
            changes: In order.
            now: When the batch was read.
        """
        if not self._grace_seconds or not (self._namespaces or any(_waits(*each) for each in changes)):
            return changes
        counting, begun = list[Pending](), set[_Claim]()
        for subject, change in changes:
            if subject[0] is EndpointSlice:
                continue
            if _waits(subject, change):
                self._delay(subject, change, now)
                continue
            counting.append((subject, change))
            if self._find(subject):
                self._create_again(subject, now)
            elif isinstance(change, Applied) and isinstance(change.object, Ingress):
                begun |= self._begun_claims(change.object)
        for subject, change in changes:  # those of a folder may come before their Service
            if subject[0] is EndpointSlice:
                counting += self._of_slice(subject, change)
        return [*counting, *self._taken_over(begun)]

    def take_due(self, now: float) -> Iterator[list[Pending]]:
        """Return the deletions whose time is over, those of a namespace together."""
        due = [each for each in self._namespaces.values() if each.due_at(self._grace_seconds) <= now]
        for namespace in due:
            is_quiet = namespace.active_at + self._grace_seconds <= now
            latest = now if is_quiet else now - LONGEST_GRACES * self._grace_seconds
            subjects = [subject for subject, each in namespace.delayed.items() if each.began_at <= latest]
            yield [pending for subject in subjects for pending in self._drop(subject).changes.items()]

    def _find(self, subject: Subject) -> _Delayed | None:
        namespace = self._namespaces.get(subject[1].namespace) if isinstance(subject[1], Key) else None
        return namespace.delayed.get(subject) if namespace else None

    def _drop(self, subject: Subject) -> _Delayed:
        namespace = self._namespaces[subject[1].namespace]
        dropped = namespace.delayed.pop(subject)
        if not namespace.delayed:
            del self._namespaces[subject[1].namespace]
        return dropped

    def _put(self, subject: Subject, delayed: _Delayed) -> None:
        namespace = self._namespaces.setdefault(subject[1].namespace, _Namespace(delayed.began_at))
        namespace.active_at = delayed.began_at
        namespace.delayed[subject] = delayed

    def _delay(self, subject: Subject, change: Change, now: float) -> None:
        changes = self._drop(subject).changes if self._find(subject) else {}
        known = self._ingress(subject[1]) if subject[0] is Ingress else None
        claims = frozenset(_claims(known)) if known else frozenset[_Claim]()
        self._put(subject, _Delayed(now, {**changes, subject: change}, claims))

    def _create_again(self, subject: Subject, now: float) -> None:
        """Drop the deletion of the object. A new Service has no slices yet: the old ones' deletions wait on."""
        delayed = self._find(subject)
        if delayed is None or delayed.changes.pop(subject, None) is None:
            return  # a Service that was created again before
        self._drop(subject)
        kind: type[KubeObject] = subject[0]
        self.created_again.add(ObjectRef(kind.kind, *subject[1]))
        if subject[0] is Service:
            self._put(subject, _Delayed(now, delayed.changes))
        elif namespace := self._namespaces.get(subject[1].namespace):
            namespace.active_at = now

    def _of_slice(self, subject: Subject, change: Change) -> Iterator[Pending]:
        """Return the change of a slice unless it waits, and the deletions that a new slice with endpoints replaces."""
        known_service = self._service_of_slice(subject[1])
        delayed = self._find((Service, known_service))
        if isinstance(change, Deleted):
            if delayed is None:
                yield subject, change
            else:
                delayed.changes[subject] = change
            return
        yield subject, change
        was_deleted = delayed is not None and delayed.changes.pop(subject, None) is not None
        made = change.object if isinstance(change, Applied) else None
        if isinstance(made, EndpointSlice) and made.endpoints and (known_service is None or was_deleted):
            yield from self._replaced_slices((Service, made.service))

    def _replaced_slices(self, service: Subject) -> Iterator[Pending]:
        """Return the deletions of a Service's slices, which have a new one in their place."""
        if delayed := self._find(service):
            deletion = delayed.changes.pop(service, None)
            yield from delayed.changes.items()
            if deletion is None:
                self._drop(service)
            else:
                delayed.changes = {service: deletion}

    def _begun_claims(self, taker: Ingress) -> set[_Claim]:
        before = self._ingress(taker.key)
        return set(_claims(taker)).difference(_claims(before) if before else ())

    def _taken_over(self, begun: set[_Claim]) -> Iterator[Pending]:
        """Return the deletions of Ingresses of which another one begins to claim a path."""
        if begun:
            delayed = [pending for each in self._namespaces.values() for pending in each.delayed.items()]
            for subject in [subject for subject, each in delayed if not begun.isdisjoint(each.claims)]:
                yield from self._drop(subject).changes.items()


def _waits(subject: Subject, change: Change) -> bool:
    return subject[0] in _DELAYED and isinstance(change, Deleted)


def _claims(ingress: Ingress) -> Iterator[_Claim]:
    if ingress.spec.default_backend is not None:
        yield "", ""
    for rule in ingress.spec.rules or ():
        for path in rule.paths:
            yield rule.hostname, path.path or "/"
