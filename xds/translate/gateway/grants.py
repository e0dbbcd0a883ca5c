"""ReferenceGrants: the consent of a namespace to references from another one.

Source: https://gateway-api.sigs.k8s.io/api-types/referencegrant/
"""

from xds.kube.gateway_objects import GROUP, ReferenceGrant, ReferenceGrantSpec
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef


class Grants:
    """The ReferenceGrants that exist, by namespace."""

    def __init__(self, state: KubeState) -> None:
        self._state = state

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
        return any(
            _names(grant.spec, referrer, kind, target, group)
            for key, grant in grants.items()
            if key.namespace == target.namespace
        )


def _names(spec: ReferenceGrantSpec, referrer: ObjectRef, kind: str, target: Key, group: str) -> bool:
    wanted = (GROUP, referrer.kind, referrer.namespace)
    if all((each.group, each.kind, each.namespace) != wanted for each in spec.from_):
        return False
    return any((each.group, each.kind) == (group, kind) and each.name in (None, "", target.name) for each in spec.to)
