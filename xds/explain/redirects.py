"""The target of a redirect to HTTPS."""

from xds.explain.request import Request, normalized, without_port
from xds.resources.options import ProxyOptions


def location(request: Request, options: ProxyOptions) -> str:
    """The Location header that Envoy derives from the redirect routes (`xds.resources.routes`).

    The plain listener's port becomes the TLS listener's port, port 80 is left out, and any other port stays.
    """
    authority = request.authority
    if authority.lower().endswith(f":{options.http_port}"):
        authority = f"{without_port(authority)}:{options.https_port}"
    elif authority.endswith(":80"):
        authority = without_port(authority)
    _, mark, query = request.path.partition("?")
    return f"https://{authority}{normalized(request.path, merge_slashes=options.merge_slashes)}{mark}{query}"
