"""BackendTLSPolicies, and the Gateways whose routes reach the targeted Services."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from xds.kube.gateway_objects import BackendTLSPolicy, Gateway
from xds.kube.objects import Service
from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.referrers import Referrers
from xds.translate.gateway.tls_policy.policy_status import PolicyOutcome, policy_outcome
from xds.translate.gateway.tls_policy.policy_targets import targets_of


class PolicyUse:
    """Keeps the outcomes of BackendTLSPolicies in step with the routes that use their Services.

    Args:
        context: The surroundings.
        gateways_of: Tells the Gateways with attached routes that use a Service.
    """

    def __init__(self, context: GatewayContext, gateways_of: Callable[[ObjectRef], Iterable[Key]]) -> None:
        self._context = context
        self._gateways_of = gateways_of
        self._referrers: Referrers[Key] = Referrers()
        self._stale: set[Key] = set()

    @property
    def referents(self) -> Iterator[ObjectRef]:
        """The objects that policies name."""
        return self._referrers.referents

    def route_changed(self, before: Iterable[ObjectRef], after: Iterable[ObjectRef]) -> None:
        """Note that a route has other references, or is attached otherwise."""
        if self._referrers:
            self._stale.update(key for each in chain(before, after) for key in self._referrers.of(each))

    def follow(self, touched: Iterable[ObjectRef]) -> None:
        """Note changed objects, before anything is translated."""
        touched = list(touched)
        self._stale |= self._context.policies.follow(self._context.state, touched)
        self._stale.update(key for each in touched for key in self._referrers.of(each))
        self._stale.update(each.key for each in touched if each.kind == BackendTLSPolicy.kind)

    def update(self) -> Iterator[tuple[Key, PolicyOutcome | None]]:
        """The outcomes that may differ; None: the policy is gone, or no Gateway of ours reaches its Services."""
        stale, self._stale = self._stale, set()
        return ((key, self._outcome(key)) for key in stale)

    def _outcome(self, key: Key) -> PolicyOutcome | None:
        policy = self._context.state.all_of(BackendTLSPolicy).get(key)
        if policy is None:
            self._referrers.set(key, frozenset())
            return None
        services = frozenset(ObjectRef(Service.kind, *target.service) for target in targets_of(policy))
        gateways = {gateway for service in services for gateway in self._gateways_of(service)}
        found = policy_outcome(self._context, policy, [ObjectRef(Gateway.kind, *each) for each in gateways])
        self._referrers.set(key, found.references | services)
        return found if gateways else None
