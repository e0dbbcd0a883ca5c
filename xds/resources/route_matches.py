"""The RouteMatch of a route: path, headers and cookies of a request."""

from xds.envoyapi.messages import (
    CookieMatcher,
    HeaderMatcher,
    QueryParameterMatcher,
    RegexMatcher,
    RouteMatch,
    StringMatcher,
)
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
from xds.traffic.regex import found_anywhere, is_literal, whole_path
from xds.traffic.routes import PathType, Route


def route_match(route: Route, guards: tuple[HeaderMatcher, ...], instead: str = "") -> RouteMatch:
    """The match of a route; by the prefix `instead` in place of the route's path, if there is one."""
    match = _path_match(route, instead)
    if guards:
        match.headers.extend(guards)
    for condition in route.conditions:
        _add(match, condition)
    return match


def _add(match: RouteMatch, condition: Condition) -> None:
    match condition:
        case HeaderCondition(name, value, comparison):
            match.headers.append(HeaderMatcher(name=name, string_match=_matcher(value, comparison)))
        case MethodCondition(method):
            match.headers.append(HeaderMatcher(name=":method", string_match=StringMatcher(exact=method)))
        case GrpcMethodCondition(method):
            match.headers.append(HeaderMatcher(name=":path", string_match=StringMatcher(suffix=f"/{method}")))
        case QueryCondition(name, value, comparison):
            matcher = _matcher(value, comparison)
            match.query_parameters.append(QueryParameterMatcher(name=name, string_match=matcher))
        case CookieCondition(name, value) | SessionCondition(name, value):
            match.cookies.append(CookieMatcher(name=name, string_match=StringMatcher(exact=value)))


def _path_match(route: Route, instead: str) -> RouteMatch:
    prefix = route.path.rstrip("/")
    if instead or (route.path_type is PathType.PREFIX and not prefix):
        return RouteMatch(prefix=instead or "/")
    match route.path_type:
        case PathType.REGEX if is_literal(route.path):
            return RouteMatch(prefix=route.path, case_sensitive=False)
        case PathType.REGEX:
            return RouteMatch(safe_regex=RegexMatcher(regex=whole_path(route.path)))
        case PathType.WHOLE_REGEX:
            return RouteMatch(safe_regex=RegexMatcher(regex=route.path))
        case PathType.EXACT:
            return RouteMatch(path=route.path)
    return RouteMatch(path_separated_prefix=prefix)


def _matcher(value: str, comparison: Comparison) -> StringMatcher:
    if comparison is Comparison.EQUAL:
        return StringMatcher(exact=value)
    regex = found_anywhere(value) if comparison is Comparison.FOUND else value
    return StringMatcher(safe_regex=RegexMatcher(regex=regex))


def more_labels_than(wildcard: str) -> HeaderMatcher:
    """A matcher of hosts, with or without a port, that have several labels in place of the wildcard.

    Envoy has matched the end of the host by the domain, so the regex counts dots. Letters would make a regex program
    larger than Envoy accepts even for hosts of moderate length (`translate.names.MAX_WILDCARD_CHARACTERS`), above all
    `k` and `s`, which have other cases in Unicode. Everything behind the last colon counts as the port.
    """
    one_label = RegexMatcher(regex=rf"(?:[^.]*[.]){{{wildcard.count('.')}}}[^.]*(?::[^:]*)?")
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=one_label), invert_match=True)
