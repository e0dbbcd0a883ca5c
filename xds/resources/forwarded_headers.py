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
from xds.resources.options import ProxyOptions

FORWARDED_PREFIXES: Final = ("x-forwarded-", "x-original-")
FORWARDED_NAMES: Final = ("forwarded", "x-real-ip", "x-rewrite-url", "x-scheme")
"""Headers of the same kind whose names don't begin with one of the prefixes."""

PROXY: Final = "proxy"
"""No header of HTTP: CGI programs take it for the variable HTTP_PROXY, and send their requests through that proxy.

Removed behind trusted proxies too, as by ingress-nginx. Source: https://httpoxy.org/
"""


@functools.cache
def claims_removed(options: ProxyOptions) -> list[TypedExtensionConfig]:
    """The removal of forwarded headers before Envoy reads or sets them; of `Proxy` alone behind trusted proxies.

    The marker of requests for error pages is the proxy's own, and never a client's.
    """
    prefixes, whole_names = ((), (PROXY,)) if options.trusted_hops else (FORWARDED_PREFIXES, (*FORWARDED_NAMES, PROXY))
    by_prefix = [
        HeaderMutation(remove_on_match=HeaderMutationRemoveOnMatch(key_matcher=StringMatcher(prefix=prefix)))
        for prefix in prefixes
    ]
    by_name = [HeaderMutation(remove=name) for name in (*whole_names, MARKER)]
    removal = codec.pack(EarlyHeaderMutation(mutations=[*by_prefix, *by_name]))
    return [TypedExtensionConfig(name="envoy.http.early_header_mutation.header_mutation", typed_config=removal)]


@functools.cache
def forwarded_headers(options: ProxyOptions, *, tls: bool) -> list[HeaderValueOption]:
    """The headers that every request to a backend gets, beside those that Envoy sets by itself.

    Values of trusted proxies stay, except x-real-ip, which Envoy derives from x-forwarded-for. Trusted proxies alone
    know the port that clients see.
    """
    kept = HeaderValueOptionHeaderAppendAction.ADD_IF_ABSENT
    replaced = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    headers = [
        _header("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", replaced),
        _header("x-forwarded-host", "%REQ(:AUTHORITY)%", kept),
        _header("x-forwarded-scheme", "%REQ(X-FORWARDED-PROTO)%", kept),
        _header("x-scheme", "%REQ(X-FORWARDED-PROTO)%", kept),
    ]
    if not options.trusted_hops:
        port = options.public_https_port if tls else options.public_http_port
        headers.append(_header("x-forwarded-port", str(port), kept))
    return headers


def _header(name: str, value: str, action: HeaderValueOptionHeaderAppendAction) -> HeaderValueOption:
    return HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=action)
