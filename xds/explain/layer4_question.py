"""From a URL of TCP, UDP or TLS to the question about a connection."""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from xds.explain.url import QuestionError, address_of, host_and_port, literal, sni_of
from xds.problems.text import shown
from xds.traffic.layer4 import PortKey, Transport

_URL: Final = re.compile(r"(tcp|udp|tls)://([^/?#]*)(.*)", re.DOTALL | re.IGNORECASE)
_TLS: Final = "tls"


@dataclass(frozen=True, slots=True)
class PortQuestion:
    """Asks about a port that proxies bind. The host of the URL doesn't matter: a port is the same at each address.

    Attributes:
        address: The address that the client connects to, of a Gateway; empty: unknown.
    """

    port: PortKey
    address: str = ""


@dataclass(frozen=True, slots=True)
class TlsQuestion:
    """Asks about the choice by SNI on the port of HTTPS.

    Attributes:
        sni: In lower case; empty for a client that sends none.
        port: Of the URL; None: the URL has none.
        client: The address that proxies know the client by; empty: unknown.
        address: As in PortQuestion.
    """

    sni: str
    port: int | None
    client: str
    address: str = ""


Layer4Question: TypeAlias = PortQuestion | TlsQuestion


def layer4_question(url: str, client: str = "", address: str = "", *, is_plain: bool = True) -> Layer4Question | None:
    """The question of a URL; None if the URL asks about a request.

    Args:
        url: `tcp://HOST:PORT`, `udp://HOST:PORT`, `tls://HOST` or `tls://HOST:PORT`. HOST may be empty before a PORT.
        client: The address that proxies know the client by; empty: unknown.
        address: The address that the client connects to; empty: that of the URL, or unknown.
        is_plain: Whether neither a method nor headers are given.

    Raises:
        QuestionError: no client can make such a connection.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    if rest not in ("", "/"):
        raise QuestionError(f"{shown(url)} has a path; a connection has none: write {scheme}://{authority}")
    if not is_plain:
        raise QuestionError(
            f"a method and headers are of HTTP; leave them out, or ask about https:// or http://, not {scheme}://"
        )
    host, port = host_and_port(authority, url)
    at = address_of(address) or literal(host)
    if scheme == _TLS:
        if not host:
            raise QuestionError(f"{shown(url)} has no host; write tls://HOST")
        return TlsQuestion(sni_of(host).lower(), int(port) if port else None, address_of(client), at)
    if not port or int(port) == 0:
        raise QuestionError(f"{shown(url)} has no port; write {scheme}://HOST:PORT")
    return PortQuestion(PortKey(Transport(scheme), int(port)), at)
