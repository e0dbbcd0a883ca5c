"""Redirects of plain requests to HTTPS."""

from collections.abc import Iterator
from typing import Final

from xds.envoyapi.messages import (
    HeaderMatcher,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    RegexMatcher,
    StringMatcher,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.resources.domains import Domain
from xds.resources.options import ProxyOptions
from xds.resources.route_matches import every_path

HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
"""The ports of URLs without a port."""


def https_redirects(domain: Domain, options: ProxyOptions) -> Iterator[EnvoyRoute]:
    """Redirects of plain requests to HTTPS. A client of the listener's own port is sent to the TLS listener's own port,
    any other client to the public port.

    Envoy leaves x-forwarded-proto of a trusted proxy alone, so a request that came to that proxy by HTTPS is not
    redirected. For other requests Envoy sets the header.
    """
    if not domain.redirected:
        return
    plain = HeaderMatcher(name="x-forwarded-proto", string_match=StringMatcher(exact="http"))
    yield _redirect("redirect-https-port", [plain, _ends_in_port(options.http_port)], options.https_port)
    if options.public_https_port == HTTPS_PORT:
        # Without a port in the redirect, Envoy leaves port 80 out and keeps any other port.
        keeps_port = [plain, _has_port(), _ends_in_port(HTTP_PORT, invert=True)]
        yield _redirect("redirect-https-public-port", keeps_port, HTTPS_PORT)
        yield _redirect("redirect-https", [plain], 0)
    else:
        yield _redirect("redirect-https-public-port", [plain], options.public_https_port)


def _ends_in_port(port: int, *, invert: bool = False) -> HeaderMatcher:
    return HeaderMatcher(name=":authority", string_match=StringMatcher(suffix=f":{port}"), invert_match=invert)


def _has_port() -> HeaderMatcher:
    """Colons also are within the brackets of an IPv6 address."""
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=RegexMatcher(regex=r".*:[^\]]*")))


def _redirect(name: str, headers: list[HeaderMatcher], port: int) -> EnvoyRoute:
    """A permanent redirect to HTTPS, to a port or (0) to the request's."""
    return EnvoyRoute(
        name=name,
        match=every_path(headers),
        redirect=RedirectAction(
            https_redirect=True,
            port_redirect=port,
            response_code=RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
        ),
    )
