"""The problems of an explanation's objects that can have to do with the answer."""

from typing import Final

from xds.explain.answer import Fallback, HostMatch, PathMatch, Redirect
from xds.explain.facts import RequestFacts, compared_hosts
from xds.kube.gateway_objects import ROUTE_KINDS
from xds.kube.objects import Ingress
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Problem
from xds.translate.names import InvalidError, path_on

_ROUTE_KINDS: Final = frozenset(each.kind for each in ROUTE_KINDS)

PASSTHROUGH: Final = "passthrough"
"""In the names of the annotations that decide over the end of TLS."""


def is_relevant(problem: Problem, facts: RequestFacts) -> bool:
    """Whether a problem can have to do with the answer.

    A problem of an Ingress can if its field is in a rule of the request's host, in a TLS entry that took part in a
    decision, or in a part that the answer uses. A problem of a route of the Gateway API can unless its field is in a
    rule that was compared and not taken. A problem of any other object can.
    """
    if problem.object.kind in _ROUTE_KINDS:
        return _concerns_route(problem, facts)
    ingress = next((each for each in facts.ingresses if each.ref == problem.object), None)
    return ingress is None or _concerns(problem.field, ingress, facts)


def _concerns_route(problem: Problem, facts: RequestFacts) -> bool:
    rule = problem.field.parts[:3]
    if rule[:2] != ("spec", "rules"):
        return True
    taken = facts.answer.route
    if taken and (taken.origin.object, taken.origin.field.parts[:3]) == (problem.object, rule):
        return True
    compared = (each.route for step in facts.answer.steps if isinstance(step, PathMatch) for each in step.routes)
    return all((each.origin.object, each.origin.field.parts[:3]) != (problem.object, rule) for each in compared)


def _concerns(field: FieldPath, ingress: Ingress, facts: RequestFacts) -> bool:
    match field.parts:
        case ("spec", "rules", int(index), "http", "paths", int(number), *_):
            return _rule_concerns(index, number, ingress, facts)
        case ("spec", "rules", int(index), *_):
            return _rule_concerns(index, None, ingress, facts)
        case ("spec", "tls", *_):
            return ingress.key in facts.owners.values()
        case ("metadata", "annotations", MapKey(name), *_) if PASSTHROUGH in name:
            return ingress.key in facts.owners.values()
        case ("spec", "defaultBackend", *_):
            return any(isinstance(step, Fallback) for step in facts.answer.steps)
        case _:
            redirects = (step for step in facts.answer.steps if isinstance(step, Redirect))
            routes = (facts.answer.route, *(step.route for step in redirects))
            return any(route is not None and route.origin.object == ingress.ref for route in routes)


def _rule_concerns(index: int, number: int | None, ingress: Ingress, facts: RequestFacts) -> bool:
    """Whether a rule names the host, and the path at `number`, if given, is the one taken or a path left out."""
    rules = ingress.spec.rules or ()
    steps = facts.answer.steps
    hosts = [host for step in steps if isinstance(step, HostMatch) for host in compared_hosts(step)]
    if index >= len(rules) or rules[index].hostname not in hosts:
        return False
    if number is None or number >= len(rules[index].paths):
        return True
    compared = [each.route for step in steps if isinstance(step, PathMatch) for each in step.routes]
    try:
        path = path_on(compared, rules[index].paths[number])
    except InvalidError:
        return True
    taken = facts.answer.route
    return path not in {(route.path, route.path_type) for route in compared} or (
        taken is not None and path == (taken.path, taken.path_type)
    )
