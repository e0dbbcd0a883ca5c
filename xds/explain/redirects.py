"""The targets of redirects whose Location depends on the request."""

from xds.explain.request import Request, normalized, without_port, without_trailing_dot
from xds.resources.https_redirects import HTTP_PORT, HTTPS_PORT
from xds.resources.options import ProxyOptions
from xds.traffic.actions import HostRedirect


def location(request: Request, options: ProxyOptions) -> str:
    """The Location header that Envoy derives from the redirect routes (`xds.resources.https_redirects`).

    The plain listener's own port becomes the TLS listener's; otherwise the public HTTPS port applies, and is left out
    if clients expect it.
    """
    authority = without_trailing_dot(request.authority)
    host = without_port(authority)
    if authority.endswith(f":{options.http_port}"):
        port = f":{options.https_port}"
    elif options.public_https_port != HTTPS_PORT or authority not in (host, f"{host}:{HTTP_PORT}"):
        port = f":{options.public_https_port}"
    else:
        port = ""
    _, mark, query = request.path.partition("?")
    return f"https://{host}{port}{normalized(request.path, merge_slashes=options.merge_slashes)}{mark}{query}"


def location_at_host(request: Request, redirect: HostRedirect, options: ProxyOptions) -> str:
    """The Location of a redirect to another host: the request's scheme, no port, and no slash at the end."""
    proto = (request.forwarded_proto or "").lower() if options.trusted_hops else ""
    scheme = proto if proto in ("http", "https") else "https" if request.https else "http"
    path = normalized(request.path, merge_slashes=options.merge_slashes)
    _, mark, query = request.path.partition("?")
    kept = path if mark else path.removesuffix("/") or "/"
    return f"{scheme}://{redirect.host}{kept}{mark}{query}"
