"""Filters of rules and of backendRefs: headers, redirects, rewrites, mirrors and CORS.

A filter is never skipped: a rule with one that can't be followed answers an error.
Source: https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from xds.kube.gateway_objects import (
    HTTPHeader,
    HTTPHeaderFilter,
    HTTPPathModifier,
    HTTPRequestRedirectFilter,
    HTTPRouteFilter,
    HTTPURLRewriteFilter,
)
from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.actions import RequestRedirect
from xds.traffic.cors import Cors
from xds.traffic.headers import NO_CHANGES, HeaderChanges
from xds.traffic.mirror import Mirror
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.rules.cors import cors
from xds.translate.gateway.rules.findings import InvalidRuleError, RouteFindings
from xds.translate.gateway.rules.mirrors import mirror
from xds.translate.gateway.rules.requests import HEADER_VALUE, TOKEN
from xds.translate.gateway.translated import Refusal
from xds.translate.names import InvalidError, valid_host
from xds.translate.nginx.custom_headers import MAX_HEADERS, NEVER_SET

REQUEST_HEADERS: Final = "RequestHeaderModifier"
RESPONSE_HEADERS: Final = "ResponseHeaderModifier"
MIRROR: Final = "RequestMirror"
REDIRECT: Final = "RequestRedirect"
REWRITE: Final = "URLRewrite"
CORS: Final = "CORS"

OF_HTTP: Final = frozenset({REQUEST_HEADERS, RESPONSE_HEADERS, MIRROR, REDIRECT, REWRITE, CORS})
OF_GRPC: Final = frozenset({REQUEST_HEADERS, RESPONSE_HEADERS, MIRROR})
OF_SHARE: Final = frozenset({REQUEST_HEADERS, RESPONSE_HEADERS, REWRITE})
"""The types of filters of rules, and of a backendRef among several: Envoy chooses the backend last."""

_SCHEMES: Final = ("http", "https")
_STATUSES: Final = (301, 302, 303, 307, 308)
_OURS: Final = ("x-envoy-", "x-real-ip")
"""Beginnings of names of a request's headers that Envoy obeys, or sets behind the route."""

LocatedFilter: TypeAlias = tuple[HTTPRouteFilter, FieldPath]
PathChange: TypeAlias = tuple[HTTPPathModifier, FieldPath]


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters as values of the traffic model.

    Attributes:
        redirect: The answer in place of a backend's, but for its path; None: a backend answers.
        host: The Host of the backend's request; empty: the client's.
        path: Changes the path of the redirect, or of the backend's request.
    """

    request_headers: HeaderChanges = NO_CHANGES
    response_headers: HeaderChanges = NO_CHANGES
    redirect: RequestRedirect | None = None
    host: str = ""
    path: PathChange | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None

    def applied(self, policy: Policy) -> Policy:
        """A policy with the filters, but for the change of the path."""
        found = replace(
            policy,
            request_headers=self.request_headers,
            response_headers=self.response_headers,
            upstream_host=self.host,
            mirrors=self.mirrors,
            cors=self.cors,
        )
        return NO_POLICY if found == NO_POLICY else found


NO_FILTERS: Final = Filters()


def located(filters: Iterable[HTTPRouteFilter] | None, at: FieldPath) -> list[LocatedFilter]:
    """Filters with their fields."""
    return [(each, at.child(index)) for index, each in enumerate(filters or ())]


def read_filters(
    findings: RouteFindings,
    filters: Iterable[LocatedFilter],
    types: Set[str],
    spoken: BackendProtocol | None = None,
) -> Filters:
    """The filters in their order.

    Args:
        findings: Takes the backends of mirrors.
        filters: As written.
        types: The types that can be followed.
        spoken: The protocol of a mirror's port without appProtocol; None: HTTP/1.1.

    Raises:
        InvalidRuleError: a filter can't be followed.
    """
    found = NO_FILTERS
    last: dict[str, FieldPath] = {}
    for written, at in filters:
        if written.type not in types:
            raise _unknown(written, at)
        last[written.type] = at
        found = _with(findings, found, written, at, spoken)
    if REDIRECT in last and REWRITE in last:
        why = "RequestRedirect and URLRewrite can't be combined"
        raise InvalidRuleError(_refusal("IncompatibleFilters", why, last[REWRITE]))
    return found


def _with(
    findings: RouteFindings, found: Filters, written: HTTPRouteFilter, at: FieldPath, spoken: BackendProtocol | None
) -> Filters:
    """The filters with another one behind."""
    match written:
        case HTTPRouteFilter(type="RequestHeaderModifier", request_header_modifier=HTTPHeaderFilter() as headers):
            changes = _changes(headers, at.child("requestHeaderModifier"), is_request=True)
            return replace(found, request_headers=found.request_headers | changes)
        case HTTPRouteFilter(type="ResponseHeaderModifier", response_header_modifier=HTTPHeaderFilter() as headers):
            changes = _changes(headers, at.child("responseHeaderModifier"), is_request=False)
            return replace(found, response_headers=found.response_headers | changes)
        case HTTPRouteFilter(type="RequestRedirect", request_redirect=HTTPRequestRedirectFilter() as redirect):
            field = at.child("requestRedirect")
            path = (redirect.path, field.child("path")) if redirect.path else None
            return replace(found, redirect=_redirect(redirect, field), path=path)
        case HTTPRouteFilter(type="URLRewrite", url_rewrite=HTTPURLRewriteFilter() as rewrite):
            field = at.child("urlRewrite")
            host = _host(rewrite.hostname, field.child("hostname")) if rewrite.hostname else found.host
            return replace(found, host=host, path=(rewrite.path, field.child("path")) if rewrite.path else found.path)
        case HTTPRouteFilter(type="RequestMirror", request_mirror=mirrored) if mirrored:
            each = mirror(findings, mirrored, at.child("requestMirror"), spoken)
            return replace(found, mirrors=(*found.mirrors, *((each,) if each else ())))
        case HTTPRouteFilter(type="CORS", cors=allowed) if allowed:
            return replace(found, cors=cors(findings.context, allowed, at.child("cors")))
    raise invalid(f"a filter of type {shown(written.type)} needs the field of that type", at)


def _unknown(written: HTTPRouteFilter, at: FieldPath) -> InvalidRuleError:
    reference = written.extension_ref
    if reference is None:
        return invalid(f"filters of type {shown(written.type)} can't be followed here", at.child("type"))
    named = shown(f"{reference.kind}.{reference.group} {reference.name}")
    return invalid(f"{named} is no filter that is known", at.child("extensionRef"))


def _changes(written: HTTPHeaderFilter, at: FieldPath, *, is_request: bool) -> HeaderChanges:
    """The changes of headers. Of several values to set for one name, the first counts."""
    if sum(map(len, (written.set or (), written.add or (), written.remove or ()))) > MAX_HEADERS:
        raise invalid(f"more than {MAX_HEADERS} headers are changed", at)
    values: dict[str, str] = {}
    for name, value in _headers(written.set, at.child("set"), is_request=is_request):
        values.setdefault(name, value)
    removed = {
        _name(name, at.child("remove", index), is_request=is_request) for index, name in enumerate(written.remove or ())
    }
    added = tuple(_headers(written.add, at.child("add"), is_request=is_request))
    return HeaderChanges(tuple(sorted(values.items())), tuple(sorted(removed)), added)


def _headers(headers: tuple[HTTPHeader, ...] | None, at: FieldPath, *, is_request: bool) -> Iterable[tuple[str, str]]:
    for index, each in enumerate(headers or ()):
        name = _name(each.name, at.child(index, "name"), is_request=is_request)
        if not HEADER_VALUE.fullmatch(each.value):
            raise invalid(f"{shown(each.value)} is no value of a header", at.child(index, "value"))
        yield name, each.value


def _name(written: str, at: FieldPath, *, is_request: bool) -> str:
    name = written.lower()
    if not TOKEN.fullmatch(name):
        raise invalid(f"{shown(written)} is no name of a header", at)
    if name == "host":
        raise invalid("no filter changes the header Host but URLRewrite", at)
    if name in NEVER_SET or (is_request and name.startswith(_OURS)):
        raise invalid(f"no route may change the header {shown(name)}", at)
    return name


def _redirect(written: HTTPRequestRedirectFilter, at: FieldPath) -> RequestRedirect:
    if written.scheme and written.scheme not in _SCHEMES:
        raise invalid(f"scheme {shown(written.scheme)} is neither http nor https", at.child("scheme"))
    if written.status_code not in _STATUSES:
        raise invalid(f"{written.status_code} is none of {', '.join(map(str, _STATUSES))}", at.child("statusCode"))
    if written.port is not None and not 0 < written.port <= 65535:
        raise invalid(f"{written.port} is no port", at.child("port"))
    host = _host(written.hostname, at.child("hostname")) if written.hostname else ""
    return RequestRedirect(written.status_code, written.scheme or "", host, written.port)


def _host(written: str, at: FieldPath) -> str:
    try:
        host = valid_host(written)
    except InvalidError as error:
        raise invalid(str(error), at) from None
    if host.startswith("*"):
        raise invalid(f"{shown(host)} stands for several hosts", at)
    return host


def invalid(why: str, at: FieldPath) -> InvalidRuleError:
    """The error of a filter that can't be followed."""
    return InvalidRuleError(_refusal("UnsupportedValue", why, at))


def _refusal(reason: str, why: str, at: FieldPath) -> Refusal:
    message = f"{why}, so requests that the filter is for get an error"
    return Refusal(reason, message, at, "Correct or remove the filter.")
