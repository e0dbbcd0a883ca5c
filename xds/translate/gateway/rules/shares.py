"""From the backendRefs of a rule to the shares of its requests."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Final, NamedTuple

from xds.kube.gateway_objects import HTTPBackendRef
from xds.problems.field_path import FieldPath
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.backends import Backend
from xds.traffic.headers import NO_CHANGES
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.rules.backend_refs import MAX_WEIGHT, resolve_backend
from xds.translate.gateway.rules.filters import NO_FILTERS, OF_HTTP, OF_SHARE, Filters, invalid, located, read_filters
from xds.translate.gateway.rules.findings import InvalidRuleError, RouteFindings


class Answering(NamedTuple):
    """The differences between kinds of routes.

    Attributes:
        unresolved: The status of answers to the share of a reference that can't be followed.
        spoken: The protocol of a backend's port without appProtocol; None: HTTP/1.1.
        filters: The types of filters.
    """

    unresolved: int = 500
    spoken: BackendProtocol | None = None
    filters: Set[str] = OF_HTTP


HTTP: Final = Answering()


class LocatedRef(NamedTuple):
    """A backendRef and its field."""

    ref: HTTPBackendRef
    field: FieldPath

    @property
    def weight(self) -> int:
        return min(max(self.ref.weight, 0), MAX_WEIGHT)


def located_refs(refs: Iterable[HTTPBackendRef] | None, at: FieldPath) -> list[LocatedRef]:
    return [LocatedRef(each, at.child(index)) for index, each in enumerate(refs or ())]


def only_share(refs: Iterable[LocatedRef]) -> LocatedRef | None:
    """The reference that gets every request; None if there are several, or none."""
    found = [each for each in refs if each.weight]
    return found[0] if len(found) == 1 else None


def forward(
    findings: RouteFindings, refs: Sequence[LocatedRef], policy: Policy, answering: Answering
) -> tuple[Forward, Policy]:
    """The backends of a rule with their shares. A backend of weight 0 gets no request and needs no cluster.

    Args:
        findings: Takes the backends, and the references that can't be followed.
        refs: As written. The filters of the only one that gets requests are in the policy already.
        policy: Of the rule.
        answering: The differences between kinds of routes.
    """
    used = [(each, resolve_backend(findings, *each, spoken=answering.spoken)) for each in refs]
    used = [(each, backend) for each, backend in used if each.weight]
    findings.backends |= {backend.key: backend for _, backend in used if backend}
    if len(used) < 2:
        only = used[0][1] if used else None
        if only and only.host and not policy.upstream_host:
            policy = replace(policy, upstream_host=only.host)
        return Forward((WeightedBackend(only.key if only else None),), answering.unresolved), policy
    shares = tuple(_share(findings, each, backend, policy) for each, backend in used)
    if all(each.request_headers == each.response_headers == NO_CHANGES for each in shares):
        return Forward(shares, answering.unresolved), policy
    # Envoy changes headers for the share first, so that the changes of the rule are repeated there.
    own = replace(policy, request_headers=NO_CHANGES, response_headers=NO_CHANGES)
    shares = tuple(
        replace(
            each,
            request_headers=policy.request_headers | each.request_headers,
            response_headers=policy.response_headers | each.response_headers,
        )
        for each in shares
    )
    return Forward(shares, answering.unresolved), NO_POLICY if own == NO_POLICY else own


def _share(findings: RouteFindings, each: LocatedRef, backend: Backend | None, policy: Policy) -> WeightedBackend:
    filters = _filters(findings, each)
    if backend is None or filters is None:
        return WeightedBackend(None, weight=each.weight)
    return WeightedBackend(
        backend.key,
        weight=each.weight,
        upstream_host=filters.host or ("" if policy.upstream_host else backend.host),
        request_headers=filters.request_headers,
        response_headers=filters.response_headers,
    )


def _filters(findings: RouteFindings, located_ref: LocatedRef) -> Filters | None:
    """The filters of a share; None if one can't be followed, and the share answers an error."""
    ref, field = located_ref
    if not ref.filters:
        return NO_FILTERS
    try:
        found = read_filters(findings, located(ref.filters, field.child("filters")), OF_SHARE)
        if found.path:
            why = "the path can be changed for all backends of a rule alone"
            raise invalid(why, found.path[1])
    except InvalidRuleError as error:
        rule = field.parts[2]
        if isinstance(rule, int):
            findings.lessened.setdefault(rule, error.refusal)
        return None
    return found
