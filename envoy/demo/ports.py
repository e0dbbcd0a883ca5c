"""Free addresses and ports, and the platform's limits."""

import os
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

RANGE = range(10_000, 32_768)
"""Below the range for outgoing connections: such a connection could take a port before its use.

Source: https://docs.kernel.org/networking/ip-sysctl.html, ip_local_port_range
"""

LOOPBACK = "127.0.0.1"


def has_loopback_network() -> bool:
    """Whether every address of 127.0.0.0/8 is this machine, as on Linux. On macOS, only 127.0.0.1 is.

    DEMO_MACOS=1 has the demo go macOS' ways on Linux, for tests.
    """
    return sys.platform == "linux" and os.environ.get("DEMO_MACOS", "") in {"", "0"}


class NoPortError(Exception):
    """No port is free. The message is one line and names the remedy."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free at the moment; another process may still take one."""
    with ExitStack() as held:
        ports: list[int] = []
        for port in _candidates():
            if len(ports) == count:
                return ports
            if sockets := _bind([LOOPBACK], port):
                held.enter_context(sockets[0])
                ports.append(port)
    raise NoPortError(f"127.0.0.1 has no {count} free ports from {RANGE.start} to {RANGE.stop - 1}; stop their users")


def bind_backends(addresses: list[str]) -> list[socket.socket]:
    """A socket for each address, with one port for the whole list, as for pods of a Service. Without these addresses,
    a socket of 127.0.0.1 for each, with ports of their own.
    """
    if not has_loopback_network():
        return [_bind([LOOPBACK], port)[0] for port in free_ports(len(addresses))]
    for port in _candidates():
        if sockets := _bind(addresses, port):
            return sockets
    raise NoPortError(f"no port is free on all of {', '.join(addresses)}; stop their users")


def _candidates() -> Iterator[int]:
    return iter(random.sample(RANGE, len(RANGE)))


def _bind(addresses: list[str], port: int) -> list[socket.socket]:
    """Bind every address to the port; empty if one of the addresses is taken."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.append(socket.socket())
            sockets[-1].bind((address, port))
    except OSError:
        for each in sockets:
            each.close()
        return []
    return sockets
