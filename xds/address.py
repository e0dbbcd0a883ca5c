"""Addresses of the command line: `HOST:PORT` or `unix:PATH`."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+(%[^\]]+)?\]|[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address. An IPv6 host has brackets in the text, but not in `host`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A unix domain socket. A path with a leading `@` is an abstract name."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def is_local(address: HostPort | UnixPath) -> bool:
    """Whether only this machine can reach the address. Of names only `localhost` counts, as others may resolve anew."""
    if isinstance(address, UnixPath) or address.host.lower() == "localhost":
        return True
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return False


def parse(text: str) -> HostPort | UnixPath:
    """Parse an address.

    Raises:
        ValueError: the text has neither form.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return UnixPath(text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is neither HOST:PORT nor unix:PATH")
    return HostPort(host.removeprefix("[").removesuffix("]"), int(port))


def is_ip(host: str) -> bool:
    """Whether a host is an IP address, without brackets."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
