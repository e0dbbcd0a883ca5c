"""The way back from objects that translations looked at to the units of translation."""

from collections.abc import Hashable, Iterator, Set
from typing import Generic, TypeVar

from xds.kube.gateway_objects import BackendTLSPolicy, ReferenceGrant
from xds.problems.problem import ObjectRef
from xds.translate.gateway.translated import grants, policies

_K = TypeVar("_K", bound=Hashable)


class Referrers(Generic[_K]):
    """An index of units by the objects that they looked at."""

    def __init__(self) -> None:
        self._references: dict[_K, frozenset[ObjectRef]] = {}
        self._by_reference: dict[ObjectRef, set[_K]] = {}

    def __bool__(self) -> bool:
        return bool(self._references)

    def set(self, unit: _K, references: frozenset[ObjectRef]) -> None:
        """Replace the references of a unit; none: the unit is gone."""
        before = self._references.pop(unit, frozenset())
        if references:
            self._references[unit] = references
        for each in before - references:
            users = self._by_reference[each]
            users.discard(unit)
            if not users:
                del self._by_reference[each]
        for each in references - before:
            self._by_reference.setdefault(each, set()).add(unit)

    @property
    def referents(self) -> Iterator[ObjectRef]:
        """The objects that units looked at."""
        return iter(self._by_reference)

    def of(self, changed: ObjectRef) -> Set[_K]:
        """The units that looked at an object, or at every object of the kind in the namespace."""
        found = self._by_reference.get(changed, frozenset[_K]())
        if changed.kind == ReferenceGrant.kind:
            return found | self._by_reference.get(grants(changed.namespace), frozenset[_K]())
        if changed.kind == BackendTLSPolicy.kind:
            return found | self._by_reference.get(policies(changed.namespace), frozenset[_K]())
        return found
