"""From the rules of an HTTPRoute or GRPCRoute to routes of the traffic model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple, TypeAlias, TypeVar

from xds.kube.gateway_objects import BackendRef, GRPCRouteRule, HTTPRouteRule
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key
from xds.traffic.actions import Action, Forward, RequestRedirect, WeightedBackend
from xds.traffic.conditions import Condition
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.routes import Origin, PathType, Route
from xds.translate.gateway.rules.filters import located, read_filters
from xds.translate.gateway.rules.findings import InvalidRuleError, RouteFindings
from xds.translate.gateway.rules.paths import path_change
from xds.translate.gateway.rules.policies import rule_policy
from xds.translate.gateway.rules.sessions import with_sessions
from xds.translate.gateway.rules.shares import HTTP, Answering, forward, located_refs, only_share
from xds.translate.gateway.translated import Refusal, TranslatedRoute
from xds.translate.names import is_label

Rule: TypeAlias = HTTPRouteRule | GRPCRouteRule
_Rule = TypeVar("_Rule", HTTPRouteRule, GRPCRouteRule)


class Match(NamedTuple):
    """The requests of a route of the traffic model."""

    path: str
    path_type: PathType
    conditions: tuple[Condition, ...] = ()


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
            routes += _routes(findings, rule, at, matched, answering)
        except InvalidRuleError as error:
            # A filter must not be skipped, so the rule stays and answers an error.
            findings.left_out[index] = error.refusal
            action = Forward((WeightedBackend(None),), answering.unresolved)
            routes += (_route(findings, rule, each, action, NO_POLICY) for each in matched)
    refused, partially = _left_out(findings, len(rules))
    return TranslatedRoute(
        routes=tuple(routes),
        backends=findings.backends,
        refused=refused,
        partially=partially,
        unresolved=findings.unresolved,
        left_out=tuple(each for _, each in sorted((findings.lessened | findings.left_out).items(), key=itemgetter(0))),
        broken=tuple(findings.broken),
        references=frozenset(findings.references),
    )


def _routes(
    findings: RouteFindings, rule: Rule, at: FieldPath, matched: list[tuple[FieldPath, Match]], answering: Answering
) -> list[Route]:
    """The routes of a rule.

    Raises:
        InvalidRuleError: the rule can't be followed.
    """
    refs = located_refs(rule.backend_refs, at.child("backendRefs"))
    written = located(rule.filters, at.child("filters"))
    if (sole := only_share(refs)) and sole.ref.filters:  # as if they were the rule's
        written += located(sole.ref.filters, sole.field.child("filters"))
    filters = read_filters(findings, written, answering.filters, answering.spoken)
    policy = filters.applied(rule_policy(findings, rule, at))
    action: Action
    if filters.redirect:
        action, policy = filters.redirect, policy.without_backend
    else:
        action, policy = forward(findings, refs, policy, answering)
    limit = findings.context.max_regex_size
    routes: list[Route] = []
    for each in matched:
        match, own, answer = each[1], policy, action
        if filters.path and (change := path_change(filters.path, match.path, match.path_type, limit)):
            if isinstance(answer, RequestRedirect):
                answer = replace(answer, path=change)
            else:
                own = replace(own, rewrite=change)
        routes += with_sessions(_route(findings, rule, each, answer, own))
    return routes


def _route(
    findings: RouteFindings, rule: Rule, located_match: tuple[FieldPath, Match], action: Action, policy: Policy
) -> Route:
    field, match = located_match
    service = named_service(findings.route.key.namespace, rule.backend_refs or ())
    origin = Origin(findings.route.ref, field)
    return Route(match.path, match.path_type, action, origin, service, policy, match.conditions)


def named_service(namespace: str, refs: Iterable[BackendRef]) -> Key:
    """The Service that the first backendRef names."""
    first = next((each for each in refs if each.kind == "Service"), None)
    if first is None:
        return Key(namespace, "(none)")
    names = (first.namespace or namespace, first.name)
    return Key(*(name if is_label(name) else "(invalid)" for name in names))


def _left_out(findings: RouteFindings, count: int) -> tuple[Refusal | None, Refusal | None]:
    """Why the route isn't accepted, and why a part of it is left out."""
    found = findings.lessened | findings.left_out
    if not found:
        return None, None
    first = found[min(found)]
    if len(findings.left_out) == count:
        return first, None
    listed = ", ".join(map(str, sorted(found)))
    return None, Refusal(first.reason, f"Dropped Rule {listed}: {first.condition_message}", first.field)
