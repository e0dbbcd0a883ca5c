"""Protection of the page: which requests are answered, and the headers of every response.

The page has no login: an address of this machine protects it, and `kubectl port-forward` reaches that address. A
browser on this machine runs scripts of other sites, though, which could read the page by DNS rebinding. So the Host
header must have a name that no other machine can have.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from aiohttp import web

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""A cached page would show an old state, and outlive the server in the browser's history."""


_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]{1,5})?")


def rejection(request: web.BaseRequest, hosts: Iterable[str]) -> web.Response | None:
    """The response to a request that the page must not answer; None: the page may.

    Args:
        request: The request.
        hosts: Names of `--ui-host`.
    """
    if request.method not in ("GET", "HEAD"):
        return _text(405, "405: Method Not Allowed. The page is read-only.", Allow="GET, HEAD")
    if not request.raw_path.startswith("/"):
        return _text(400, "400: Bad Request. The target of a request is a path.")
    if not is_own_host(request.headers.getall("Host", []), hosts):
        return _text(
            403,
            "403: Forbidden. The page answers only for this machine's names, such as localhost and 127.0.0.1, "
            "and those of --ui-host.",
        )
    if _is_foreign(request):
        return _text(403, "403: Forbidden. Another site asks for a part of the page.")
    return None


def is_own_host(headers: list[str], hosts: Iterable[str]) -> bool:
    """Whether a request's only Host header names this machine, or one of the hosts. Any port will do: a forwarded port
    differs from the server's.
    """
    match = _HOST.fullmatch(headers[0].lower()) if len(headers) == 1 else None
    if match is None:
        return False
    name = (match[1] or match[2]).removesuffix(".")
    if name == "localhost" or name in (each.lower().removesuffix(".") for each in hosts):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_foreign(request: web.BaseRequest) -> bool:
    """Whether a script, an image or a frame of another site asks. A link from another site is allowed.

    Source: https://www.w3.org/TR/fetch-metadata/
    """
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    return request.headers.get("Sec-Fetch-Dest") != "document"


def _text(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)
