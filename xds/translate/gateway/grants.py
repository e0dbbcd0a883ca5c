"""ReferenceGrants: the consent of a namespace to references from another one.

Source: https://gateway-api.sigs.k8s.io/api-types/referencegrant/
"""

from collections.abc import Iterable

from xds.kube.gateway_objects import GROUP, ReferenceGrant, ReferenceGrantSpec
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef


class Grants:
    """The ReferenceGrants that exist, by namespace. `note` takes changes."""

    def __init__(self, state: KubeState) -> None:
        self._state = state
        self._by_namespace: dict[str, set[Key]] = {}
        self.note(each.ref for each in state.all_of(ReferenceGrant).values())

    def note(self, changed: Iterable[ObjectRef]) -> None:
        """Note grants that appeared or are gone; objects of other kinds are passed over."""
        for each in changed:
            if each.kind == ReferenceGrant.kind:
                known = self._by_namespace.setdefault(each.namespace, set())
                is_there = each.key in self._state.all_of(ReferenceGrant)
                (known.add if is_there else known.discard)(each.key)

    def permit(self, referrer: ObjectRef, kind: str, target: Key, *, group: str = "") -> bool:
        """Whether an object of the Gateway API may name the target: within a namespace always.

        Args:
            referrer: The object that has the reference.
            kind: Of the target.
            target: The object that is named.
            group: Of the target.
        """
        if referrer.namespace == target.namespace:
            return True
        grants = self._state.all_of(ReferenceGrant)
        found = (grants.get(key) for key in self._by_namespace.get(target.namespace, ()))
        return any(_permits(grant.spec, referrer, kind, target, group) for grant in found if grant)


def _permits(spec: ReferenceGrantSpec, referrer: ObjectRef, kind: str, target: Key, group: str) -> bool:
    wanted = (GROUP, referrer.kind, referrer.namespace)
    if all((each.group, each.kind, each.namespace) != wanted for each in spec.from_):
        return False
    return any((each.group, each.kind) == (group, kind) and each.name in (None, "", target.name) for each in spec.to)
