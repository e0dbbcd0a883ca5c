"""Addresses as the command line takes them: `HOST:PORT` or `unix:PATH`."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+(%[^\]]+)?\]|[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address. An IPv6 host stands in brackets in the text, and without them here."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A unix domain socket. A path that begins with `@` is an abstract name."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def is_local(address: HostPort | UnixPath) -> bool:
    """Does it reach no further than this machine? Other names than `localhost` may, whatever they resolve to now."""
    if isinstance(address, UnixPath) or address.host.lower() == "localhost":
        return True
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return False


def parse(text: str) -> HostPort | UnixPath:
    """The address that a text stands for.

    Raises:
        ValueError: when it is neither form.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return UnixPath(text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is neither HOST:PORT nor unix:PATH")
    return HostPort(host.removeprefix("[").removesuffix("]"), int(port))
