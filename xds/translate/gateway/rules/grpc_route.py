"""From a GRPCRoute to routes of the traffic model: a call of gRPC is a request with the path `/SERVICE/METHOD`.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#grpcroutematch
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from xds.kube.gateway_objects import GRPCMethodMatch, GRPCRoute, GRPCRouteRule
from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.conditions import GrpcMethodCondition
from xds.traffic.routes import PathType
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.rules.filters import OF_GRPC
from xds.translate.gateway.rules.findings import RouteFindings
from xds.translate.gateway.rules.http_route import expression, header_conditions, unsupported
from xds.translate.gateway.rules.rules import Match, translate_rules
from xds.translate.gateway.rules.shares import Answering
from xds.translate.gateway.translated import TranslatedRoute

GRPC: Final = Answering(unresolved=503, spoken=BackendProtocol.H2C, filters=OF_GRPC)
"""Clients of gRPC take 503 for UNAVAILABLE, and 500 for UNKNOWN."""

_SERVICE: Final = re.compile(r"\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*")
_METHOD: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_MAX_NAME_CHARACTERS: Final = 1024
_ANY_NAME: Final = "[^/]+"


def translate_grpc_route(context: GatewayContext, route: GRPCRoute, use: ParentUse = NO_USE) -> TranslatedRoute:
    """The routes of all rules and matches, in order. A route without rules has one, for every call."""
    findings = RouteFindings(context, route, use)
    return translate_rules(findings, route.spec.rules or (GRPCRouteRule(),), partial(_matches, context), GRPC)


def _matches(context: GatewayContext, rule: GRPCRouteRule, at: FieldPath) -> Iterator[tuple[FieldPath, Match]]:
    if not rule.matches:
        yield at, Match("/", PathType.PREFIX)
    for index, match in enumerate(rule.matches or ()):
        field = at.child("matches", index)
        called = _called(context, match.method or GRPCMethodMatch(), field.child("method"))
        headers = tuple(header_conditions(context, match.headers, field.child("headers")))
        yield field, called._replace(conditions=(*called.conditions, *headers))


def _called(context: GatewayContext, match: GRPCMethodMatch, at: FieldPath) -> Match:
    """The calls of a method, of all methods of a service, or of a method of every service."""
    service, method = match.service or "", match.method or ""
    if match.type == "RegularExpression":
        if not (service or method):
            return Match("/", PathType.PREFIX)
        names = (f"(?:{expression(context, each, at)})" if each else _ANY_NAME for each in (service, method))
        return Match(expression(context, "/" + "/".join(names), at), PathType.WHOLE_REGEX)
    if match.type != "Exact":
        raise unsupported(f"type {shown(match.type)} is neither Exact nor RegularExpression", at.child("type"))
    for name, text, valid in (("service", service, _SERVICE), ("method", method, _METHOD)):
        if text and not (valid.fullmatch(text) and len(text) <= _MAX_NAME_CHARACTERS):
            raise unsupported(f"{shown(text)} is no name of a {name}", at.child(name))
    if service and method:
        return Match(f"/{service}/{method}", PathType.EXACT)
    if service:
        return Match(f"/{service}", PathType.PREFIX)
    return Match("/", PathType.PREFIX, (GrpcMethodCondition(method),) if method else ())
