"""From a URL and headers, as for curl, to the request that a proxy receives."""

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
    """The URL, method and headers make no possible request. The message is a line with a remedy."""


def question(url: str, method: str, headers: Iterable[tuple[str, str]], client: str = "", address: str = "") -> Request:
    """The request that a client sends for a URL.

    The SNI is the URL's host, whatever the Host header says. The path is sent as written, except that characters which
    browsers escape (blanks, letters beyond ASCII) are escaped. Without the header Content-Type, one is
    assumed; an empty one means none, as for curl.

    Args:
        url: With or without a scheme.
        method: Of the request.
        headers: Names and values.
        client: The address that proxies know the client by; empty: unknown.
        address: The address that the client connects to; empty: that of the URL, or unknown.

    Raises:
        QuestionError: no client can send such a request.
    """
    scheme, authority, target = _parts(url)
    host, port = host_and_port(authority, url)
    if not host:
        raise QuestionError(f"{shown(url)} has no host; write http://HOST/PATH")
    if method.upper() == "CONNECT":
        raise QuestionError("CONNECT opens a tunnel and has no path; choose another --method")
    headers = tuple((name.lower(), value.strip()) for name, value in headers)
    given = _headers(headers)
    default = host if port in ("", _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return Request(
        given.get("host", default),
        target,
        https=scheme == "https",
        sni=sni_of(host) if scheme == "https" else "",
        method=method,
        forwarded_proto=given.get("x-forwarded-proto"),
        headers=tuple(each for each in headers if each[0] not in ("host", "x-forwarded-proto")),
        has_content_type=given.get("content-type") != "",
        client=address_of(client),
        address=address_of(address) or literal(host),
        port=0 if port in ("", _DEFAULT_PORTS[scheme]) else int(port),
    )


def literal(host: str) -> str:
    """The address that a host is; empty for a name."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return ""


def address_of(text: str) -> str:
    """An address, of IPv4 also where it is written as one of IPv6."""
    try:
        found = ip_address(text) if text else None
    except ValueError:
        raise QuestionError(f"{shown(text)} is no IP address") from None
    return str(getattr(found, "ipv4_mapped", None) or found or "")


def _parts(url: str) -> tuple[str, str, str]:
    match = _URL.match(url)
    scheme, authority, target = match.groups() if match else (None, "", "")
    scheme = (scheme or "http").lower()
    if scheme not in _DEFAULT_PORTS:
        raise QuestionError(f"{shown(url)} is no URL of http://, https://, tls://, tcp:// or udp://")
    target = quote(target, safe="".join(map(chr, range(0x21, 0x7F))))
    return scheme, authority.rpartition("@")[2], target if target.startswith("/") else f"/{target}"


def host_and_port(authority: str, url: str) -> tuple[str, str]:
    """The host, as DNS knows it, and the port; both may be empty.

    Raises:
        QuestionError: the host is no name, or the port no number.
    """
    host = without_port(authority)
    port = authority[len(host) + 1 :]
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise QuestionError(f"{shown(url)} has no valid port")
    if host.isascii():
        return host, port
    try:
        return host.encode("idna").decode(), port
    except UnicodeError:
        raise QuestionError(f"{shown(host)} is no valid DNS name") from None


def _headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if not _TOKEN.fullmatch(name):
            raise QuestionError(f"{shown(name)} is no valid header name; write -H 'name: value'")
        if key == "host" and key in found:
            raise QuestionError("a request has one Host header; give -H 'Host: …' once")
        found[key] = f"{found[key]},{value.strip()}" if key in found else value.strip()
    return found


def sni_of(host: str) -> str:
    """The SNI for a host: without a dot at the end, and empty for an IP address.

    Source: https://www.rfc-editor.org/rfc/rfc6066#section-3
    """
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host.removesuffix(".")
    return ""
