"""The installation that an entry of a route's or policy's status belongs to.

Several installations write under one controller name: for GatewayClasses or namespaces of their own each.
"""

from xds.kube.gateway_objects import (
    GROUP,
    Gateway,
    GatewayClass,
    ListenerSet,
    ParentReference,
    namespace_of,
)
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.translate.gateway.options import CONTROLLER, GatewayOptions


class Ownership:
    """Tells entries of this installation from entries of other installations.

    Args:
        state: The objects of the cluster.
        options: With the GatewayClass of this installation.
        namespaces: Where objects are watched; empty: in all namespaces.
    """

    def __init__(self, state: KubeState, options: GatewayOptions, namespaces: frozenset[str]) -> None:
        self._state = state
        self._options = options
        self._namespaces = namespaces

    def is_ours(self, referrer: Key, parent: ParentReference) -> bool:
        """Whether an entry under our controller name is of this installation, or of none, as its Gateway is gone.

        Args:
            referrer: The route or policy.
            parent: Of the entry.
        """
        if parent.group != GROUP:
            return False
        key = Key(namespace_of(parent.namespace, referrer), parent.name)
        match parent.kind:
            case Gateway.kind:
                return self._is_our_gateway(key)
            case ListenerSet.kind:
                found = self._state.all_of(ListenerSet).get(key)
                if found is None:
                    return self._is_watched(key)
                of = found.spec.parent_ref
                return self._is_our_gateway(Key(namespace_of(of.namespace, key), of.name))
        return False

    def _is_our_gateway(self, key: Key) -> bool:
        found = self._state.all_of(Gateway).get(key)
        if found is None:
            return self._is_watched(key)
        name = found.spec.gateway_class_name
        if self._options.gateway_class in ("", name):
            return True
        known = self._state.all_of(GatewayClass).get(Key("", name))
        return known is None or known.spec.controller_name != CONTROLLER

    def _is_watched(self, key: Key) -> bool:
        return not self._namespaces or key.namespace in self._namespaces
