"""A request as it arrives, and what of it is compared."""

import re
from dataclasses import dataclass
from typing import Final

from xds.problems.text import shown
from xds.translate.names import canonical


@dataclass(frozen=True, slots=True)
class Request:
    """A request of HTTP/1.1 as it arrives. `authority`, the Host, may carry a port; `path` begins with a slash and may
    carry a query. `sni` counts only with `https`; `forwarded_proto` is `x-forwarded-proto`, if there is one.
    """

    authority: str
    path: str
    https: bool = False
    sni: str = ""
    method: str = "GET"
    forwarded_proto: str | None = None


METHODS: Final = frozenset(
    method
    for line in (
        "ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY",
        "OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK",
        "UNLOCK UNSUBSCRIBE",
    )
    for method in line.split()
)
"""Those that Envoy 1.40 takes by HTTP/1.1, but for CONNECT, which is no request for a path. Source:
https://github.com/envoyproxy/envoy/blob/main/source/common/http/http1/balsa_parser.cc
"""

_NOT_IN_HOST: Final = re.compile(r"[^-A-Za-z0-9._~%!$&'()*+,;=:@\[\]]")
"""Source: https://www.rfc-editor.org/rfc/rfc3986#section-3.2"""

_NOT_IN_PATH: Final = re.compile(r"[^\t!-~]")


def malformed(request: Request) -> str:
    """Why no proxy takes it for a request; empty if it does."""
    if request.method not in METHODS:
        return f"{shown(request.method)} is not a method that HTTP/1.1 proxies know"
    if odd := _NOT_IN_HOST.search(request.authority):
        return f"the Host holds {shown(odd[0])}, which no host has"
    if odd := _NOT_IN_PATH.search(request.path):
        return f"the path holds {shown(odd[0])}, which must be escaped"
    if "#" in request.path:
        return "the path holds '#': a fragment is never sent"
    if "%00" in request.path.partition("?")[0]:
        return "the path holds '%00'"
    return ""


def without_port(authority: str) -> str:
    """The host alone. As Envoy has it, what stands behind the last colon is a port, whether it can be one or not."""
    host, colon, port = authority.rpartition(":")
    return host if colon and "]" not in port else authority


def normalized(path: str) -> str:
    """The path that is compared: without query, dot segments resolved, and then slashes merged, in Envoy's order.

    Source: https://www.envoyproxy.io/docs/envoy/latest/operations/faq/normalize_path
    """
    segments: list[str] = []
    written = map(_without_parameters, path.partition("?")[0].split("/"))
    parts = "/".join(written).replace("\\", "/").split("/")[1:]
    for index, part in enumerate(parts):
        dots = _dots(part)
        if dots == "..":
            segments = segments[:-1]
        if not dots:
            segments.append(canonical(part))
        elif index == len(parts) - 1:
            segments.append("")
    return _merged("/" + "/".join(segments))


def _merged(path: str) -> str:
    """Envoy 1.40 takes the slash that a path begins with and the one that it ends with for two, so `//` stays as it is.

    Source: https://github.com/envoyproxy/envoy/blob/main/source/common/http/path_utility.cc
    """
    if "//" not in path:
        return path
    return "/" + "/".join(filter(None, path.split("/"))) + ("/" if path.endswith("/") else "")


def _without_parameters(segment: str) -> str:
    """Envoy 1.40 takes `..;x` for `..`, and `.;x` for `.`, before it takes backslashes for slashes."""
    literal = segment.partition(";")[0]
    return literal if literal in (".", "..") else segment


def _dots(segment: str) -> str:
    """`.` or `..` if the segment is one, escaped or not; else empty."""
    plain = segment.lower().replace("%2e", ".")
    return plain if plain in (".", "..") else ""
