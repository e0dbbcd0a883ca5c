"""Redirects of plain requests to HTTPS.

Envoy leaves x-forwarded-proto of a trusted proxy alone, so a request that came to that proxy by HTTPS is not
redirected. For other requests Envoy sets the header.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from xds.envoyapi.messages import (
    DirectResponseAction,
    HeaderMatcher,
    Metadata,
    RedirectAction,
    RegexMatchAndSubstitute,
    RegexMatcher,
    RouteMatch,
    StringMatcher,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.resources.header_values import replaced
from xds.resources.options import ProxyOptions
from xds.resources.place import Place
from xds.resources.redirects import ENDS_IN_SLASH, HTTP_PORT, HTTPS_PORT, IS_ROOT, REDIRECT_CODES, WITHOUT_SLASH
from xds.traffic.https_redirect import HttpsRedirect, RedirectWhen


@dataclass(frozen=True, slots=True)
class _Target:
    """One form of the Location.

    Attributes:
        name: The end of the route's name.
        headers: A request for the form matches each.
        port: The port of the Location. 0: the request's, unless 80.
        host: The host of the Location, without the request's port; empty: the request's host.
        rewrite: Of the path; None: the request's path.
    """

    name: str
    headers: tuple[HeaderMatcher, ...] = ()
    port: int = 0
    host: str = ""
    rewrite: RegexMatchAndSubstitute | None = None


def https_redirects(
    asked: HttpsRedirect,
    place: Place,
    match: Callable[[], RouteMatch],
    *,
    takes_root: bool = True,
    of: str = "",
    origin: Metadata | None = None,
) -> Iterator[EnvoyRoute]:
    """The routes of a redirect, the more special Locations first.

    Args:
        asked: The form of the Location.
        place: The requests.
        match: Makes the match of all requests that are redirected.
        takes_root: Whether the match may take the path `/`.
        of: The end of the routes' names.
        origin: The objects that the routes come from; None where several routes share the redirect.
    """
    of = of and f" {of}"
    if takes_root and place.location_host and asked.when is not RedirectWhen.OPERATOR and not asked.keeps_slash:
        yield EnvoyRoute(
            name=f"redirect-https-root{of}",
            match=_narrowed(match(), (IS_ROOT,)),
            metadata=origin,
            direct_response=DirectResponseAction(status=asked.status),
            response_headers_to_add=[replaced("location", _root(asked, place))],
        )
    for target in _targets(asked, place.location_host, place.options):
        yield EnvoyRoute(
            name=f"redirect-https{target.name}{of}",
            match=_narrowed(match(), target.headers),
            metadata=origin,
            redirect=RedirectAction(
                https_redirect=True,
                host_redirect=target.host,
                port_redirect=target.port,
                regex_rewrite=target.rewrite,
                response_code=REDIRECT_CODES[asked.status],
            ),
        )


def _narrowed(match: RouteMatch, headers: Iterable[HeaderMatcher]) -> RouteMatch:
    """The match of plain requests with headers."""
    match.headers.extend((_plain(), *headers))
    return match


def _root(asked: HttpsRedirect, place: Place) -> str:
    """The Location of the path `/` without its slash, which no redirect of Envoy's takes away."""
    port = place.options.public_https_port
    return f"https://{place.location_host}{f':{port}' if asked.names_port or port != HTTPS_PORT else ''}"


def _targets(asked: HttpsRedirect, host: str, options: ProxyOptions) -> Iterator[_Target]:
    if asked.when is RedirectWhen.OPERATOR:
        # A client of the listener's own port is sent to the TLS listener's own port, any other to the public port.
        yield _Target("-port", (_ends_in_port(options.http_port),), options.https_port)
        yield from _with_public_port(options)
        return
    targets = [*_with_public_port(options)]
    if asked.names_port:
        targets = [_Target("", (), options.public_https_port, host)]
    elif host:
        targets = [_Target("", (), _unless(HTTPS_PORT, options.public_https_port), host)]
    for target in targets:
        if not asked.keeps_slash:
            headers = (ENDS_IN_SLASH, *target.headers)
            yield _Target(f"-slash{target.name}", headers, target.port, target.host, WITHOUT_SLASH)
        yield target


def _with_public_port(options: ProxyOptions) -> Iterator[_Target]:
    """The targets for requests that keep their host."""
    if options.public_https_port != HTTPS_PORT:
        yield _Target("-public-port", (), options.public_https_port)
        return
    # Without a port in the redirect, Envoy leaves port 80 out and keeps any other port.
    yield _Target("-public-port", (_has_port(), _ends_in_port(HTTP_PORT, invert=True)), HTTPS_PORT)
    yield _Target("")


def _unless(scheme_port: int, port: int) -> int:
    return 0 if port == scheme_port else port


def _plain() -> HeaderMatcher:
    return HeaderMatcher(name="x-forwarded-proto", string_match=StringMatcher(exact="http"))


def _ends_in_port(port: int, *, invert: bool = False) -> HeaderMatcher:
    return HeaderMatcher(name=":authority", string_match=StringMatcher(suffix=f":{port}"), invert_match=invert)


def _has_port() -> HeaderMatcher:
    """Colons also are within the brackets of an IPv6 address."""
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=RegexMatcher(regex=r".*:[^\]]*")))
