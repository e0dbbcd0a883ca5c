"""Headers that tell a backend about the client and the client's connection.

Proxies in front of Envoy set the same headers. Without such proxies the headers of a request are a stranger's claims.
"""

import functools
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    EarlyHeaderMutation,
    HeaderMutation,
    HeaderMutationRemoveOnMatch,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    StringMatcher,
    TypedExtensionConfig,
)
from xds.resources.filters.error_pages import MARKER
from xds.resources.filters.forged_headers import VERIFIED_HEADERS
from xds.resources.options import ProxyOptions
from xds.traffic.listeners import RequestHeaders

FORWARDED_PREFIXES: Final = ("x-forwarded-", "x-original-")
FORWARDED_NAMES: Final = ("forwarded", "x-real-ip", "x-rewrite-url", "x-scheme")
"""Headers of the same kind whose names don't begin with one of the prefixes."""

PROXY: Final = "proxy"
"""No header of HTTP: CGI programs take it for the variable HTTP_PROXY, and send their requests through that proxy.

Removed behind trusted proxies too, as by ingress-nginx. Source: https://httpoxy.org/
"""


_TOLD: Final = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-scheme")
"""Headers that ingress-nginx replaces. Others that begin alike, such as x-forwarded-prefix, pass as sent."""

_CLAIMED: Final = {
    "x-original-forwarded-for": "%REQ(X-FORWARDED-FOR)%",
    "x-original-forwarded-host": "%REQ(X-FORWARDED-HOST)%",
}
"""The client's own words under another name, as ingress-nginx passes them on. Without a word there is no header."""

_KEPT: Final = HeaderValueOptionHeaderAppendAction.ADD_IF_ABSENT
_REPLACED: Final = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
_APPENDED: Final = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD


@functools.cache
def claims_removed(options: ProxyOptions) -> list[TypedExtensionConfig]:
    """The removal of forwarded headers before Envoy reads or sets them; of `Proxy` alone behind trusted proxies.

    The marker of requests for error pages is the proxy's own, and never a client's. With ingress-nginx's defaults, a
    client can't claim a verified certificate on any host.
    """
    requests = options.policy.requests
    mutations: list[HeaderMutation] = []
    if requests.keeps_claims and options.writes_address:
        mutations.append(_without_prefix("x-original-"))
        mutations += [HeaderMutation(append=_header(name, value, _REPLACED)) for name, value in _CLAIMED.items()]
    if options.writes_address:
        mutations += [HeaderMutation(remove=name) for name in _untrusted(requests)]
    elif not options.trusted_hops:
        mutations += map(_without_prefix, FORWARDED_PREFIXES)
        mutations += [HeaderMutation(remove=name) for name in FORWARDED_NAMES]
    if requests.keeps_claims:
        mutations += [HeaderMutation(remove=name) for name in VERIFIED_HEADERS]
    mutations += [HeaderMutation(remove=name) for name in (PROXY, MARKER)]
    removal = codec.pack(EarlyHeaderMutation(mutations=mutations))
    return [TypedExtensionConfig(name="envoy.http.early_header_mutation.header_mutation", typed_config=removal)]


def _untrusted(requests: RequestHeaders) -> tuple[str, ...]:
    """The forwarded headers whose words don't count, as in ingress-nginx."""
    trusted = requests.trusted
    if trusted is None:
        told = _TOLD[1:] if requests.appends_address else _TOLD
        return (*told, *FORWARDED_NAMES)
    # x-forwarded-for is replaced once the address is known.
    return ("x-real-ip", "x-scheme", "x-forwarded-scheme", *(() if trusted.believed else _TOLD[1:4]))


def _without_prefix(prefix: str) -> HeaderMutation:
    return HeaderMutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=StringMatcher(prefix=prefix)))


@functools.cache
def forwarded_headers(options: ProxyOptions, *, tls: bool) -> list[HeaderValueOption]:
    """The headers that every request to a backend gets, beside those that Envoy sets by itself.

    Values of trusted proxies stay, except x-real-ip, which Envoy derives from x-forwarded-for. Trusted proxies alone
    know the port that clients see.
    """
    requests = options.policy.requests
    headers = [
        _header("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", _REPLACED),
        _header("x-forwarded-host", "%REQ(:AUTHORITY)%", _KEPT),
        _header("x-forwarded-scheme", "%REQ(X-FORWARDED-PROTO)%", _KEPT),
        _header("x-scheme", "%REQ(X-FORWARDED-PROTO)%", _KEPT),
    ]
    if options.writes_address or not options.trusted_hops:
        port = options.public_https_port if tls else options.public_http_port
        headers.append(_header("x-forwarded-port", str(port), _KEPT))
    if options.writes_address and requests.appends_address:
        headers.append(_header("x-forwarded-for", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", _APPENDED))
    elif options.writes_address:
        headers.append(_header("x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", _REPLACED))
    if requests.original_uri:
        headers.append(_header("x-original-uri", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", _REPLACED))
    return headers + [_header(name, value, _REPLACED) for name, value in requests.written]


def _header(name: str, value: str, action: HeaderValueOptionHeaderAppendAction) -> HeaderValueOption:
    return HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=action)
