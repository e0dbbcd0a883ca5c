"""From a route of the traffic model to a rule of an HTTPRoute."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from xds.traffic.actions import Forward, HostRedirect, LocationBase, Redirect
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.conditions import (
    Comparison,
    Condition,
    CookieCondition,
    GrpcMethodCondition,
    HeaderCondition,
    MethodCondition,
    QueryCondition,
    SessionCondition,
)
from xds.traffic.cors import Cors
from xds.traffic.headers import HeaderChanges
from xds.traffic.mirror import EVERY_REQUEST
from xds.traffic.policy import Policy
from xds.traffic.regex import found_anywhere, whole_path
from xds.traffic.routes import PathType, Route
from xds.translate.gateway.rules.durations import duration_text

_BELOW: Final = re.compile(r"(?P<prefix>(?:/[A-Za-z0-9_~.-]+)+)(?:\(/\|\$\)\(\.\*\)|/\(\.\*\))")
"""The usual expressions for a path and all paths below: `/app(/|$)(.*)` and `/app/(.*)`."""

_KEPT: Final = re.compile(r"(?P<base>/(?:[A-Za-z0-9_~.-]+/)*)\\[12]")
"""The usual rewrites of those: `/$2` and `/base/$2`."""

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class UnsaidError(ValueError):
    """A route that the Gateway API has no words for. The text says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one match.

    Attributes:
        match: An HTTPRouteMatch.
        rest: The other fields of the rule.
        differences: In words.
    """

    match: dict[str, Any]
    rest: dict[str, Any]
    differences: tuple[str, ...] = ()


def rule_of(route: Route, backends: Mapping[BackendKey, Backend]) -> Rule:
    """The rule of a route.

    Raises:
        UnsaidError: the API has no words for the route.
    """
    differences: list[str] = []
    path, rewrite = _path(route)
    match: dict[str, Any] = {"path": path}
    for condition in route.conditions:
        _add_condition(match, condition)
    filters = [*_filters(route.policy)]
    rest: dict[str, Any] = {}
    if isinstance(route.action, Redirect | HostRedirect):
        redirect = _host_redirect(route.action) if isinstance(route.action, HostRedirect) else _redirect(route.action)
        if isinstance(route.action, Redirect) and not route.action.keeps_query and not route.action.keeps:
            differences.append("the Location of a redirect has the query of the request")
        filters.append({"type": "RequestRedirect", "requestRedirect": redirect})
    elif route.policy.error_pages and route.policy.error_pages.instead:
        raise UnsaidError("the default backend answers, because no other can be used")
    elif isinstance(route.action, Forward) and route.action.shares:
        filters += _rewrites(route, rewrite, backends)
        filters += [_mirror(each.backend, each.millionths) for each in route.policy.mirrors]
        rest["backendRefs"] = [_backend_ref(each.key, each.weight) for each in route.action.shares]
        if route.policy.timeouts.whole:
            rest["timeouts"] = {"request": duration_text(route.policy.timeouts.whole)}
        if route.policy.affinity:
            rest["sessionPersistence"] = _sessions(route.policy.affinity.cookie, route.policy.affinity.max_age)
    else:
        raise UnsaidError("no backend can be used, or the answer is neither a backend's nor a redirect")
    if filters:
        rest["filters"] = filters
    return Rule(match, rest, tuple(differences))


def path_match(route: Route) -> dict[str, Any]:
    """The match of a route's path.

    Raises:
        UnsaidError: the API has no words for the path with its rewrite.
    """
    return _path(route)[0]


def _path(route: Route) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The match of the path, and the rewrite that depends on how the path matches."""
    rewrite = route.policy.rewrite
    if rewrite and rewrite.pattern:
        below, kept = _BELOW.fullmatch(route.path), _KEPT.fullmatch(rewrite.path)
        if not (below and kept):
            raise UnsaidError(f"the path {route.path} is rewritten with groups of its expression")
        replacement = {"type": "ReplacePrefixMatch", "replacePrefixMatch": kept["base"]}
        return {"type": "PathPrefix", "value": below["prefix"]}, replacement
    modifier = {"type": "ReplaceFullPath", "replaceFullPath": rewrite.path} if rewrite else None
    if route.path_type is PathType.REGEX and route.path != "/":
        return {"type": "RegularExpression", "value": whole_path(route.path)}, modifier
    if route.path_type is PathType.WHOLE_REGEX:
        return {"type": "RegularExpression", "value": route.path}, modifier
    return {"type": "Exact" if route.path_type is PathType.EXACT else "PathPrefix", "value": route.path}, modifier


def _add_condition(match: dict[str, Any], condition: Condition) -> None:
    match condition:
        case HeaderCondition(name, value, comparison):
            match.setdefault("headers", []).append(_value(name, value, comparison))
        case QueryCondition(name, value, comparison):
            match.setdefault("queryParams", []).append(_value(name, value, comparison))
        case MethodCondition(method):
            match["method"] = method
        case CookieCondition(name, value):
            expression = rf"(?:.*;)?\s*{re.escape(name)}={re.escape(value)}\s*(?:;.*)?"
            match.setdefault("headers", []).append(_value("cookie", expression, Comparison.WHOLE))
        case SessionCondition() | GrpcMethodCondition():
            raise UnsaidError("sessions stay with a canary")


def _value(name: str, value: str, comparison: Comparison) -> dict[str, Any]:
    if comparison is Comparison.EQUAL:
        return {"name": name, "value": value}
    expression = found_anywhere(value) if comparison is Comparison.FOUND else value
    return {"type": "RegularExpression", "name": name, "value": expression}


def _filters(policy: Policy) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    request = policy.request_headers
    if policy.forwarded_prefix:
        request |= HeaderChanges((("x-forwarded-prefix", policy.forwarded_prefix),))
    for type_, field, changes in (
        ("RequestHeaderModifier", "requestHeaderModifier", request),
        ("ResponseHeaderModifier", "responseHeaderModifier", policy.response_headers),
    ):
        values: dict[str, Any] = {}
        if changes.values:
            values["set"] = [{"name": name, "value": value} for name, value in changes.values]
        if changes.removed:
            values["remove"] = list(changes.removed)
        if changes.added:
            values["add"] = [{"name": name, "value": value} for name, value in changes.added]
        if values:
            found.append({"type": type_, field: values})
    return [*found, *([{"type": "CORS", "cors": _cors(policy.cors)}] if policy.cors else [])]


def _cors(cors: Cors) -> dict[str, Any]:
    lists = {"allowMethods": cors.methods, "allowHeaders": cors.headers, "exposeHeaders": cors.exposed_headers}
    split = {name: [each.strip() for each in text.split(",") if each.strip()] for name, text in lists.items()}
    origins = [each for group in cors.origins for each in group]
    if "null" in origins:
        raise UnsaidError("CORS allows the origin null")
    return {
        "allowOrigins": origins or ["*"],
        **{name: listed for name, listed in split.items() if listed},
        "allowCredentials": cors.credentials,
        "maxAge": max(1, cors.max_age_seconds),
    }


def _redirect(action: Redirect) -> dict[str, Any]:
    location = action.location
    if action.keeps:
        if not location.endswith(action.keeps):
            raise UnsaidError(f"the Location {location} has the path of the request inside")
        location = location.removesuffix(action.keeps)
    url = urlsplit(location)
    found: dict[str, Any] = {"statusCode": action.status}
    if action.base is LocationBase.NONE and url.scheme:
        if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.hostname or "") or url.query or url.fragment:
            raise UnsaidError(f"the Location {location} is no URL of scheme, host and path")
        found |= {"scheme": url.scheme, "hostname": url.hostname}
        found |= {"port": url.port} if url.port else {}
    elif url.query or url.fragment:
        raise UnsaidError(f"the Location {location} has a query")
    if action.keeps and url.path:
        raise UnsaidError(f"the Location {location} has the path of the request behind another")
    if not action.keeps:
        found["path"] = {"type": "ReplaceFullPath", "replaceFullPath": url.path or "/"}
    return found


def _host_redirect(action: HostRedirect) -> dict[str, Any]:
    return {"hostname": action.host, "statusCode": action.status}


def _rewrites(
    route: Route, path: dict[str, Any] | None, backends: Mapping[BackendKey, Backend]
) -> list[dict[str, Any]]:
    host = route.policy.upstream_host
    main = backends.get(route.backend) if route.backend else None
    if host and main and host == main.host:
        host = ""  # of a Service of type ExternalName, for HTTPRoutes too
    if host and not _HOST.fullmatch(host):
        raise UnsaidError(f"the backend is sent the Host {host}")
    found = ({"hostname": host} if host else {}) | ({"path": path} if path else {})
    return [{"type": "URLRewrite", "urlRewrite": found}] if found else []


def _mirror(backend: BackendKey, millionths: int) -> dict[str, Any]:
    found: dict[str, Any] = {"backendRef": _backend_ref(backend, 1)}
    if millionths != EVERY_REQUEST:
        found["fraction"] = {"numerator": millionths, "denominator": EVERY_REQUEST}
    return {"type": "RequestMirror", "requestMirror": found}


def _backend_ref(key: BackendKey | None, weight: int) -> dict[str, Any]:
    if key is None or "." in key.service or ":" in key.service:
        raise UnsaidError("a backend is no Service")
    return {"name": key.service, "port": key.port} | ({"weight": weight} if weight != 1 else {})


def _sessions(cookie: str, max_age: int | None) -> dict[str, Any]:
    if max_age is None or max_age <= 0:
        return {"sessionName": cookie, "type": "Cookie"}
    lifetime = {"absoluteTimeout": f"{max_age}s", "cookieConfig": {"lifetimeType": "Permanent"}}
    return {"sessionName": cookie, "type": "Cookie", **lifetime}
