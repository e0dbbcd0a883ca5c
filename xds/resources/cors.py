"""CORS: the headers of answers, and the matchers of the routes that a route with CORS becomes.

Envoy's own filter for CORS sets fewer headers, leaves redirects alone, and takes nothing but a request with
Access-Control-Request-Method for a preflight.
"""

from typing import Final

from xds.envoyapi.messages import (
    HeaderMatcher,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    RegexMatcher,
    StringMatcher,
)
from xds.resources.header_values import changed_headers, formatted, replaced
from xds.traffic.cors import ASKED_METHOD, PREFLIGHT_METHOD, Cors, pattern
from xds.traffic.policy import Policy

_ORIGIN: Final = "origin"

_IS_OPTIONS: Final = HeaderMatcher(name=":method", string_match=StringMatcher(exact=PREFLIGHT_METHOD))
_ASKS_METHOD: Final = HeaderMatcher(name=ASKED_METHOD, present_match=True)
_HAS_ORIGIN: Final = HeaderMatcher(name=_ORIGIN, present_match=True)


def is_preflight(cors: Cors) -> tuple[HeaderMatcher, ...]:
    """The matchers of preflights, whatever the origin."""
    return (_IS_OPTIONS, _ASKS_METHOD, _HAS_ORIGIN) if cors.is_strict else (_IS_OPTIONS,)


def from_other_origins(cors: Cors) -> tuple[HeaderMatcher, ...]:
    """The matchers of requests that no group of origins allows."""
    return tuple(
        HeaderMatcher(
            name=_ORIGIN,
            string_match=_is_of(group),
            invert_match=True,
            # Without this field, no request without the header matches, inverted or not.
            treat_missing_header_as_empty=True,
        )
        for group in cors.origins
    )


def _is_of(origins: tuple[str, ...]) -> StringMatcher:
    if len(origins) == 1 and "*" not in origins[0]:
        return StringMatcher(exact=origins[0], ignore_case=True)
    return StringMatcher(safe_regex=RegexMatcher(regex=pattern(origins)))


def route_headers(policy: Policy, *, allowed: bool) -> list[HeaderValueOption]:
    """The headers that a policy sets on answers, in place of the backend's own; those of CORS last, which count.

    Args:
        policy: Of the route.
        allowed: Whether its CORS allows the origin. Caches keep answers that depend on the origin apart, of any origin.
    """
    headers = changed_headers(policy.response_headers)
    if policy.cors:
        headers += _of_allowed(policy.cors) if allowed else []
        headers += [_vary()] if policy.cors.origins else []
    return headers


def _of_allowed(cors: Cors) -> list[HeaderValueOption]:
    origin = formatted("access-control-allow-origin", "%REQ(origin)%") if cors.origins else None
    values = {
        "access-control-allow-credentials": "true" if cors.credentials else "",
        "access-control-allow-methods": cors.methods,
        "access-control-allow-headers": cors.headers,
        "access-control-expose-headers": cors.exposed_headers,
        "access-control-max-age": str(cors.max_age_seconds),
    }
    asked = _ASKED if cors.credentials else {}
    return [
        origin or replaced("access-control-allow-origin", "*"),
        *(
            formatted(name, f"%REQ({asked[name]})%") if value == "*" and name in asked else replaced(name, value)
            for name, value in values.items()
            if value
        ),
    ]


_ASKED: Final = {
    "access-control-allow-methods": ASKED_METHOD,
    "access-control-allow-headers": "access-control-request-headers",
}
"""The headers of preflights that are echoed: with credentials, browsers take `*` for a name. A request without the
header gets none.
"""


def _vary() -> HeaderValueOption:
    append = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD
    return HeaderValueOption(header=HeaderValue(key="vary", value=_ORIGIN), append_action=append)
