"""Redirects that the policy of a route asks for, in place of the backend's answer."""

from typing import Final

from xds.envoyapi.messages import (
    HeaderMatcher,
    HeaderValueOption,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    RegexMatchAndSubstitute,
    RegexMatcher,
    StringMatcher,
)
from xds.resources.header_values import replaced
from xds.resources.place import Place
from xds.resources.rewrites import regex_rewrite
from xds.traffic.actions import KEPT_PATH_AND_QUERY, HostRedirect, LocationBase, Redirect, RequestRedirect

HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
"""The ports of URLs without a port."""

REDIRECT_CODES: Final = {
    301: RedirectActionRedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectActionRedirectResponseCode.FOUND,
    303: RedirectActionRedirectResponseCode.SEE_OTHER,
    307: RedirectActionRedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
}


IS_ROOT: Final = HeaderMatcher(name=":path", string_match=StringMatcher(exact="/"))
"""A matcher of requests for `/` without a query."""

ENDS_IN_SLASH: Final = HeaderMatcher(name=":path", string_match=StringMatcher(safe_regex=RegexMatcher(regex="[^?]*/")))
"""A matcher of requests without a query, as nginx drops the last slash of the whole request line."""

WITHOUT_SLASH: Final = RegexMatchAndSubstitute(pattern=RegexMatcher(regex="^(.*)/$"), substitution=r"\1")
"""Takes the last slash away. Of `/` nothing would be left, so Envoy leaves such a path as it is."""


def redirect_to_path(redirect: Redirect, place: Place) -> RedirectAction:
    """A redirect to a path; a query of the path replaces that of the request, unless the request's is kept."""
    host = place.location_host if redirect.base is LocationBase.HOST else ""
    return RedirectAction(
        host_redirect=host,
        port_redirect=_public_port(place) if host else 0,
        path_redirect=redirect.location,
        strip_query=not redirect.keeps_query,
        response_code=REDIRECT_CODES[redirect.status],
    )


def redirect_of_request(redirect: RequestRedirect, place: Place) -> RedirectAction:
    """A redirect to the request's URL with some parts replaced.

    Envoy keeps the port of a Host that stays. Where clients name a port, the Location names one too, even if the
    scheme's own.
    """
    public, own = _port_and_own(place)
    port, default = redirect.port or public, own
    if redirect.scheme:
        default = HTTPS_PORT if redirect.scheme == "https" else HTTP_PORT
        port = redirect.port or default
    host = redirect.host or place.location_host
    is_named = port != default or (not host and public != own)
    path = redirect.path
    return RedirectAction(
        scheme_redirect=redirect.scheme or None,
        host_redirect=host,
        port_redirect=port if is_named else 0,
        path_redirect=path.path if path and path.is_whole else None,
        prefix_rewrite=path.path if path and path.of_prefix else None,
        regex_rewrite=regex_rewrite(path) if path and path.pattern else None,
        response_code=REDIRECT_CODES[redirect.status],
    )


def redirect_to_host(redirect: HostRedirect, place: Place, *, keeps_slash: bool) -> RedirectAction:
    """A redirect to a host. Scheme and query stay; the port becomes the public one."""
    return RedirectAction(
        host_redirect=redirect.host,
        port_redirect=_public_port(place),
        regex_rewrite=None if keeps_slash else WITHOUT_SLASH,
        response_code=REDIRECT_CODES[redirect.status],
    )


def root_at_host(redirect: HostRedirect, place: Place) -> HeaderValueOption:
    """The Location of the path `/` at a host without its slash, which no redirect of Envoy's takes away."""
    port = _public_port(place)
    header = replaced("location", f"://{redirect.host}{f':{port}' if port else ''}")
    if header.header:
        header.header.value = f"%REQ(:SCHEME)%{header.header.value}"
    return header


def location_header(redirect: Redirect) -> HeaderValueOption:
    """The Location of a redirect to a URL.

    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter
    """
    header = replaced("location", redirect.location)
    if redirect.keeps and header.header:
        kept = "%PATH(WQ:PATH)%" if redirect.keeps == KEPT_PATH_AND_QUERY else "%PATH(NQ:PATH)%"
        header.header.value = header.header.value.replace(redirect.keeps, kept)
    return header


def _public_port(place: Place) -> int:
    """The port that clients see; 0 for the scheme's own."""
    port, own = _port_and_own(place)
    return 0 if port == own else port


def _port_and_own(place: Place) -> tuple[int, int]:
    """The port that clients see, and the scheme's own."""
    options = place.options
    return (options.public_https_port, HTTPS_PORT) if place.tls else (options.public_http_port, HTTP_PORT)
