"""BackendTLSPolicies, and the Gateways through whose routes their Services are reached."""

from collections import Counter
from collections.abc import Iterable, Mapping

from xds.kube.gateway_objects import BackendTLSPolicy, Gateway
from xds.kube.objects import Service
from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.policy_status import policy_status
from xds.translate.gateway.referrers import Referrers
from xds.translate.gateway.status import PolicyStatus
from xds.translate.gateway.translated import policies


class PolicyUse:
    """Keeps the statuses of BackendTLSPolicies in step with the routes that use their Services."""

    def __init__(self, context: GatewayContext) -> None:
        self._context = context
        self._gateways: dict[Key, Counter[Key]] = {}
        self._referrers: Referrers[Key] = Referrers()
        self._stale: set[Key] = set()

    def count(self, before: frozenset[tuple[Key, Key]], after: frozenset[tuple[Key, Key]]) -> None:
        """Replace the Services that a route uses, each with a Gateway that the route is attached to."""
        for service, gateway in after - before:
            self._gateways.setdefault(service, Counter())[gateway] += 1
            self._touch(service)
        for service, gateway in before - after:
            users = self._gateways[service]
            users[gateway] -= 1
            if not users[gateway]:
                del users[gateway]
            if not users:
                del self._gateways[service]
            self._touch(service)

    def update(self, touched: Iterable[ObjectRef]) -> Mapping[ObjectRef, PolicyStatus | None]:
        """The statuses that may differ; None: the policy is gone, or no Gateway of ours reaches its Services."""
        for each in touched:
            self._stale |= self._referrers.of(each)
            if each.kind == BackendTLSPolicy.kind:
                self._stale.add(each.key)
        stale, self._stale = self._stale, set()
        return {ObjectRef(BackendTLSPolicy.kind, *key): self._status(key) for key in stale}

    def _touch(self, service: Key) -> None:
        self._stale |= self._referrers.of(ObjectRef(Service.kind, *service))

    def _status(self, key: Key) -> PolicyStatus | None:
        policy = self._context.state.all_of(BackendTLSPolicy).get(key)
        self._referrers.set(key, _references(policy) if policy else frozenset())
        if policy is None:
            return None
        services = (Key(key.namespace, each.name) for each in policy.spec.target_refs if each.kind == Service.kind)
        gateways = {gateway for service in services for gateway in self._gateways.get(service, ())}
        if not gateways:
            return None
        return policy_status(self._context, policy, [ObjectRef(Gateway.kind, *each) for each in sorted(gateways)])


def _references(policy: BackendTLSPolicy) -> frozenset[ObjectRef]:
    """The Services and authorities of a policy, and all policies of the namespace, which may conflict."""
    named = (*policy.spec.target_refs, *(policy.spec.validation.ca_certificate_refs or ()))
    namespace = policy.key.namespace
    return frozenset((*(ObjectRef(each.kind, namespace, each.name) for each in named), policies(namespace)))
