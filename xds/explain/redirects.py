"""Where a redirect to HTTPS leads."""

from xds.explain.request import Request, normalized, without_port
from xds.resources.options import ProxyOptions


def location(request: Request, options: ProxyOptions) -> str:
    """The Location that Envoy makes of the redirects in `routes`: the listeners' ports are exchanged, port 80 is left
    out, any other stays.
    """
    authority = request.authority
    if authority.lower().endswith(f":{options.http_port}"):
        authority = f"{without_port(authority)}:{options.https_port}"
    elif authority.endswith(":80"):
        authority = without_port(authority)
    _, mark, query = request.path.partition("?")
    return f"https://{authority}{normalized(request.path)}{mark}{query}"
