"""The RouteMatch of a route: path, headers and cookies of a request."""

from xds.envoyapi.messages import CookieMatcher, HeaderMatcher, RegexMatcher, RouteMatch, StringMatcher
from xds.traffic.conditions import Comparison, CookieCondition, HeaderCondition, SessionCondition
from xds.traffic.regex import found_anywhere, is_literal, whole_path
from xds.traffic.routes import PathType, Route


def route_match(route: Route, guards: tuple[HeaderMatcher, ...], instead: str = "") -> RouteMatch:
    """The match of a route; by the prefix `instead` in place of the route's path, if there is one."""
    match = _path_match(route, instead)
    if guards:
        match.headers.extend(guards)
    for condition in route.conditions:
        if isinstance(condition, HeaderCondition):
            match.headers.append(_header(condition))
        else:
            match.cookies.append(_cookie(condition))
    return match


def _path_match(route: Route, instead: str) -> RouteMatch:
    prefix = route.path.rstrip("/")
    if instead or (route.path_type is PathType.PREFIX and not prefix):
        return RouteMatch(prefix=instead or "/")
    match route.path_type:
        case PathType.REGEX if is_literal(route.path):
            return RouteMatch(prefix=route.path, case_sensitive=False)
        case PathType.REGEX:
            return RouteMatch(safe_regex=RegexMatcher(regex=whole_path(route.path)))
        case PathType.EXACT:
            return RouteMatch(path=route.path)
    return RouteMatch(path_separated_prefix=prefix)


def _header(condition: HeaderCondition) -> HeaderMatcher:
    if condition.comparison is Comparison.FOUND:
        regex = RegexMatcher(regex=found_anywhere(condition.value))
        return HeaderMatcher(name=condition.name, string_match=StringMatcher(safe_regex=regex))
    return HeaderMatcher(name=condition.name, string_match=StringMatcher(exact=condition.value))


def _cookie(condition: CookieCondition | SessionCondition) -> CookieMatcher:
    return CookieMatcher(name=condition.name, string_match=StringMatcher(exact=condition.value))


def more_labels_than(wildcard: str) -> HeaderMatcher:
    """A matcher of hosts, with or without a port, that have several labels in place of the wildcard.

    Envoy has matched the end of the host by the domain, so the regex counts dots. Letters would make a regex program
    larger than Envoy accepts even for hosts of moderate length (`translate.names.MAX_WILDCARD_CHARACTERS`), above all
    `k` and `s`, which have other cases in Unicode. Everything behind the last colon counts as the port.
    """
    one_label = RegexMatcher(regex=rf"(?:[^.]*[.]){{{wildcard.count('.')}}}[^.]*(?::[^:]*)?")
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=one_label), invert_match=True)
