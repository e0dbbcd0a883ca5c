"""Session affinity: a cookie names the endpoint that answers the requests of a client."""

from functools import lru_cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    Cookie,
    CookieAttribute,
    CookieBasedSessionState,
    HeaderBasedSessionState,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    HttpFilter,
    StatefulSession,
    StatefulSessionPerRoute,
    TypedExtensionConfig,
)
from xds.resources.filters.switched import off
from xds.traffic.actions import WeightedBackend
from xds.traffic.affinity import Affinity
from xds.traffic.policy import Policy

NAME = "session-affinity"

_BY_COOKIE: Final = "envoy.http.stateful_session.cookie"
_BY_HEADER: Final = "envoy.http.stateful_session.header"


def session_affinity() -> HttpFilter:
    return off(NAME, StatefulSession())


def session_filters(policy: Policy, *, tls: bool) -> dict[str, Any]:
    """The filter with its configuration, for routes of a policy; empty without affinity."""
    return {NAME: _sessions(policy.affinity, tls=tls)} if policy.affinity else {}


@lru_cache(maxsize=1024)
def _sessions(affinity: Affinity, *, tls: bool) -> Any:
    """Sessions by cookie, or by header.

    Path and Max-Age are plain attributes. In fields of their own they would also decide whether Envoy honours a cookie:
    not outside of the path, and not after the time.
    """
    if affinity.header:
        by_header = codec.pack(HeaderBasedSessionState(name=affinity.header))
        return _for_route(TypedExtensionConfig(name=_BY_HEADER, typed_config=by_header))
    attributes = [CookieAttribute(name=name, value=value) for name, value in affinity.attributes(tls=tls).items()]
    cookie = Cookie(name=affinity.cookie, ttl=affinity.lifetime, attributes=attributes)
    state = codec.pack(CookieBasedSessionState(cookie=cookie))
    return _for_route(TypedExtensionConfig(name=_BY_COOKIE, typed_config=state))


def _for_route(state: TypedExtensionConfig) -> Any:
    return codec.pack(StatefulSessionPerRoute(stateful_session=StatefulSession(session_state=state)))


def share_filters(backend: WeightedBackend) -> dict[str, Any]:
    """The filters of a share of a route's requests, in place of those of the route."""
    return {} if backend.has_sessions else {NAME: codec.pack(StatefulSessionPerRoute(disabled=True))}


def mark(backend: WeightedBackend, affinity: Affinity | None, *, tls: bool) -> list[HeaderValueOption]:
    """The header that marks a session as one of a share; none for a share without mark."""
    if affinity is None or not backend.mark:
        return []
    attributes = {**affinity.attributes(tls=tls), "HttpOnly": ""}
    if affinity.lifetime:
        attributes["Max-Age"] = f"{affinity.lifetime.total_seconds():.0f}"
    parts = (f"{name}={value}" if value else name for name, value in attributes.items())
    cookie = "; ".join((f"{affinity.mark_cookie}={backend.mark}", *parts))
    # A Set-Cookie of the backend stays.
    append = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD
    header = HeaderValue(key="set-cookie", value=cookie.replace("%", "%%"))
    return [HeaderValueOption(header=header, append_action=append)]
