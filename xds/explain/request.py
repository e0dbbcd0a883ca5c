"""A request as it arrives at a proxy, and its normalized host and path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.problems.text import shown
from xds.translate.names import canonical


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP/1.1 request as it arrives.

    Attributes:
        authority: The Host header, with or without a port.
        path: Begins with a slash; may have a query.
        https: Whether the request comes by TLS.
        sni: Of the connection; empty if none, or without TLS.
        method: In capitals.
        forwarded_proto: The header x-forwarded-proto; None without the header.
        headers: Names and values of other headers, for the conditions of routes.
        has_content_type: Whether the header content-type has a value.
        client: The address that proxies know the client by; empty: unknown.
        address: The address that the client connects to; empty: unknown.
        port: The port that the client connects to; 0: the scheme's own.
    """

    authority: str
    path: str
    https: bool = False
    sni: str = ""
    method: str = "GET"
    forwarded_proto: str | None = None
    has_content_type: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    client: str = ""
    address: str = ""
    port: int = 0

    @property
    def public_port(self) -> int:
        """The port that the client connects to."""
        return self.port or (443 if self.https else 80)

    def header(self, name: str) -> str | None:
        """The value of a header by its name in lower case; several values are joined as Envoy joins them."""
        if name == "host":
            return self.authority
        values = [value.strip(" \t") for key, value in self.headers if key.lower() == name]
        return ",".join(values) if values else None

    def parameter(self, name: str) -> str | None:
        """The value of a parameter in the query, as written; the first one of the name."""
        pairs = (each.partition("=") for each in self.path.partition("?")[2].split("&"))
        return next((value for key, _, value in pairs if key == name), None)

    def cookie(self, name: str) -> str | None:
        """The value of a cookie; the first one of the name, without quotes."""
        pairs = (
            each.strip().partition("=")
            for key, text in self.headers
            if key.lower() == "cookie"
            for each in text.split(";")
        )
        value = next((value for key, equals, value in pairs if equals and key == name), None)
        return value[1:-1] if value and len(value) > 1 and value[0] == value[-1] == '"' else value


METHODS: Final = frozenset(
    method
    for line in (
        "ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY",
        "OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND",
        "UNLINK UNLOCK UNSUBSCRIBE",
    )
    for method in line.split()
)
"""The methods that Envoy 1.40 accepts by HTTP/1.1, without CONNECT, which has no path.

Source: https://github.com/envoyproxy/envoy/blob/main/source/common/http/http1/balsa_parser.cc
"""

_NOT_IN_HOST: Final = re.compile(r"[^-A-Za-z0-9._~%!$&'()*+,;=:@\[\]]")
"""Source: https://www.rfc-editor.org/rfc/rfc3986#section-3.2"""

_NOT_IN_PATH: Final = re.compile(r"[^\t!-~]")


def malformed(request: Request) -> str:
    """Why a proxy rejects the request as malformed; empty if well-formed."""
    return next(_faults(request), "")


def _faults(request: Request) -> Iterator[str]:
    if request.method not in METHODS:
        yield f"{shown(request.method)} is not a method that HTTP/1.1 proxies know"
    if request.method == "QUERY" and not request.has_content_type:
        yield "a request with the method QUERY needs a Content-Type"
    if "," in request.authority:
        yield "the Host holds ',', as of a request with two Host headers"
    if odd := _NOT_IN_HOST.search(request.authority):
        yield f"the Host holds {shown(odd[0])}, which is not allowed in a host"
    if odd := _NOT_IN_PATH.search(request.path):
        yield f"the path holds {shown(odd[0])}, which must be escaped"
    if "#" in request.path:
        yield "the path holds '#': a fragment is never sent"
    if "%00" in request.path.partition("?")[0]:
        yield "the path holds '%00'"


def without_port(authority: str) -> str:
    """The host alone. Like Envoy, take everything behind the last colon as a port, valid or not."""
    host, colon, port = authority.rpartition(":")
    return host if colon and "]" not in port else authority


def without_trailing_dot(authority: str) -> str:
    """The authority as Envoy reads it: without one dot at the end of the host.

    Source: https://github.com/envoyproxy/envoy/blob/main/source/common/http/header_utility.cc, stripTrailingHostDot
    """
    host, dot, rest = authority.rpartition(".")
    return host + rest if dot and rest[:1] in ("", ":") else authority


def host_of(authority: str) -> str:
    """The host that virtual hosts are chosen by."""
    return without_port(without_trailing_dot(authority)).lower()


def normalized(path: str, *, merge_slashes: bool = True) -> str:
    """The path that routes are compared with: no query, dot segments resolved, then slashes merged, in Envoy's order.

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
    found = "/" + "/".join(segments)
    return _merged(found) if merge_slashes else found


def _merged(path: str) -> str:
    """The path with slashes merged. Envoy 1.40 keeps the first and the last slash of a path, so `//` stays.

    Source: https://github.com/envoyproxy/envoy/blob/main/source/common/http/path_utility.cc
    """
    if "//" not in path:
        return path
    return "/" + "/".join(filter(None, path.split("/"))) + ("/" if path.endswith("/") else "")


def _without_parameters(segment: str) -> str:
    """The segment as Envoy 1.40 reads it before backslashes become slashes: `..;x` is `..`, and `.;x` is `.`."""
    literal = segment.partition(";")[0]
    return literal if literal in (".", "..") else segment


def _dots(segment: str) -> str:
    """`.` or `..` if the segment is a dot segment, escaped or not; else empty."""
    plain = segment.lower().replace("%2e", ".")
    return plain if plain in (".", "..") else ""
