"""The reason why an address can't be bound. gRPC's error names none, so the address is bound again without gRPC."""

import errno
import socket
import sys
from pathlib import Path
from typing import Any

from xds.address import HostPort, UnixPath


def bind_failure(address: HostPort | UnixPath, error: Exception) -> str:  # noqa: PLR0911  # a table of causes
    """The reason for an operator, with a remedy where there is one. `error` is the one to explain."""
    cause = error if isinstance(error, OSError) else _error_of_bind(address)
    if isinstance(address, UnixPath) and address.path.startswith("@") and sys.platform != "linux":
        return "sockets with abstract names exist on Linux alone"
    if isinstance(cause, socket.gaierror):
        return "the host name can't be resolved"
    match cause and cause.errno:
        case errno.EADDRINUSE:
            return "the address is in use"
        case errno.EADDRNOTAVAIL:
            return "the address is not one of this machine"
        case errno.EACCES if isinstance(address, HostPort):
            return "ports below 1024 need root, or the capability NET_BIND_SERVICE"
        case errno.EACCES | errno.EPERM | errno.EROFS if isinstance(address, UnixPath):
            return f"no permission to write to the folder {Path(address.path).parent}"
        case errno.ENOENT if isinstance(address, UnixPath):
            return f"there is no folder {Path(address.path).parent}, which has to exist"
    return _other(cause)


def _other(cause: OSError | None) -> str:
    if cause is None:
        return "the address is in use, or not an address of this machine"
    return cause.strerror or str(cause)


def _error_of_bind(address: HostPort | UnixPath) -> OSError | None:
    """The error of a second attempt; None: the address could be bound now."""
    try:
        if isinstance(address, UnixPath):
            path = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
            _bind(socket.AF_UNIX, path)
            if not address.path.startswith("@"):
                Path(path).unlink()
            return None
        for family, _, _, _, target in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
            _bind(family, target)
    except OSError as error:
        return error
    return None


def _bind(family: int, target: str | tuple[Any, ...]) -> None:
    with socket.socket(family) as probe:
        if family != socket.AF_UNIX:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(target)
