"""From the rules of an HTTPRoute or GRPCRoute to routes of the traffic model."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar

from xds.kube.gateway_objects import BackendRef, GRPCRouteRule, HTTPRouteRule
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.conditions import Condition
from xds.traffic.routes import Origin, PathType, Route
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.backend_refs import forward
from xds.translate.gateway.findings import InvalidRuleError, RouteFindings
from xds.translate.gateway.translated import Refusal, TranslatedRoute
from xds.translate.names import is_label

Rule: TypeAlias = HTTPRouteRule | GRPCRouteRule
_Rule = TypeVar("_Rule", HTTPRouteRule, GRPCRouteRule)


class Match(NamedTuple):
    """The requests of a route of the traffic model."""

    path: str
    path_type: PathType
    conditions: tuple[Condition, ...] = ()


class Answering(NamedTuple):
    """The differences between kinds of routes.

    Attributes:
        unresolved: The status of answers to the share of a reference that can't be followed.
        spoken: The protocol of a backend's port without appProtocol; None: HTTP/1.1.
    """

    unresolved: int = 500
    spoken: BackendProtocol | None = None


HTTP: Final = Answering()


def translate_rules(
    findings: RouteFindings,
    rules: Sequence[_Rule],
    matches: Callable[[_Rule, FieldPath], Iterable[tuple[FieldPath, Match]]],
    answering: Answering = HTTP,
) -> TranslatedRoute:
    """The routes of all rules and matches, in order.

    Args:
        findings: Of the route, still empty.
        rules: Of the route.
        matches: The matches of a rule with their fields; raises InvalidRuleError for a rule that is left out.
        answering: The differences between kinds of routes.
    """
    routes: list[Route] = []
    for index, rule in enumerate(rules):
        at = FieldPath.of("spec", "rules", index)
        try:
            matched = list(matches(rule, at))
        except InvalidRuleError as error:
            findings.left_out[index] = error.refusal
            continue
        try:
            _check_filters(rule, at)
            refs = at.child("backendRefs")
            action = forward(findings, rule.backend_refs or (), refs, answering.spoken, unresolved=answering.unresolved)
        except InvalidRuleError as error:
            # A filter must not be skipped, so the rule stays and answers an error.
            findings.left_out[index] = error.refusal
            action = Forward((WeightedBackend(None),), answering.unresolved)
        service = named_service(findings.route.key.namespace, rule.backend_refs or ())
        for field, match in matched:
            origin = Origin(findings.route.ref, field)
            routes.append(Route(match.path, match.path_type, action, origin, service, conditions=match.conditions))
    refused, partially = _left_out(findings, len(rules))
    return TranslatedRoute(
        routes=tuple(routes),
        backends=findings.backends,
        refused=refused,
        partially=partially,
        unresolved=findings.unresolved,
        references=frozenset(findings.references),
    )


def _check_filters(rule: Rule, at: FieldPath) -> None:
    if rule.filters:
        raise InvalidRuleError(Refusal("UnsupportedValue", f"{at} has filters", at.child("filters")))


def named_service(namespace: str, refs: Iterable[BackendRef]) -> Key:
    """The Service that the first backendRef names."""
    first = next((each for each in refs if each.kind == "Service"), None)
    if first is None:
        return Key(namespace, "(none)")
    names = (first.namespace or namespace, first.name)
    return Key(*(name if is_label(name) else "(invalid)" for name in names))


def _left_out(findings: RouteFindings, count: int) -> tuple[Refusal | None, Refusal | None]:
    """Why the route isn't accepted, and why a part of it is left out."""
    if not findings.left_out:
        return None, None
    index, first = next(iter(findings.left_out.items()))
    if len(findings.left_out) == count:
        return first, None
    return None, Refusal(first.reason, f"Dropped Rule {index}: {first.message}", first.field)
