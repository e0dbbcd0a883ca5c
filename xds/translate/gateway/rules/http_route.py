"""From an HTTPRoute to routes of the traffic model.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#httproutematch
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from xds.kube.gateway_objects import HTTPPathMatch, HTTPRoute, HTTPRouteMatch, HTTPRouteRule, HTTPValueMatch
from xds.kube.objects import HTTPIngressPath, IngressBackend
from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.conditions import Comparison, Condition, HeaderCondition, MethodCondition, QueryCondition
from xds.traffic.regex import RegexError, compiled
from xds.traffic.routes import PathType
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.rules.findings import InvalidRuleError, RouteFindings
from xds.translate.gateway.rules.requests import HEADER_VALUE, TOKEN
from xds.translate.gateway.rules.rules import Match, translate_rules
from xds.translate.gateway.translated import Refusal, TranslatedRoute
from xds.translate.names import InvalidError, valid_path

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_PATH_TYPES: Final = {"Exact": "Exact", "PathPrefix": "Prefix"}
"""By the type of a path in an HTTPRoute: in an Ingress."""

_MAX_EXPRESSION_CHARACTERS: Final = 4096


def translate_http_route(context: GatewayContext, route: HTTPRoute, use: ParentUse = NO_USE) -> TranslatedRoute:
    """The routes of all rules and matches, in order. A route without rules has one, for every request."""
    findings = RouteFindings(context, route, use)
    return translate_rules(findings, route.spec.rules or (HTTPRouteRule(),), partial(_matches, context))


def _matches(context: GatewayContext, rule: HTTPRouteRule, at: FieldPath) -> Iterator[tuple[FieldPath, Match]]:
    if not rule.matches:
        yield at, Match("/", PathType.PREFIX)
    for index, match in enumerate(rule.matches or ()):
        field = at.child("matches", index)
        path, path_type = _path(context, match.path, field.child("path"))
        yield field, Match(path, path_type, tuple(_conditions(context, match, field)))


def _path(context: GatewayContext, path: HTTPPathMatch, at: FieldPath) -> tuple[str, PathType]:
    if path.type == "RegularExpression":
        return expression(context, path.value, at.child("value")), PathType.WHOLE_REGEX
    if path.type not in _PATH_TYPES:
        raise unsupported(f"type {shown(path.type)} is none of Exact, PathPrefix, RegularExpression", at.child("type"))
    try:
        return valid_path(HTTPIngressPath(_PATH_TYPES[path.type], IngressBackend(), path.value))
    except InvalidError as error:
        raise unsupported(str(error), at.child("value")) from None


def _conditions(context: GatewayContext, match: HTTPRouteMatch, at: FieldPath) -> Iterator[Condition]:
    if match.method:
        if match.method not in _METHODS:
            raise unsupported(f"method {shown(match.method)} is none that an HTTPRoute has", at.child("method"))
        yield MethodCondition(match.method)
    yield from header_conditions(context, match.headers, at.child("headers"))
    names: set[str] = set()
    for index, query in enumerate(match.query_params or ()):
        name, value, comparison = _value_match(context, query, at.child("queryParams", index))
        if name not in names:
            names.add(name)
            yield QueryCondition(name, value, comparison)


def header_conditions(
    context: GatewayContext, headers: tuple[HTTPValueMatch, ...] | None, at: FieldPath
) -> Iterator[HeaderCondition]:
    """The conditions on headers. Of several with one name, the first counts.

    Raises:
        InvalidRuleError: a condition isn't valid.
    """
    names: set[str] = set()
    for index, header in enumerate(headers or ()):
        name, value, comparison = _value_match(context, header, at.child(index))
        if name.lower() not in names:
            names.add(name.lower())
            yield HeaderCondition(name.lower(), value, comparison)


def _value_match(context: GatewayContext, match: HTTPValueMatch, at: FieldPath) -> tuple[str, str, Comparison]:
    if not TOKEN.fullmatch(match.name):
        raise unsupported(f"{shown(match.name)} is no name of a header or parameter", at.child("name"))
    if match.type == "RegularExpression":
        return match.name, expression(context, match.value, at.child("value")), Comparison.WHOLE
    if match.type != "Exact":
        raise unsupported(f"type {shown(match.type)} is neither Exact nor RegularExpression", at.child("type"))
    if not HEADER_VALUE.fullmatch(match.value):
        raise unsupported(f"value {shown(match.value)} is none that a request can have", at.child("value"))
    return match.name, match.value, Comparison.EQUAL


def expression(context: GatewayContext, text: str, at: FieldPath) -> str:
    """An expression of RE2 that Envoy accepts.

    Raises:
        InvalidRuleError: the expression isn't one, or too large.
    """
    limit = context.max_regex_size
    try:
        size = compiled(text).programsize if 0 < len(text) <= _MAX_EXPRESSION_CHARACTERS else 0
    except (RegexError, UnicodeEncodeError) as error:
        raise unsupported(f"value {shown(text)} is no expression of RE2: {error}", at) from None
    if not 0 < size <= limit:
        raise unsupported(f"value {shown(text)} is an expression of size {size}, and Envoy takes 1 to {limit}", at)
    return text


def unsupported(why: str, at: FieldPath) -> InvalidRuleError:
    """The error of a rule with a value that can't be served."""
    return InvalidRuleError(Refusal("UnsupportedValue", f"{why}, so the rule is left out", at, "Correct the value."))
