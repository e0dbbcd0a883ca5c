"""Redirects in words: why a request is redirected to HTTPS or isn't, and the Location of each redirect."""

import re
from typing import Final

from xds.explain.answer import Redirect as HttpsRedirectStep
from xds.explain.answer import RedirectOutcome
from xds.explain.request import Request, normalized, without_trailing_dot
from xds.problems.text import shown
from xds.resources.options import ProxyOptions
from xds.resources.redirects import HTTP_PORT, HTTPS_PORT
from xds.traffic.actions import KEPT_PATH_AND_QUERY, HostRedirect, LocationBase, Redirect, RequestRedirect
from xds.traffic.hosts import NO_HOST, is_beginning, is_wildcard
from xds.traffic.https_redirect import RedirectWhen
from xds.traffic.regex import compiled
from xds.traffic.rewrite import Rewrite
from xds.traffic.routes import Route

_REDIRECTIONS: Final = {
    RedirectOutcome.OFF: "stays plain: --redirect-https is off",
    RedirectOutcome.ANSWERED: "stays plain: the route's own answer precedes a redirect to HTTPS",
    RedirectOutcome.NOT_WANTED: "stays plain: ssl-redirect is false for the path, or it is one of ACME challenges",
    RedirectOutcome.NOT_COVERED: "stays plain: no TLS entry covers the host",
    RedirectOutcome.FORCED: "redirected to HTTPS: force-ssl-redirect is true for the path",
    RedirectOutcome.NO_CERTIFICATE: "redirected to HTTPS, which is closed: {pattern} has no usable certificate",
    RedirectOutcome.CHALLENGE: "stays plain: a path of an Ingress below /.well-known/acme-challenge/ answers",
    RedirectOutcome.OTHER_HOST: "not redirected to HTTPS, as another host comes first",
    RedirectOutcome.CAME_BY_HTTPS: "came by HTTPS, as x-forwarded-proto of a trusted proxy says",
    RedirectOutcome.REDIRECTED: "redirected to HTTPS: TLS host {pattern} covers the host and {why}",
}


def reason(step: HttpsRedirectStep) -> str:
    """Why a plain request is redirected to HTTPS, or isn't."""
    by_operator = step.asked.when is RedirectWhen.OPERATOR
    why = "--redirect-https is on" if by_operator else "ssl-redirect is true for the path"
    return _REDIRECTIONS[step.outcome].format(pattern=shown(step.pattern), why=why)


def https_location(request: Request, step: HttpsRedirectStep, options: ProxyOptions) -> str:
    """The Location that Envoy derives from the routes of `xds.resources.https_redirects`."""
    asked, (path, mark, query) = step.asked, request.path.partition("?")
    path = normalized(path, merge_slashes=options.merge_slashes)
    if asked.when is RedirectWhen.OPERATOR:
        return f"https://{_with_own_port(request, options)}{path}{mark}{query}"
    if not asked.keeps_slash and not mark:
        path = path.removesuffix("/") or ("" if step.domain else "/")
    port = options.public_https_port
    host = step.domain or _without_port(without_trailing_dot(request.authority))
    if asked.names_port or port != HTTPS_PORT:
        host = f"{host}:{port}"
    elif not step.domain:
        host = _with_public_port(request, options)
    return f"https://{host}{path}{mark}{query}"


def _with_own_port(request: Request, options: ProxyOptions) -> str:
    """The plain listener's own port becomes the TLS listener's; otherwise the public HTTPS port applies."""
    authority = without_trailing_dot(request.authority)
    if authority.endswith(f":{options.http_port}"):
        return f"{_without_port(authority)}:{options.https_port}"
    return _with_public_port(request, options)


def _with_public_port(request: Request, options: ProxyOptions) -> str:
    """The host of a request with the public HTTPS port, which is left out if clients expect the port."""
    authority = without_trailing_dot(request.authority)
    is_public = options.public_https_port == HTTPS_PORT
    if is_public and (authority.endswith(f":{HTTP_PORT}") or not _PORT.fullmatch(authority)):
        return authority.removesuffix(f":{HTTP_PORT}")
    return f"{_without_port(authority)}:{options.public_https_port}"


_PORT: Final = re.compile(r".*:[^\]]*")


def _without_port(authority: str) -> str:
    """The host as Envoy finds the host of a Location: without a port, valid or not.

    Source: https://github.com/envoyproxy/envoy/blob/main/source/common/router/config_impl.cc, processRequestHost
    """
    if authority.startswith("["):
        host, bracket, _ = authority.rpartition("]:")
        return f"{host}]" if bracket else authority
    return authority.rpartition(":")[0] if ":" in authority else authority


def path_location(request: Request, redirect: Redirect, domain: str, options: ProxyOptions) -> str:
    """The Location of a redirect in place of the backend's answer.

    Args:
        request: The request.
        redirect: The answer.
        domain: Of the virtual host that answers.
        options: Settings of the listeners.
    """
    if redirect.base is LocationBase.NONE:
        return _kept(request, redirect, options)
    scheme = _scheme(request, options)
    authority = without_trailing_dot(request.authority)
    if options.trusted_hops and request.forwarded_proto in ("HTTP", "HTTPS"):  # not Envoy's own word for the scheme
        authority = authority.removesuffix(f":{HTTPS_PORT if scheme == 'https' else HTTP_PORT}")
    if redirect.base is LocationBase.HOST and _is_name(domain):
        authority = _with_listener_port(domain, request, options)
    _, mark, query = request.path.partition("?")
    kept = f"{mark}{query}" if redirect.keeps_query else ""
    return f"{scheme}://{authority}{redirect.location}{kept}"


def _kept(request: Request, redirect: Redirect, options: ProxyOptions) -> str:
    if not redirect.keeps:
        return redirect.location
    path = normalized(request.path, merge_slashes=options.merge_slashes)
    _, mark, query = request.path.partition("?")
    kept = f"{path}{mark}{query}" if redirect.keeps == KEPT_PATH_AND_QUERY else path
    return redirect.location.replace(redirect.keeps, kept)


def redirect_words(redirect: RequestRedirect) -> str:
    """The status of a redirect, and the parts of the URL that are replaced."""
    path = redirect.path.path if redirect.path else ""
    parts = {"scheme": redirect.scheme, "host": redirect.host, "port": redirect.port, "path": path}
    replaced = ", ".join(f"{name} {value}" for name, value in parts.items() if value)
    return f"answers {redirect.status}, to the request's URL{f' with {replaced}' if replaced else ''}"


def request_location(
    request: Request, redirect: RequestRedirect, route: Route, domain: str, options: ProxyOptions
) -> str:
    """The Location of a redirect to the request's URL with parts replaced.

    Args:
        request: The request.
        redirect: The answer.
        route: Has the answer.
        domain: Of the virtual host that answers.
        options: Settings of the listener.
    """
    public, own = (options.public_https_port, HTTPS_PORT) if request.https else (options.public_http_port, HTTP_PORT)
    default = _SCHEMES.get(redirect.scheme, own)
    port = redirect.port or (default if redirect.scheme else public)
    host = redirect.host or ("" if options.trusted_hops or not _is_name(domain) else domain)
    if port != default or (not host and public != own):
        host = f"{host or _without_port(without_trailing_dot(request.authority))}:{port}"
    scheme = redirect.scheme or _scheme(request, options)
    if not host:
        host = without_trailing_dot(request.authority)
        if scheme != _scheme(request, options):
            host = host.removesuffix(f":{own}")
    path = changed_path(normalized(request.path, merge_slashes=options.merge_slashes), route, redirect.path)
    _, mark, query = request.path.partition("?")
    return f"{scheme}://{host}{path}{mark}{query}"


_SCHEMES: Final = {"http": HTTP_PORT, "https": HTTPS_PORT}


def changed_path(path: str, route: Route, rewrite: Rewrite | None) -> str:
    """The normalized path of a request after a rewrite, for a route that matches."""
    if rewrite is None:
        return path
    if rewrite.pattern:
        return str(compiled(rewrite.pattern).sub(rewrite.path, path))
    return rewrite.path + path[len(route.path.rstrip("/") or "/") :] if rewrite.of_prefix else rewrite.path


def _is_name(domain: str) -> bool:
    return domain not in (NO_HOST, "*") and not is_wildcard(domain) and not is_beginning(domain)


def location_at_host(request: Request, redirect: HostRedirect, options: ProxyOptions) -> str:
    """The Location of a redirect to another host: the request's scheme, the public port, no slash at the end."""
    path = normalized(request.path, merge_slashes=options.merge_slashes)
    _, mark, query = request.path.partition("?")
    kept = path if mark else path.removesuffix("/")
    host = _with_listener_port(redirect.host, request, options)
    return f"{_scheme(request, options)}://{host}{kept}{mark}{query}"


def _with_listener_port(host: str, request: Request, options: ProxyOptions) -> str:
    """A host with the public port of the listener that a request came to, unless clients expect the port."""
    public, own = (options.public_https_port, HTTPS_PORT) if request.https else (options.public_http_port, HTTP_PORT)
    return host if public == own else f"{host}:{public}"


def _scheme(request: Request, options: ProxyOptions) -> str:
    proto = (request.forwarded_proto or "").lower() if options.trusted_hops else ""
    return proto if proto in ("http", "https") else "https" if request.https else "http"
