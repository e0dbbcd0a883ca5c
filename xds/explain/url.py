"""From a URL and headers, as one gives them to curl, to the request that a proxy would see."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

from xds.explain.request import Request, without_port
from xds.problems.text import shown

_URL: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^#]*)", re.DOTALL)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""


class QuestionError(ValueError):
    """It is no request that one could make. The message is one line and says what to do."""


def question(url: str, method: str, headers: Iterable[tuple[str, str]]) -> Request:
    """The request that a client makes of this. The SNI is the URL's host, whatever the Host header says; the path goes
    out as it is written, but for blanks and letters beyond ASCII, which browsers escape.

    Raises:
        QuestionError: it makes no sense.
    """
    scheme, authority, target = _parts(url)
    host, port = _host_and_port(authority, url)
    if method.upper() == "CONNECT":
        raise QuestionError("CONNECT asks for a tunnel and not for a path; name another --method")
    given = _headers(headers)
    default = host if port in ("", _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return Request(
        given.get("host", default),
        target,
        https=scheme == "https",
        sni=_sni(host) if scheme == "https" else "",
        method=method,
        forwarded_proto=given.get("x-forwarded-proto"),
    )


def _parts(url: str) -> tuple[str, str, str]:
    match = _URL.match(url)
    scheme, authority, target = match.groups() if match else (None, "", "")
    scheme = (scheme or "http").lower()
    if scheme not in _DEFAULT_PORTS:
        raise QuestionError(f"{shown(url)} is neither an http:// nor an https:// URL")
    target = quote(target, safe="".join(map(chr, range(0x21, 0x7F))))
    return scheme, authority.rpartition("@")[2], target if target.startswith("/") else f"/{target}"


def _host_and_port(authority: str, url: str) -> tuple[str, str]:
    host = without_port(authority)
    port = authority[len(host) + 1 :]
    if not host:
        raise QuestionError(f"{shown(url)} names no host; write http://HOST/PATH")
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise QuestionError(f"{shown(url)} has no valid port")
    if host.isascii():
        return host, port
    try:
        return host.encode("idna").decode(), port
    except UnicodeError:
        raise QuestionError(f"{shown(host)} is not a name that DNS could know") from None


def _headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if not _TOKEN.fullmatch(name):
            raise QuestionError(f"{shown(name)} is not the name of a header; write -H 'name: value'")
        if key == "host" and key in found:
            raise QuestionError("a request has one Host; give one -H 'Host: …'")
        found[key] = f"{found[key]},{value.strip()}" if key in found else value.strip()
    return found


def _sni(host: str) -> str:
    """Without a dot at the end, and empty for an address.

    Source: https://www.rfc-editor.org/rfc/rfc6066#section-3
    """
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host.removesuffix(".")
    return ""
