"""The statuses of BackendTLSPolicies."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.kube.gateway_objects import BackendTLSPolicy, ParentReference
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.status import MAX_ANCESTORS, Condition, ParentStatus, PolicyStatus
from xds.translate.gateway.tls_policy.backend_tls import judge_policy
from xds.translate.gateway.tls_policy.policy_targets import Target, targets_of
from xds.translate.gateway.translated import Refusal

_ACCEPTED: Final = "Accepted"
_RESOLVED: Final = "ResolvedRefs"
_TARGETS: Final = FieldPath.of("spec", "targetRefs")


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """The status of a policy, and why conditions are false.

    Attributes:
        refused: Of the condition `Accepted`.
        unresolved: Of the condition `ResolvedRefs`.
        references: Each object that was looked at, existing or not, beside the Services.
    """

    status: PolicyStatus
    refused: Refusal | None
    unresolved: Refusal | None
    references: frozenset[ObjectRef]


def policy_outcome(context: GatewayContext, policy: BackendTLSPolicy, gateways: Iterable[ObjectRef]) -> PolicyOutcome:
    """The outcome of a policy.

    Args:
        context: The surroundings.
        policy: The policy.
        gateways: The Gateways with routes to the Services that the policy targets.
    """
    judged = judge_policy(context, policy)
    refused = _missing_port(context, policy) or _conflict(context, policy) or judged.refused
    conditions = Condition.of(_ACCEPTED, refused), Condition.of(_RESOLVED, judged.unresolved)
    ancestors = tuple(
        ParentStatus(ParentReference(each.name, namespace=each.namespace), conditions)
        for each in sorted(gateways)[:MAX_ANCESTORS]
    )
    status = PolicyStatus(policy.metadata.generation, ancestors)
    return PolicyOutcome(status, refused, judged.unresolved, judged.references)


def _missing_port(context: GatewayContext, policy: BackendTLSPolicy) -> Refusal | None:
    """Why a policy has no effect: no Service has the targeted port; None: a Service has the port."""
    targets = list(targets_of(policy))
    missing = [each for each in targets if _lacks_port(context, each)]
    if not missing or len(missing) < len(targets):
        return None
    message = (
        f"{missing[0]} doesn't exist, so requests of the Service are sent without TLS. Name a port of the Service in "
        "sectionName."
    )
    return Refusal("TargetNotFound", message, _TARGETS)


def _lacks_port(context: GatewayContext, target: Target) -> bool:
    service = context.state.service(target.service)
    return bool(target.section and service) and all(
        port.name != target.section for port in (service.spec.ports if service else None) or ()
    )


def _conflict(context: GatewayContext, policy: BackendTLSPolicy) -> Refusal | None:
    """Why a policy has no effect: older policies have all its targets; None: the policy has a target."""
    found = [(each, context.policies.winner(context.state, each)) for each in targets_of(policy)]
    lost = [(target, winner) for target, winner in found if winner and winner.key != policy.key]
    if not lost or len(lost) < len(found):
        return None
    target, winner = lost[0]
    message = (
        f"{winner.ref} has precedence for {target}, as the older policy or the first one by name, so {policy.ref} has "
        "no effect. Delete one of the two."
    )
    return Refusal("Conflicted", message, _TARGETS)
